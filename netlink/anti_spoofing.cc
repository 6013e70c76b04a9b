#include "towpath/netlink/anti_spoofing.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>

#include <array>
#include <span>

#include "netlink/message_reader.h"
#include "netlink/message_writer.h"
#include "netlink/nft_expressions.h"
#include "netlink/nft_transaction.h"

namespace towpath::netlink {
namespace {

constexpr const char* kChain = "anti_spoofing";

void is_icmpv6(NftExpressions& match) {
  match.is_family(NFPROTO_IPV6);
  match.load_meta(NFT_META_L4PROTO);
  match.is_equal(std::uint8_t{IPPROTO_ICMPV6});
}

void add_rules(NftTransaction& transaction) {
  // fe80::/10, RFC 4291 section 2.5.6.
  constexpr std::array<std::uint8_t, 16> kMask{0xff, 0xc0};
  constexpr std::array<std::uint8_t, 16> kLinkLocal{0xfe, 0x80};
  constexpr std::array<std::uint8_t, 16> kUnspecified{};
  transaction.add_rule(kChain, "neighbour discovery from a link-local address", [&](nftnl_rule& rule) {
    NftExpressions match(rule);
    match.from_container();
    is_icmpv6(match);
    match.load_ipv6_source();
    match.mask(kMask);
    match.is_equal(std::as_bytes(std::span(kLinkLocal)));
    match.verdict(NF_ACCEPT);
  });
  transaction.add_rule(kChain, "neighbour discovery before there is an address", [&](nftnl_rule& rule) {
    NftExpressions match(rule);
    match.from_container();
    is_icmpv6(match);
    match.load_ipv6_source();
    match.is_equal(std::as_bytes(std::span(kUnspecified)));
    match.verdict(NF_ACCEPT);
  });
  transaction.add_rule(kChain, "the loopback of the host", [&](nftnl_rule& rule) {
    constexpr std::array<std::uint8_t, 4> kLoopbackMask{0xFF, 0, 0, 0};
    constexpr std::array<std::uint8_t, 4> kLoopback{127, 0, 0, 0};
    NftExpressions match(rule);
    match.from_container();
    match.is_family(NFPROTO_IPV4);
    match.load_ipv4_destination();
    match.mask(kLoopbackMask);
    match.is_equal(std::as_bytes(std::span(kLoopback)));
    match.count();
    match.verdict(NF_DROP);
  });
  transaction.add_rule(kChain, "source is not routed to this container", [&](nftnl_rule& rule) {
    NftExpressions match(rule);
    match.from_container();
    match.load_route_back();
    match.is_equal(std::uint32_t{0});
    match.count();
    match.verdict(NF_DROP);
  });
}

// The packet counter in the expressions of one rule, if it has one. libnftnl would read them back as objects;
// this one number is a walk through three nested attributes.
std::uint64_t packets_of(const MessageView& message) {
  std::uint64_t packets = 0;
  const auto counter = [&](const AttributeView& field) {
    if (field.type == NFTA_COUNTER_PACKETS) packets += be64toh(field.number<std::uint64_t>());
  };
  const auto expression = [&](const AttributeView& element) {
    bool is_counter = false;
    for_each_attribute(element.payload, [&](const AttributeView& field) {
      if (field.type == NFTA_EXPR_NAME) is_counter = field.text() == "counter";
      if (field.type == NFTA_EXPR_DATA && is_counter) for_each_attribute(field.payload, counter);
    });
  };
  for_each_attribute(message.after<nfgenmsg>(), [&](const AttributeView& attribute) {
    if (attribute.type == NFTA_RULE_EXPRESSIONS) for_each_attribute(attribute.payload, expression);
  });
  return packets;
}

}  // namespace

Status install_anti_spoofing() {
  TOWPATH_TRY(auto socket, NetlinkSocket::open(NETLINK_NETFILTER));
  return install_anti_spoofing(socket);
}

Status install_anti_spoofing(NetlinkSocket& socket) {
  NftTransaction transaction(socket);
  transaction.add_table();
  transaction.add_filter_chain(kChain, {NF_INET_PRE_ROUTING, NF_IP_PRI_RAW});
  transaction.flush_chain(kChain);
  add_rules(transaction);
  return transaction.commit();
}

Status remove_nft_table() {
  TOWPATH_TRY(auto socket, NetlinkSocket::open(NETLINK_NETFILTER));
  NftTransaction transaction(socket);
  transaction.delete_table();
  auto status = transaction.commit();
  if (!status && status.error().kind == ErrorKind::kNotFound) return {};
  return status;
}

Result<AntiSpoofingState> read_anti_spoofing() {
  TOWPATH_TRY(auto socket, NetlinkSocket::open(NETLINK_NETFILTER));
  std::vector<std::byte> request;
  MessageWriter writer(request);
  writer.begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE, NLM_F_REQUEST | NLM_F_DUMP, 0);
  nfgenmsg family{};
  family.nfgen_family = NFPROTO_INET;
  family.version = NFNETLINK_V0;
  writer.fixed(family);
  writer.text(NFTA_RULE_TABLE, kNftTable);
  writer.text(NFTA_RULE_CHAIN, kChain);
  writer.end();
  AntiSpoofingState state;
  const auto status = socket.dump(
      request, "dump the anti-spoofing rules", [&] { state = {}; },
      [&](const MessageView& message) {
        if (message.header.nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE)) return;
        state.installed = true;
        state.dropped_packets += packets_of(message);
      });
  if (!status && status.error().kind != ErrorKind::kNotFound) return std::unexpected(status.error());
  return state;
}

}  // namespace towpath::netlink
