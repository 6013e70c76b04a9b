#include "towpath/netlink/policy_table.h"

#include <arpa/inet.h>
#include <linux/icmpv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>

#include "netlink/kernel_error.h"
#include "netlink/message_reader.h"
#include "netlink/message_writer.h"
#include "netlink/nft_expressions.h"
#include "netlink/nft_transaction.h"
#include "netlink/port_elements.h"

namespace towpath::netlink {
namespace {

constexpr std::array kFamilies{AddressFamily::kIpv4, AddressFamily::kIpv6};
constexpr std::size_t kNameBytes = 16;  // IFNAMSIZ

// The numbers by which nft knows the types of a set's fields; the kernel only hands them back.
constexpr std::uint32_t kTypeFamily = 2, kTypeIpv4 = 7, kTypeIpv6 = 8, kTypeProtocol = 12, kTypePort = 13,
                        kTypeIcmpType = 14, kTypeInterface = 41;
std::uint32_t types(std::initializer_list<std::uint32_t> fields) {
  constexpr int kBits = 6;
  std::uint32_t out = 0;
  for (const std::uint32_t field : fields) out = out << kBits | field;
  return out;
}

std::uint8_t nfproto(AddressFamily family) {
  return family == AddressFamily::kIpv4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
}
std::uint8_t address_size(AddressFamily family) {
  return family == AddressFamily::kIpv4 ? 4 : 16;
}

// The sets of a chain.
std::string set_of(const std::string& chain, const char* kind, AddressFamily family) {
  return chain + kind + (family == AddressFamily::kIpv4 ? "4" : "6");
}
constexpr const char* kHosts = "_hosts";
constexpr const char* kHostPorts = "_host_ports";    // one port each
constexpr const char* kHostRanges = "_host_ranges";  // of ports
constexpr const char* kNetworks = "_nets";
constexpr const char* kNetworkPorts = "_net_ports";
constexpr const char* kAnybody = "_anybody";

// --- elements ---

// Fields, each filled up to the four bytes of a register.
class Key {
 public:
  Key& bytes(std::span<const std::byte> value) {
    out_.insert(out_.end(), value.begin(), value.end());
    out_.resize((out_.size() + 3) / 4 * 4);
    return *this;
  }
  template <class T>
  Key& raw(T value) {
    return bytes(std::as_bytes(std::span(&value, 1)));
  }
  Key& port(std::uint16_t value) { return raw(htons(value)); }
  Key& name(const std::string& value) {
    std::array<char, kNameBytes> filled{};
    std::memcpy(filled.data(), value.data(), std::min(value.size(), kNameBytes - 1));
    return bytes(std::as_bytes(std::span(filled)));
  }
  std::vector<std::byte> take() { return std::move(out_); }

