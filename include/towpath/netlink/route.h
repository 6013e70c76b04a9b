// Kernel routes as values.
//
// A route is named by table, destination and metric (RouteKey); everything else can be replaced in place. An
// IPv4 route has two more parts of its name in the kernel (type of service, always 0 here) that Towpath does
// not use.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/ids.h"
#include "towpath/base/prefix.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::netlink {

struct MessageView;

inline constexpr std::uint32_t kMainTable = 254;
// rtm_protocol of what Towpath's agent writes, unless configured.
inline constexpr std::uint8_t kRouteProtocol = 84;

// Values of rtm_type.
enum class RouteType : std::uint8_t {
  kUnicast = 1,
  kLocal = 2,
  kBroadcast = 3,
  kAnycast = 4,
  kMulticast = 5,
  kBlackhole = 6,
  kUnreachable = 7,
  kProhibit = 8,
  kThrow = 9,
  kOther = 255,
};

struct NextHop {
  // Nothing: the destination is on the link of `device`. May be IPv6 for an IPv4 route (RFC 8950; RTA_VIA).
  std::optional<IpAddress> via{};
  // 0: the kernel finds the interface by `via`. Needed with a link-local `via`, and without one.
  IfIndex device{};
  // `via` is on the link of `device` although no route says so.
  bool onlink = false;
  // Share of the flows, 1 to 256.
  std::uint16_t weight = 1;
  friend auto operator<=>(const NextHop&, const NextHop&) = default;
};

struct RouteKey {
  Prefix destination{};
  std::uint32_t table = kMainTable;
  // For IPv6 the kernel turns 0 into 1024.
  std::uint32_t metric = 0;
  friend auto operator<=>(const RouteKey&, const RouteKey&) = default;
};

struct Route {
  RouteKey key{};
  RouteType type = RouteType::kUnicast;
  std::uint8_t protocol = kRouteProtocol;
  std::vector<NextHop> next_hops{};  // empty unless kUnicast
  std::optional<IpAddress> preferred_source{};
  std::uint32_t mtu = 0;  // 0: that of the device
  // Of a nexthop object. Written, it is all that is said of next hops; read, next_hops is what the kernel
  // says that it stands for (nothing on hosts that switched net.ipv4.nexthop_compat_mode off).
  std::uint32_t nexthop_id = 0;
  friend bool operator==(const Route&, const Route&) = default;
};

// From an RTM_NEWROUTE or RTM_DELROUTE message; nothing for what is no forwarding entry (cached exceptions,
// IPv4 routes with a type of service, other families).
std::optional<Route> parse_route(const MessageView& message);

// Unset members match all. The kernel filters by them, so that a dump of few routes of a large table stays
// cheap.
struct RouteFilter {
  std::optional<std::uint32_t> table{};
  std::optional<std::uint8_t> protocol{};
  IfIndex device{};
};

// Calls `visit` for each route; `restart` when the table changed during the dump and it begins again.
Status dump_routes(NetlinkSocket& socket, AddressFamily family, const RouteFilter& filter,
                   const std::function<void()>& restart, const std::function<void(Route&&)>& visit);
Result<std::vector<Route>> dump_routes(NetlinkSocket& socket, AddressFamily family,
                                       const RouteFilter& filter);

// "10.64.2.0/26 via 192.0.2.2 ifindex 3 metric 32"
std::string format(const Route& route);

// Whether the kernel delivers packets to this address here. False also where it cannot say.
bool is_local_address(NetlinkSocket& socket, const IpAddress& address);

}  // namespace towpath::netlink
