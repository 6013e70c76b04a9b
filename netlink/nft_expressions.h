// The expressions of a rule, each one step of the kernel's little machine: load into a register, compare,
// act.
//
// Registers are named by their 32-bit number, 0 to 15; a wider value takes as many as it needs from there on.
// Ownership: refers to a rule of libnftnl, which owns what is added.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>  // which the headers of libnftnl need
#include <span>
#include <type_traits>

struct nftnl_rule;
struct nftnl_expr;

namespace towpath::netlink {

class NftExpressions {
 public:
  explicit NftExpressions(nftnl_rule& rule) : rule_(rule) {}

  void load_meta(std::uint32_t key, std::uint32_t to = 0);
  void load_ipv4_source(std::uint32_t to = 0);
  void load_ipv4_destination(std::uint32_t to = 0);
  void load_ipv6_source(std::uint32_t to = 0);
  void load_ipv6_destination(std::uint32_t to = 0);
  // Of TCP, UDP and SCTP, which have them at the same place.
  void load_source_port(std::uint32_t to = 0);
  void load_destination_port(std::uint32_t to = 0);
  // The first octet behind the IP header: the type, of ICMP.
  void load_icmp_type(std::uint32_t to = 0);
  // NF_CT_STATE_BIT(IP_CT_*): what connection tracking says of the packet.
  void load_flow_state();
  // 1 if the route back to the packet's source leaves by the interface it came in by, else 0.
  void load_route_back();
  // RTN_*: what kind of address the destination is to this host.
  void load_destination_kind();

  void mask(std::span<const std::uint8_t> mask);
  void is_equal(std::span<const std::byte> value);
  void is_not_equal(std::span<const std::byte> value);
  template <class T>
    requires std::is_integral_v<T>
  void is_equal(T value) {
    is_equal(std::as_bytes(std::span(&value, 1)));
  }
  template <class T>
    requires std::is_integral_v<T>
  void is_not_equal(T value) {
    is_not_equal(std::as_bytes(std::span(&value, 1)));
  }
  // What registers from 0 on hold is in the set, or ends the rule.
  void is_in(const char* set);
  // The same, and what the map yields goes to registers from `to` on.
  void look_up(const char* map, std::uint32_t to);

  // The same, and the verdict that the map yields ends the rule.
  void look_up_verdict(const char* map);

  // By an interface of a container: comparing fewer bytes than a name has is what "tp*" means.
  void from_container();
  void to_container();
  void not_from_container();
  void not_to_container();
  void is_family(std::uint8_t family);  // NFPROTO_*

  void count();
  void verdict(std::uint32_t verdict);
  void jump(const char* chain);
  void rewrite_destination(std::uint8_t family, std::uint32_t address_at, std::uint32_t port_at);
  // To the address of the host that fits the way out.
  void rewrite_source();

 private:
  nftnl_expr* add(const char* name);
  void load_payload(std::uint32_t base, std::uint32_t offset, std::uint32_t length, std::uint32_t to);
  void compare(std::uint32_t operation, std::span<const std::byte> value);
  nftnl_rule& rule_;
};

}  // namespace towpath::netlink
