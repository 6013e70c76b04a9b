#include "towpath/netlink/uplink.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string_view>

#include "netlink/message_reader.h"
#include "netlink/message_writer.h"
#include "towpath/netlink/batch.h"
#include "towpath/netlink/link.h"
#include "towpath/netlink/route.h"

namespace towpath::netlink {
namespace {

// Addresses that no table has a more specific route for: the 6to4 relay address (withdrawn by RFC 7526), and
// a documentation address (RFC 9637). Nothing is sent to them.
IpAddress address_of_nobody(AddressFamily family) {
  if (family == AddressFamily::kIpv4) return IpAddress::v4(0xC0586301);
  return IpAddress::v6({0x3f, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
}

std::optional<IfIndex> first_device(const Route& route) {
  for (const NextHop& hop : route.next_hops) {
    if (hop.device) return hop.device;
  }
  return std::nullopt;
}

// What the kernel would do with a packet to nobody.
struct Lookup {
  std::optional<Route> route;  // the entry that it would use
  bool no_route = false;       // there is none, so no default route either
};

Lookup look_up(NetlinkSocket& socket, AddressFamily family) {
  Lookup lookup;
  Batch batch(socket);
  batch.get_route(address_of_nobody(family));
  const auto failures =
      batch.execute_all([&](const MessageView& reply) { lookup.route = parse_route(reply); });
  if (!failures) return {};
  lookup.no_route = !failures->empty() && failures->front().error.sys_errno == ENETUNREACH;
  return lookup;
}

}  // namespace

Result<std::optional<IfIndex>> default_route_device(NetlinkSocket& socket, AddressFamily family) {
  const Prefix everything = Prefix::default_route(family);
  const Lookup lookup = look_up(socket, family);
  if (lookup.no_route) return std::nullopt;
  if (const auto& route = lookup.route) {
    if (route->key.destination == everything && route->key.table == kMainTable && first_device(*route)) {
      return first_device(*route);
    }
  }
  // Another route covers that address, or a policy rule leads elsewhere: read the table.
  std::optional<IfIndex> device;
  std::uint32_t best = std::numeric_limits<std::uint32_t>::max();
  const auto restart = [&] { device.reset(); };
  const auto visit = [&](Route&& route) {
    if (route.key.destination != everything || route.type != RouteType::kUnicast) return;
    if (device && route.key.metric >= best) return;
    best = route.key.metric;
    device = first_device(route);
  };
  TOWPATH_TRY_STATUS(dump_routes(socket, family, {.table = kMainTable, .protocol = {}}, restart, visit));
  return device;
}

Result<std::uint32_t> uplink_mtu(NetlinkSocket& socket, const char* container_prefix) {
  constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t smallest = kNone;
  for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    TOWPATH_TRY(const auto device, default_route_device(socket, family));
    if (!device) continue;
    TOWPATH_TRY(const Link link, find_link(socket, *device));
    smallest = std::min(smallest, link.mtu);
  }
  if (smallest != kNone) return smallest;
  TOWPATH_TRY(const auto links, dump_links(socket));
  for (const Link& link : links) {
    if (link.running && !link.loopback && !link.name.starts_with(container_prefix)) {
      smallest = std::min(smallest, link.mtu);
    }
  }
  return smallest != kNone ? smallest : 1500U;
}

}  // namespace towpath::netlink
