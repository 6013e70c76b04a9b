#include "towpath/netlink/host_side.h"

#include <linux/rtnetlink.h>

namespace towpath::netlink {

static_assert(kEndpointRouteProtocol == RTPROT_STATIC);

Route host_route(const IpAddress& address, IfIndex device) {
  Route route;
  route.key.destination = Prefix::host(address);
  // Better than any route to the same address that the agent learns, whose metric is 32: IPv4 without a
  // metric has 0, IPv6 would have 1024.
  if (address.is_v6()) route.key.metric = 1;
  route.protocol = kEndpointRouteProtocol;
  route.next_hops = {{.via = std::nullopt, .device = device}};
  return route;
}

}  // namespace towpath::netlink
