#include "towpath/netlink/port_maps.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>

#include <functional>

#include "netlink/nft_expressions.h"
#include "netlink/nft_transaction.h"
#include "netlink/port_elements.h"

namespace towpath::netlink {
namespace {

constexpr std::array kFamilies{AddressFamily::kIpv4, AddressFamily::kIpv6};

constexpr const char* kLookups = "ports";
constexpr const char* kArriving = "ports_prerouting";
constexpr const char* kOwn = "ports_output";
constexpr const char* kLeaving = "ports_postrouting";

std::uint8_t nfproto(AddressFamily family) {
  return family == AddressFamily::kIpv4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

// The numbers by which nft knows the types of a set's fields; the kernel only hands them back to who lists
// the set.
constexpr std::uint32_t kTypeIpv4 = 7, kTypeIpv6 = 8, kTypeProtocol = 12, kTypePort = 13;
std::uint32_t types(std::initializer_list<std::uint32_t> fields) {
  constexpr int kBits = 6;
  std::uint32_t out = 0;
  for (const std::uint32_t field : fields) out = out << kBits | field;
  return out;
}

void add_sets(NftTransaction& transaction) {
  for (const AddressFamily family : kFamilies) {
    const bool v4 = family == AddressFamily::kIpv4;
    const std::uint32_t address = v4 ? kTypeIpv4 : kTypeIpv6;
    const std::uint32_t size = v4 ? 4 : 16;
    const NftTransaction::SetType target{types({address, kTypePort}), size + 4};
    transaction.add_map(port_map_of({.family = family}), {types({kTypeProtocol, kTypePort}), 8}, target);
    transaction.add_map(port_map_of({.family = family, .host_ip = IpAddress::any(family)}),
                        {types({kTypeProtocol, address, kTypePort}), 8 + size}, target);
    transaction.add_set(hairpin_set_of(family), {types({address, address}), 2 * size});
  }
}

void add_lookup_rules(NftTransaction& transaction) {
  transaction.add_rule(kLookups, "not for this host", [](nftnl_rule& rule) {
    NftExpressions match(rule);
    match.load_destination_kind();
    match.is_not_equal(std::uint32_t{RTN_LOCAL});
    match.verdict(static_cast<std::uint32_t>(NFT_RETURN));
  });
  constexpr std::uint32_t kTarget = 8;  // registers behind the longest key
  for (const AddressFamily family : kFamilies) {
    const bool v4 = family == AddressFamily::kIpv4;
    const std::uint32_t address_registers = v4 ? 1 : 4;
    const auto rewrite = [&](NftExpressions& match) {
      match.rewrite_destination(nfproto(family), kTarget, kTarget + address_registers);
    };
    // The more specific one first; what it does not have goes on to the next rule.
    transaction.add_rule(kLookups, "mappings of one host address", [&](nftnl_rule& rule) {
      NftExpressions match(rule);
      match.is_family(nfproto(family));
      match.load_meta(NFT_META_L4PROTO, 0);
      v4 ? match.load_ipv4_destination(1) : match.load_ipv6_destination(1);
      match.load_destination_port(1 + address_registers);
      match.look_up(port_map_of({.family = family, .host_ip = IpAddress::any(family)}), kTarget);
      rewrite(match);
    });
    transaction.add_rule(kLookups, "mappings of any host address", [&](nftnl_rule& rule) {
      NftExpressions match(rule);
      match.is_family(nfproto(family));
      match.load_meta(NFT_META_L4PROTO, 0);
      match.load_destination_port(1);
      match.look_up(port_map_of({.family = family}), kTarget);
      rewrite(match);
    });
  }
}

void add_source_rules(NftTransaction& transaction) {
  for (const AddressFamily family : kFamilies) {
    const bool v4 = family == AddressFamily::kIpv4;
    transaction.add_rule(kLeaving, "a container by its own mapping", [&](nftnl_rule& rule) {
      NftExpressions match(rule);
      match.is_family(nfproto(family));
      v4 ? match.load_ipv4_source(0) : match.load_ipv6_source(0);
      v4 ? match.load_ipv4_destination(1) : match.load_ipv6_destination(4);
      match.is_in(hairpin_set_of(family));
      match.rewrite_source();
    });
  }
  transaction.add_rule(kLeaving, "the host by 127.0.0.1", [](nftnl_rule& rule) {
    constexpr std::array<std::uint8_t, 4> kMask{0xFF, 0, 0, 0};
    constexpr std::array<std::uint8_t, 4> kLoopback{127, 0, 0, 0};
    NftExpressions match(rule);
    match.is_family(NFPROTO_IPV4);
    match.to_container();
    match.load_ipv4_source();
    match.mask(kMask);
    match.is_equal(std::as_bytes(std::span(kLoopback)));
    match.rewrite_source();
  });
}

// Everything but the elements. What is there stays, rules are rewritten.
void add_frame(NftTransaction& transaction) {
  transaction.add_table();
  add_sets(transaction);
  transaction.add_chain(kLookups);
  transaction.add_nat_chain(kArriving, {NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST});
  transaction.add_nat_chain(kOwn, {NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST});
  transaction.add_nat_chain(kLeaving, {NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC});
  for (const char* chain : {kArriving, kOwn, kLeaving, kLookups}) transaction.flush_chain(chain);
  add_lookup_rules(transaction);
  for (const char* chain : {kArriving, kOwn}) {
    transaction.add_rule(chain, "port mappings",
                         [](nftnl_rule& rule) { NftExpressions(rule).jump(kLookups); });
  }
  add_source_rules(transaction);
}

// False: there is no such set.
Result<bool> dump_elements(NetlinkSocket& socket, const char* set, const std::function<void()>& restart,
                           const std::function<void(const SetElement&)>& visit) {
  std::vector<std::byte> request;
  MessageWriter writer(request);
  writer.begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, NLM_F_REQUEST | NLM_F_DUMP, 0);
  nfgenmsg family{};
  family.nfgen_family = NFPROTO_INET;
  writer.fixed(family);
  write_elements(writer, set, {});
  writer.end();
  const auto status = socket.dump(request, "dump port mappings", restart, [&](const MessageView& message) {
    if (message.header.nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM))
      for_each_element(message, visit);
  });
  if (status) return true;
  if (status.error().kind == ErrorKind::kNotFound) return false;
  return std::unexpected(status.error());
}

Result<bool> dump_ports(NetlinkSocket& socket, AddressFamily family, bool on_address, PortState& state) {
  PortKey any{.family = family};
  if (on_address) any.host_ip = IpAddress::any(family);
  std::map<PortKey, PortTarget> found;
  TOWPATH_TRY(const bool there, dump_elements(
                                    socket, port_map_of(any), [&] { found.clear(); },
                                    [&](const SetElement& element) {
                                      const auto key = decode_port_key(family, on_address, element.key);
                                      const auto target = decode_port_target(family, element.data);
                                      if (key && target) found[*key] = *target;
                                    }));
  state.ports.merge(found);
  return there;
}

Result<bool> dump_hairpins(NetlinkSocket& socket, AddressFamily family, PortState& state) {
  std::set<IpAddress> found;
  TOWPATH_TRY(const bool there, dump_elements(
                                    socket, hairpin_set_of(family), [&] { found.clear(); },
                                    [&](const SetElement& element) {
                                      const auto address = decode_hairpin(family, element.key);
                                      if (address) found.insert(*address);
                                    }));
  state.hairpins.merge(found);
  return there;
}

}  // namespace

