#include "netlink/nft_expressions.h"

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>

#include <array>
#include <string_view>

namespace towpath::netlink {
namespace {

constexpr std::string_view kContainerPrefix = "tp";

std::uint32_t at(std::uint32_t number) {
  return NFT_REG32_00 + number;
}

}  // namespace

nftnl_expr* NftExpressions::add(const char* name) {
  nftnl_expr* expression = nftnl_expr_alloc(name);
  nftnl_rule_add_expr(&rule_, expression);
  return expression;
}

void NftExpressions::load_meta(std::uint32_t key, std::uint32_t to) {
  nftnl_expr* expression = add("meta");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_META_KEY, key);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_META_DREG, at(to));
}

void NftExpressions::load_payload(std::uint32_t base, std::uint32_t offset, std::uint32_t length,
                                  std::uint32_t to) {
  nftnl_expr* expression = add("payload");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_BASE, base);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_LEN, length);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_DREG, at(to));
}

void NftExpressions::load_ipv4_source(std::uint32_t to) {
  load_payload(NFT_PAYLOAD_NETWORK_HEADER, offsetof(iphdr, saddr), sizeof(in_addr), to);
}
void NftExpressions::load_ipv4_destination(std::uint32_t to) {
  load_payload(NFT_PAYLOAD_NETWORK_HEADER, offsetof(iphdr, daddr), sizeof(in_addr), to);
}
void NftExpressions::load_ipv6_source(std::uint32_t to) {
  load_payload(NFT_PAYLOAD_NETWORK_HEADER, offsetof(ip6_hdr, ip6_src), sizeof(in6_addr), to);
}
void NftExpressions::load_ipv6_destination(std::uint32_t to) {
  load_payload(NFT_PAYLOAD_NETWORK_HEADER, offsetof(ip6_hdr, ip6_dst), sizeof(in6_addr), to);
}
void NftExpressions::load_source_port(std::uint32_t to) {
  load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, offsetof(udphdr, source), sizeof(in_port_t), to);
}
void NftExpressions::load_destination_port(std::uint32_t to) {
  load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, offsetof(udphdr, dest), sizeof(in_port_t), to);
}
void NftExpressions::load_icmp_type(std::uint32_t to) {
  load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, to);
}

void NftExpressions::load_flow_state() {
  nftnl_expr* expression = add("ct");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_CT_DREG, at(0));
}

void NftExpressions::load_route_back() {
  nftnl_expr* expression = add("fib");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_OIF);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_FIB_FLAGS,
                     NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_FIB_DREG, at(0));
}

void NftExpressions::load_destination_kind() {
  nftnl_expr* expression = add("fib");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_FIB_DREG, at(0));
}

void NftExpressions::mask(std::span<const std::uint8_t> mask) {
  const std::array<std::uint8_t, 16> zeros{};
  nftnl_expr* expression = add("bitwise");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_SREG, at(0));
  nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_DREG, at(0));
  nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
  const auto length = static_cast<std::uint32_t>(mask.size());
  nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_LEN, length);
  nftnl_expr_set(expression, NFTNL_EXPR_BITWISE_MASK, mask.data(), length);
  nftnl_expr_set(expression, NFTNL_EXPR_BITWISE_XOR, zeros.data(), length);
}

void NftExpressions::compare(std::uint32_t operation, std::span<const std::byte> value) {
  nftnl_expr* expression = add("cmp");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_CMP_SREG, at(0));
  nftnl_expr_set_u32(expression, NFTNL_EXPR_CMP_OP, operation);
  nftnl_expr_set(expression, NFTNL_EXPR_CMP_DATA, value.data(), static_cast<std::uint32_t>(value.size()));
}
void NftExpressions::is_equal(std::span<const std::byte> value) {
  compare(NFT_CMP_EQ, value);
}
void NftExpressions::is_not_equal(std::span<const std::byte> value) {
  compare(NFT_CMP_NEQ, value);
}

void NftExpressions::is_in(const char* set) {
  nftnl_expr* expression = add("lookup");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_LOOKUP_SREG, at(0));
  nftnl_expr_set_str(expression, NFTNL_EXPR_LOOKUP_SET, set);
}

void NftExpressions::look_up(const char* map, std::uint32_t to) {
  nftnl_expr* expression = add("lookup");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_LOOKUP_SREG, at(0));
  nftnl_expr_set_u32(expression, NFTNL_EXPR_LOOKUP_DREG, at(to));
  nftnl_expr_set_str(expression, NFTNL_EXPR_LOOKUP_SET, map);
}

void NftExpressions::look_up_verdict(const char* map) {
  nftnl_expr* expression = add("lookup");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_LOOKUP_SREG, at(0));
  nftnl_expr_set_u32(expression, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
  nftnl_expr_set_str(expression, NFTNL_EXPR_LOOKUP_SET, map);
}

void NftExpressions::from_container() {
  load_meta(NFT_META_IIFNAME);
  is_equal(std::as_bytes(std::span(kContainerPrefix)));
}
void NftExpressions::to_container() {
  load_meta(NFT_META_OIFNAME);
  is_equal(std::as_bytes(std::span(kContainerPrefix)));
}
void NftExpressions::not_from_container() {
  load_meta(NFT_META_IIFNAME);
  is_not_equal(std::as_bytes(std::span(kContainerPrefix)));
}
void NftExpressions::not_to_container() {
  load_meta(NFT_META_OIFNAME);
  is_not_equal(std::as_bytes(std::span(kContainerPrefix)));
}
void NftExpressions::is_family(std::uint8_t family) {
  load_meta(NFT_META_NFPROTO);
  is_equal(family);
}

void NftExpressions::count() {
  add("counter");
}

void NftExpressions::verdict(std::uint32_t verdict) {
  nftnl_expr* expression = add("immediate");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_IMM_VERDICT, verdict);
}

void NftExpressions::jump(const char* chain) {
  nftnl_expr* expression = add("immediate");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_IMM_VERDICT, static_cast<std::uint32_t>(NFT_JUMP));
  nftnl_expr_set_str(expression, NFTNL_EXPR_IMM_CHAIN, chain);
}

void NftExpressions::rewrite_destination(std::uint8_t family, std::uint32_t address_at,
                                         std::uint32_t port_at) {
  nftnl_expr* expression = add("nat");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_NAT_FAMILY, family);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_NAT_REG_ADDR_MIN, at(address_at));
  nftnl_expr_set_u32(expression, NFTNL_EXPR_NAT_REG_PROTO_MIN, at(port_at));
}

void NftExpressions::rewrite_source() {
  add("masq");
}

}  // namespace towpath::netlink
