#include "towpath/netlink/anti_spoofing.h"

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <netinet/ip6.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>

#include "netlink/message_reader.h"
#include "netlink/message_writer.h"
#include "netlink/nft_transaction.h"

namespace towpath::netlink {
namespace {

constexpr const char* kChain = "anti_spoofing";
constexpr std::string_view kContainerPrefix = "tp";
constexpr std::uint32_t kRegister = NFT_REG_1;

// The expressions of a rule, each one step of the kernel's little machine: load into the register, compare,
// act.
class Expressions {
 public:
  explicit Expressions(nftnl_rule& rule) : rule_(rule) {}

  void load_meta(std::uint32_t key) {
    nftnl_expr* expression = add("meta");
    nftnl_expr_set_u32(expression, NFTNL_EXPR_META_KEY, key);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_META_DREG, kRegister);
  }
  void load_ipv6_source() {
    nftnl_expr* expression = add("payload");
    nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_OFFSET, offsetof(ip6_hdr, ip6_src));
    nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_LEN, sizeof(in6_addr));
    nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_DREG, kRegister);
  }
  void mask(std::span<const std::uint8_t> mask) {
    const std::array<std::uint8_t, 16> zeros{};
    nftnl_expr* expression = add("bitwise");
    nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_SREG, kRegister);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_DREG, kRegister);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
    const auto length = static_cast<std::uint32_t>(mask.size());
    nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_LEN, length);
    nftnl_expr_set(expression, NFTNL_EXPR_BITWISE_MASK, mask.data(), length);
    nftnl_expr_set(expression, NFTNL_EXPR_BITWISE_XOR, zeros.data(), length);
  }
  void is_equal(std::span<const std::byte> value) {
    nftnl_expr* expression = add("cmp");
    nftnl_expr_set_u32(expression, NFTNL_EXPR_CMP_SREG, kRegister);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
    nftnl_expr_set(expression, NFTNL_EXPR_CMP_DATA, value.data(), static_cast<std::uint32_t>(value.size()));
  }
  template <class T>
    requires std::is_integral_v<T>
  void is_equal(T value) {
    is_equal(std::as_bytes(std::span(&value, 1)));
  }
  // 1 if the route back to the packet's source leaves by the interface it came in by, else 0.
  void load_route_back() {
    nftnl_expr* expression = add("fib");
    nftnl_expr_set_u32(expression, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_OIF);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_FIB_FLAGS,
                       NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_FIB_DREG, kRegister);
  }
  void count() { add("counter"); }
  void verdict(std::uint32_t verdict) {
    nftnl_expr* expression = add("immediate");
    nftnl_expr_set_u32(expression, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    nftnl_expr_set_u32(expression, NFTNL_EXPR_IMM_VERDICT, verdict);
  }

  // The packet came in by a container's interface. Comparing fewer bytes than the name has is what "tp*"
  // means.
  void from_container() {
    load_meta(NFT_META_IIFNAME);
    is_equal(std::as_bytes(std::span(kContainerPrefix)));
  }
  void is_icmpv6() {
    load_meta(NFT_META_NFPROTO);
    is_equal(std::uint8_t{NFPROTO_IPV6});
    load_meta(NFT_META_L4PROTO);
    is_equal(std::uint8_t{IPPROTO_ICMPV6});
  }

 private:
  nftnl_expr* add(const char* name) {
    nftnl_expr* expression = nftnl_expr_alloc(name);
    nftnl_rule_add_expr(&rule_, expression);
    return expression;
  }
  nftnl_rule& rule_;
};

void add_rules(NftTransaction& transaction) {
  // fe80::/10, RFC 4291 section 2.5.6.
  constexpr std::array<std::uint8_t, 16> kMask{0xff, 0xc0};
  constexpr std::array<std::uint8_t, 16> kLinkLocal{0xfe, 0x80};
  constexpr std::array<std::uint8_t, 16> kUnspecified{};
  transaction.add_rule(kChain, "neighbour discovery from a link-local address", [&](nftnl_rule& rule) {
    Expressions match(rule);
    match.from_container();
    match.is_icmpv6();
    match.load_ipv6_source();
    match.mask(kMask);
    match.is_equal(std::as_bytes(std::span(kLinkLocal)));
    match.verdict(NF_ACCEPT);
  });
  transaction.add_rule(kChain, "neighbour discovery before there is an address", [&](nftnl_rule& rule) {
    Expressions match(rule);
    match.from_container();
    match.is_icmpv6();
    match.load_ipv6_source();
    match.is_equal(std::as_bytes(std::span(kUnspecified)));
    match.verdict(NF_ACCEPT);
  });
  transaction.add_rule(kChain, "source is not routed to this container", [&](nftnl_rule& rule) {
    Expressions match(rule);
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