Result<PortMaps> PortMaps::open() {
  TOWPATH_TRY(auto socket, NetlinkSocket::open(NETLINK_NETFILTER));
  return PortMaps(std::move(socket));
}

Result<PortState> PortMaps::adopt() {
  PortState state;
  std::size_t sets = 0;
  for (const AddressFamily family : kFamilies) {
    for (const bool on_address : {false, true}) {
      TOWPATH_TRY(const bool there, dump_ports(socket_, family, on_address, state));
      sets += there ? 1 : 0;
    }
    TOWPATH_TRY(const bool there, dump_hairpins(socket_, family, state));
    sets += there ? 1 : 0;
  }
  installed_ = false;
  if (sets == 0) return state;
  NftTransaction transaction(socket_);
  add_frame(transaction);
  TOWPATH_TRY_STATUS(transaction.commit());
  installed_ = true;
  return state;
}

Status PortMaps::change(const PortChange& change) {
  NftTransaction transaction(socket_);
  if (!installed_) add_frame(transaction);
  // By set, as the kernel wants them.
  std::map<std::string, std::vector<SetElement>> removed, added;
  for (const auto& [key, target] : change.remove_ports) removed[port_map_of(key)].push_back({encode(key)});
  for (const IpAddress& address : change.remove_hairpins)
    removed[hairpin_set_of(address.family())].push_back({encode_hairpin(address)});
  for (const auto& [key, target] : change.add_ports)
    added[port_map_of(key)].push_back({encode(key), encode(target)});
  for (const IpAddress& address : change.add_hairpins)
    added[hairpin_set_of(address.family())].push_back({encode_hairpin(address)});
  for (const auto& [set, elements] : removed) transaction.delete_elements(set.c_str(), elements);
  for (const auto& [set, elements] : added) transaction.add_elements(set.c_str(), elements);
  TOWPATH_TRY_STATUS(transaction.commit());
  installed_ = true;
  return {};
}

Status PortMaps::remove() {
  NftTransaction transaction(socket_);
  // A transaction that deletes what is not there is refused whole; so everything is made first.
  add_frame(transaction);
  for (const char* chain : {kArriving, kOwn, kLeaving, kLookups}) transaction.flush_chain(chain);
  for (const char* chain : {kArriving, kOwn, kLeaving, kLookups}) transaction.delete_chain(chain);
  for (const AddressFamily family : kFamilies) {
    transaction.delete_set(port_map_of({.family = family}));
    transaction.delete_set(port_map_of({.family = family, .host_ip = IpAddress::any(family)}));
    transaction.delete_set(hairpin_set_of(family));
  }
  TOWPATH_TRY_STATUS(transaction.commit());
  installed_ = false;
  return {};
}

}  // namespace towpath::netlink
