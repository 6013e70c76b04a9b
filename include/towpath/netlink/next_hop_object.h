// Next-hop objects of the kernel as values (linux/nexthop.h, RTM_NEWNEXTHOP).
//
// Model
//   A route can name what stands behind it by number instead of by address: then a change of the object is a
//   change of every route that has the number, in one message. An object is a single next hop or a group of
//   such.
//
// Facts about the kernel
//   - A single next hop needs its device; the kernel does not look for one, as it does for a route.
//   - An object that goes takes its routes along. It leaves its groups; a group without a member goes, too.
//   - With a device that goes down or loses its carrier its objects go. Of that, and of the IPv4 routes that
//     go with them, no notification is sent.
//   - A replaced object keeps its kind: no group becomes a single next hop.
//   - net.ipv4.nexthop_compat_mode (a host's setting, 1 by default): a replacement notifies each route that
//     refers to the object, and dumps of routes say addresses beside the number. With 0 routes have the
//     number only. The removal of a member from its groups notifies no route in either mode.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/netlink/netlink_socket.h"
#include "towpath/netlink/route.h"

namespace towpath::netlink {

// Objects with these numbers are Towpath's agent's, if their protocol says so too. The kernel itself numbers
// from 1 on, and the first octet is one that neither FRR nor the kernel's tools give out.
inline constexpr std::uint32_t kNextHopIdFirst = 0x54000001;
inline constexpr std::uint32_t kNextHopIdLast = 0x54FFFFFF;
constexpr bool is_agent_next_hop(std::uint32_t id) {
  return id >= kNextHopIdFirst && id <= kNextHopIdLast;
}

struct NextHopMember {
  std::uint32_t id = 0;
  std::uint16_t weight = 1;  // share of the flows, 1 to 256
  friend auto operator<=>(const NextHopMember&, const NextHopMember&) = default;
};

struct NextHopObject {
  std::uint32_t id = 0;
  std::uint8_t protocol = kRouteProtocol;  // nh_protocol, of the same numbers as rtm_protocol
  NextHop hop{};                           // of a single next hop; its weight is a matter of groups
  std::vector<NextHopMember> members{};    // not empty: a group, and `hop` means nothing
  friend bool operator==(const NextHopObject&, const NextHopObject&) = default;
};

// From an RTM_NEWNEXTHOP or RTM_DELNEXTHOP message. An object of a kind that Towpath does not make (a
// blackhole, one for a bridge) has neither a device nor members.
std::optional<NextHopObject> parse_next_hop(const MessageView& message);

// All objects of the namespace, anybody's, by number.
Result<std::vector<NextHopObject>> dump_next_hops(NetlinkSocket& socket);

// "7 via 192.0.2.2 ifindex 3", "8 group 7/9 weight 2"
std::string format(const NextHopObject& object);

}  // namespace towpath::netlink
