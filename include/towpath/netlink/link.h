// Network interfaces: what one looks like, and the veth pair of a container.
//
// Failure: kNotFound when there is no such interface, kExists when the name is taken.
// Threading: none of its own; a socket belongs to one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/ids.h"
#include "towpath/base/mac_address.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::netlink {

struct MessageView;

struct Link {
  IfIndex index{};
  std::string name{};
  std::vector<std::string> alternative_names{};
  std::string alias{};  // IFLA_IFALIAS
  std::string kind{};   // "veth"; empty for hardware and loopback
  MacAddress mac{};
  std::uint32_t mtu = 0;
  bool up = false;       // set up by an administrator (IFF_UP)
  bool running = false;  // and able to carry packets (IFF_RUNNING)
  bool loopback = false;
  IfIndex peer{};  // of a veth: the index of the other end, in the other end's namespace
  std::optional<std::int32_t> peer_namespace{};  // the kernel's id for that namespace, when it is another one
};

// From an RTM_NEWLINK or RTM_DELLINK message.
Link parse_link(const MessageView& message);

// By name or alternative name.
Result<Link> find_link(NetlinkSocket& socket, std::string_view name);
Result<Link> find_link(NetlinkSocket& socket, IfIndex index);
Result<std::vector<Link>> dump_links(NetlinkSocket& socket);

// What can be set on an interface that exists. Unset members stay as they are.
struct LinkSettings {
  std::optional<std::string> alias{};
  std::optional<MacAddress> mac{};
  std::optional<std::uint32_t> mtu{};
  // Per-interface IPv4 settings, net.ipv4.conf.<name>.*, by their IPV4_DEVCONF_* number, without a file in
  // /proc.
  std::vector<std::pair<std::uint16_t, std::uint32_t>> ipv4{};
  // The kernel makes no IPv6 link-local address when the interface comes up.
  bool no_ipv6_link_local = false;
  bool up = false;

  // The host's end of a container's veth pair. It needs no address: packets to the container leave by a route
  // with this interface, packets from it arrive by a permanent neighbour entry, and for ICMP and ICMPv6
  // errors the kernel picks an address of another interface of the host. IPv4 forwarding is on; the IPv4
  // source is checked against the route back (rp_filter 1, RFC 3704 strict); redirects are neither sent nor
  // taken. (IPv6: with forwarding on the kernel ignores router advertisements and redirects, so a container
  // cannot route its host.)
  static LinkSettings host_side(std::string alias);
};

// A pair whose one end is made inside the sandbox, under its final name: nothing is ever moved or renamed.
struct VethSpec {
  std::string host_name{};  // 1 to 15 bytes
  MacAddress host_mac{};
  std::string sandbox_name{};  // 1 to 15 bytes
  MacAddress sandbox_mac{};
  int sandbox_fd = -1;       // Sandbox::fd()
  std::uint32_t mtu = 1500;  // of both ends
};

struct VethPair {
  IfIndex host{};
  IfIndex sandbox{};  // in the sandbox
};

// Makes the pair, both ends down. kExists when either name is taken: the pair is made whole or not at all,
// and an interface that was there is not changed.
Result<VethPair> create_veth(NetlinkSocket& host, const VethSpec& spec);

}  // namespace towpath::netlink
