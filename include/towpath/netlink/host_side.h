// The host end of a container's veth pair, in what the plugin that makes it and the agent that puts it back
// must say alike. (Its other settings: LinkSettings::host_side().)
#pragma once

#include <cstdint>

#include "towpath/base/address.h"
#include "towpath/base/ids.h"
#include "towpath/base/mac_address.h"
#include "towpath/netlink/route.h"

namespace towpath::netlink {

// Of every host end; the containers' neighbour entries hold it.
inline constexpr MacAddress kHostMac({0x02, 0x74, 0x70, 0x00, 0x00, 0x01});

// RTPROT_STATIC, not the agent's number: what says whether such a route should be is the endpoint's record.
// The kernel calls it "installed by the administrator", which is what routing daemons leave alone.
inline constexpr std::uint8_t kEndpointRouteProtocol = 4;

// By which the host reaches an address of the endpoint whose host end `device` is.
Route host_route(const IpAddress& address, IfIndex device);

}  // namespace towpath::netlink