 private:
  std::vector<std::byte> out_;
};

SetElement element(const PolicyPorts& ports) {
  SetElement out{.key = Key().raw(ports.protocol).port(ports.first).take()};
  out.key_end = Key().raw(ports.protocol).port(ports.last).take();
  return out;
}

SetElement element(const PolicyRange& range, const PolicyPorts& ports) {
  SetElement out{.key = Key().bytes(range.first.bytes()).raw(ports.protocol).port(ports.first).take()};
  out.key_end = Key().bytes(range.last.bytes()).raw(ports.protocol).port(ports.last).take();
  return out;
}

SetElement element(const PolicyRange& range) {
  const std::uint8_t family = nfproto(range.first.family());
  SetElement out{.key = Key().bytes(range.first.bytes()).raw(family).take()};
  out.key_end = Key().bytes(range.last.bytes()).raw(family).take();
  return out;
}

SetElement element(const std::string& interface, const std::optional<std::string>& chain, bool with_data) {
  SetElement out{.key = Key().name(interface).take()};
  if (with_data) {
    out.is_verdict = true;
    out.go_to = chain.value_or("");
  }
  return out;
}

using ElementsBySet = std::map<std::string, std::vector<SetElement>>;

void sort_elements(const std::string& chain, const PolicyElements& elements, ElementsBySet& out) {
  for (const IpAddress& host : elements.hosts)
    out[set_of(chain, kHosts, host.family())].push_back({.key = Key().bytes(host.bytes()).take()});
  for (const auto& [host, ports] : elements.host_ports) {
    SetElement one = element(PolicyRange{host, host}, ports);
    const bool is_one = ports.first == ports.last;
    if (is_one) one.key_end.clear();
    out[set_of(chain, is_one ? kHostPorts : kHostRanges, host.family())].push_back(std::move(one));
  }
  for (const PolicyRange& network : elements.networks)
    out[set_of(chain, kNetworks, network.first.family())].push_back(element(network));
  for (const auto& [network, ports] : elements.network_ports)
    out[set_of(chain, kNetworkPorts, network.first.family())].push_back(element(network, ports));
  for (const PolicyPorts& ports : elements.anybody) out[chain + kAnybody].push_back(element(ports));
}

void sort_interfaces(const std::vector<PolicyInterface>& interfaces, bool with_data, ElementsBySet& out) {
  for (const PolicyInterface& interface : interfaces) {
    out["from"].push_back(element(interface.name, interface.egress, with_data));
    out["to"].push_back(element(interface.name, interface.ingress, with_data));
    out["self"].push_back({.key = Key().name(interface.name).name(interface.name).take()});
  }
}

// --- rules ---

const char* cut_set_of(AddressFamily family) {
  return family == AddressFamily::kIpv4 ? "cut4" : "cut6";
}
// Longer than connection tracking waits for the next packet of a UDP flow (nf_conntrack_udp_timeout_stream).
constexpr std::chrono::minutes kCutFor{5};

constexpr const char* kEgress = "egress";
constexpr const char* kIngress = "ingress";

void add_base_rules(NftTransaction& transaction, const char* chain, bool is_egress) {
  transaction.add_rule(chain, "known flows", [](nftnl_rule& rule) {
    constexpr std::uint32_t kKnown = NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED);
    std::array<std::uint8_t, sizeof kKnown> mask;
    std::memcpy(mask.data(), &kKnown, sizeof kKnown);
    NftExpressions match(rule);
    match.load_flow_state();
    match.mask(mask);
    match.is_not_equal(std::uint32_t{0});
    match.verdict(NF_ACCEPT);
  });
  for (const AddressFamily family : kFamilies) {
    const bool v4 = family == AddressFamily::kIpv4;
    const std::uint32_t registers = address_size(family) / 4U;
    transaction.add_rule(chain, "answers of flows that were cut", [&](nftnl_rule& rule) {
      NftExpressions match(rule);
      match.is_family(nfproto(family));
      v4 ? match.load_ipv4_source(0) : match.load_ipv6_source(0);
      v4 ? match.load_ipv4_destination(registers) : match.load_ipv6_destination(registers);
      match.load_meta(NFT_META_L4PROTO, 2 * registers);
      match.load_source_port(2 * registers + 1);
      match.load_destination_port(2 * registers + 2);
      match.is_in(cut_set_of(family));
      match.count();
      match.verdict(NF_DROP);
    });
  }
  transaction.add_rule(chain, "no container", [&](nftnl_rule& rule) {
    NftExpressions match(rule);
    is_egress ? match.not_from_container() : match.not_to_container();
    match.verdict(NF_ACCEPT);
  });
  transaction.add_rule(chain, "errors, without which path MTU discovery fails", [](nftnl_rule& rule) {
    NftExpressions match(rule);
    match.load_meta(NFT_META_L4PROTO, 0);
    match.load_icmp_type(1);
    match.is_in("icmp_errors");
    match.verdict(NF_ACCEPT);
  });
  transaction.add_rule(chain, "a container to itself", [](nftnl_rule& rule) {
    NftExpressions match(rule);
    match.load_meta(NFT_META_IIFNAME, 0);
    match.load_meta(NFT_META_OIFNAME, 4);
    match.is_in("self");
    match.verdict(NF_ACCEPT);
  });
  transaction.add_rule(chain, "endpoints", [&](nftnl_rule& rule) {
    NftExpressions match(rule);
    match.load_meta(is_egress ? NFT_META_IIFNAME : NFT_META_OIFNAME, 0);
    match.look_up_verdict(is_egress ? "from" : "to");
  });
  transaction.add_rule(chain, "no endpoint has this interface", [](nftnl_rule& rule) {
    NftExpressions match(rule);
    match.count();
    match.verdict(NF_DROP);
  });
}

// ICMP messages about other packets: RFC 792, RFC 4443 section 2.1.
std::vector<SetElement> icmp_errors() {
  std::vector<SetElement> out;
  constexpr std::array<std::uint8_t, 3> kTypes4{ICMP_DEST_UNREACH, ICMP_TIME_EXCEEDED, ICMP_PARAMETERPROB};
  constexpr std::array<std::uint8_t, 4> kTypes6{ICMPV6_DEST_UNREACH, ICMPV6_PKT_TOOBIG, ICMPV6_TIME_EXCEED,
                                                ICMPV6_PARAMPROB};
  for (const std::uint8_t type : kTypes4)
    out.push_back({.key = Key().raw(std::uint8_t{IPPROTO_ICMP}).raw(type).take()});
  for (const std::uint8_t type : kTypes6)
    out.push_back({.key = Key().raw(std::uint8_t{IPPROTO_ICMPV6}).raw(type).take()});
  return out;
}

void add_frame(NftTransaction& transaction) {
  transaction.add_table();
  transaction.add_set("self", {types({kTypeInterface, kTypeInterface}), 2 * kNameBytes});
  transaction.add_set("icmp_errors", {types({kTypeProtocol, kTypeIcmpType}), 8});
  transaction.add_verdict_map("from", {kTypeInterface, kNameBytes});
  transaction.add_verdict_map("to", {kTypeInterface, kNameBytes});
  transaction.add_elements("icmp_errors", icmp_errors());
  for (const AddressFamily family : kFamilies) {
    const std::uint32_t address = family == AddressFamily::kIpv4 ? kTypeIpv4 : kTypeIpv6;
    transaction.add_fleeting_set(
        cut_set_of(family),
        {types({address, address, kTypeProtocol, kTypePort, kTypePort}), 2U * address_size(family) + 12U},
        kCutFor);
  }
  // Egress before ingress, both beside the filters of others.
  transaction.add_filter_chain(kEgress, {NF_INET_FORWARD, NF_IP_PRI_FILTER - 2});
  transaction.add_filter_chain(kIngress, {NF_INET_FORWARD, NF_IP_PRI_FILTER - 1});
  add_base_rules(transaction, kEgress, true);
  add_base_rules(transaction, kIngress, false);
}

bool is_egress_chain(const std::string& chain) {
  return chain.starts_with("e_");
}

// Of the packet's other end, from register 0 on.
void load_other_end(NftExpressions& match, AddressFamily family, bool is_egress) {
  match.is_family(nfproto(family));
  if (family == AddressFamily::kIpv4) {
    is_egress ? match.load_ipv4_destination() : match.load_ipv4_source();
  } else {
    is_egress ? match.load_ipv6_destination() : match.load_ipv6_source();
  }
}

void add_chain_rules(NftTransaction& transaction, const std::string& chain, bool anybody_may_all) {
  const bool is_egress = is_egress_chain(chain);
  const auto accept = [&](const char* comment, const std::function<void(NftExpressions&)>& match) {
    transaction.add_rule(chain.c_str(), comment, [&](nftnl_rule& rule) {
      NftExpressions expressions(rule);
      match(expressions);
      expressions.verdict(NF_ACCEPT);
    });
  };
  if (anybody_may_all) {
    accept("anybody", [](NftExpressions&) {});
    return;
  }
  for (const AddressFamily family : kFamilies) {
    const std::uint32_t behind = address_size(family) / 4U;  // the first register behind an address
    const auto accept_set = [&](const char* comment, const char* kind, bool with_ports) {
      accept(comment, [&](NftExpressions& match) {
        load_other_end(match, family, is_egress);
        if (with_ports) {
          match.load_meta(NFT_META_L4PROTO, behind);
          match.load_destination_port(behind + 1);
        } else if (kind == kNetworks) {
          match.load_meta(NFT_META_NFPROTO, behind);
        }
        match.is_in(set_of(chain, kind, family).c_str());
      });
    };
    accept_set("hosts that may all", kHosts, false);
    accept_set("hosts with a port", kHostPorts, true);
    accept_set("hosts with ports", kHostRanges, true);
    accept_set("networks that may all", kNetworks, false);
    accept_set("networks with ports", kNetworkPorts, true);
  }
  accept("ports for anybody", [&](NftExpressions& match) {
    match.load_meta(NFT_META_L4PROTO, 0);
    match.load_destination_port(1);
    match.is_in((chain + kAnybody).c_str());
  });
  transaction.add_rule(chain.c_str(), "no policy allows it", [](nftnl_rule& rule) {
    NftExpressions match(rule);
    match.count();
    match.verdict(NF_DROP);
  });
}

void add_policy_chain(NftTransaction& transaction, const std::string& chain) {
  transaction.add_chain(chain.c_str());
  for (const AddressFamily family : kFamilies) {
    const bool v4 = family == AddressFamily::kIpv4;
    const std::uint32_t address = v4 ? kTypeIpv4 : kTypeIpv6;
    const std::uint8_t size = address_size(family);
    const NftTransaction::SetType with_ports{types({address, kTypeProtocol, kTypePort}), size + 8U};
    const std::array<std::uint8_t, 3> port_fields{size, 1, 2};
    // The kernel wants two fields at least of what has intervals; the second is always the same.
    const std::array<std::uint8_t, 2> network_fields{size, 1};
    transaction.add_set(set_of(chain, kHosts, family).c_str(), {address, size});
    transaction.add_set(set_of(chain, kHostPorts, family).c_str(), with_ports);
    transaction.add_interval_set(set_of(chain, kHostRanges, family).c_str(), with_ports, port_fields);
    transaction.add_interval_set(set_of(chain, kNetworks, family).c_str(),
                                 {types({address, kTypeFamily}), size + 4U}, network_fields);
    transaction.add_interval_set(set_of(chain, kNetworkPorts, family).c_str(), with_ports, port_fields);
  }
  constexpr std::array<std::uint8_t, 2> kFields{1, 2};
  transaction.add_interval_set((chain + kAnybody).c_str(), {types({kTypeProtocol, kTypePort}), 8}, kFields);
}

void remove_policy_chain(NftTransaction& transaction, const std::string& chain) {
  transaction.flush_chain(chain.c_str());
  transaction.delete_chain(chain.c_str());
  for (const AddressFamily family : kFamilies) {
    for (const char* kind : {kHosts, kHostPorts, kHostRanges, kNetworks, kNetworkPorts})
      transaction.delete_set(set_of(chain, kind, family).c_str());
  }
  transaction.delete_set((chain + kAnybody).c_str());
}

// What is referred to comes first; what is removed goes in reverse.
void append(NftTransaction& transaction, const PolicyChange& change) {
  ElementsBySet removed, added;
  for (const auto& [chain, elements] : change.remove_elements) sort_elements(chain, elements, removed);
  for (const auto& [chain, elements] : change.add_elements) sort_elements(chain, elements, added);
  sort_interfaces(change.remove_interfaces, false, removed);
  sort_interfaces(change.add_interfaces, true, added);

  for (const std::string& chain : change.add_chains) add_policy_chain(transaction, chain);
  for (const auto& [set, elements] : removed) transaction.delete_elements(set.c_str(), elements);
  for (const auto& [set, elements] : added) transaction.add_elements(set.c_str(), elements);
  for (const auto& [chain, anybody_may_all] : change.write_rules) {
    transaction.flush_chain(chain.c_str());
    add_chain_rules(transaction, chain, anybody_may_all);
  }
  for (const std::string& chain : change.remove_chains) remove_policy_chain(transaction, chain);
}

}  // namespace

Result<PolicyTable> PolicyTable::open() {
  TOWPATH_TRY(auto socket, NetlinkSocket::open(NETLINK_NETFILTER));
  return PolicyTable(std::move(socket));
}

Status PolicyTable::replace(const PolicyChange& all) {
  NftTransaction transaction(socket_, kPolicyTable);
  // Only what is there can be deleted.
  transaction.add_table();
  transaction.delete_table();
  add_frame(transaction);
  append(transaction, all);
  return transaction.commit();
}

Status PolicyTable::change(const PolicyChange& change) {
  if (change.empty()) return {};
  NftTransaction transaction(socket_, kPolicyTable);
  append(transaction, change);
  return transaction.commit();
}

Result<std::size_t> PolicyTable::cut(std::span<const TrackedFlow> flows) {
  if (flows.empty()) return 0;
  ElementsBySet answers;
  for (const TrackedFlow& flow : flows) {
    if (flow.source_port == 0 && flow.reply_source_port == 0) continue;  // ICMP: an answer begins nothing
    answers[cut_set_of(flow.source.family())].push_back({.key = Key()
                                                                    .bytes(flow.reply_source.bytes())
                                                                    .bytes(flow.source.bytes())
                                                                    .raw(flow.protocol)
                                                                    .port(flow.reply_source_port)
                                                                    .port(flow.source_port)
                                                                    .take()});
  }
  // First what keeps them from coming back.
  NftTransaction transaction(socket_, kPolicyTable);
  for (const auto& [set, elements] : answers) transaction.add_elements(set.c_str(), elements);
  TOWPATH_TRY_STATUS(transaction.commit());
  for (const TrackedFlow& flow : flows) TOWPATH_TRY_STATUS(forget_flow(socket_, flow));
  return flows.size();
}

Result<bool> PolicyTable::is_there() {
  std::vector<std::byte> request;
  MessageWriter writer(request);
  const std::uint32_t sequence = socket_.next_sequence();
  writer.begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NLM_F_REQUEST | NLM_F_ACK, sequence);
  nfgenmsg family{};
  family.nfgen_family = NFPROTO_INET;
  writer.fixed(family);
  writer.text(NFTA_TABLE_NAME, kPolicyTable);
  writer.end();
  TOWPATH_TRY_STATUS(socket_.send(request));
  for (;;) {
    TOWPATH_TRY(auto datagram, socket_.receive_answer());
    while (const auto message = next_message(datagram)) {
      if (message->header.nlmsg_seq != sequence || message->header.nlmsg_type != NLMSG_ERROR) continue;
      const KernelAnswer answer = read_answer(*message);
      if (answer.sys_errno == 0) return true;
      if (answer.sys_errno == ENOENT) return false;
      return std::unexpected(make_error(answer, "look for table inet towpath_policy"));
    }
  }
}

Status PolicyTable::remove() {
  TOWPATH_TRY(const bool there, is_there());
  if (!there) return {};
  NftTransaction transaction(socket_, kPolicyTable);
  transaction.delete_table();
  auto status = transaction.commit();
  if (!status && status.error().kind == ErrorKind::kNotFound) return {};
  return status;
}

}  // namespace towpath::netlink
