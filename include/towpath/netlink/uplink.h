// Which way this host reaches the others, and how large packets may be on that way.
#pragma once

#include <cstdint>
#include <optional>

#include "towpath/base/address.h"
#include "towpath/base/error.h"
#include "towpath/base/ids.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::netlink {

// The interface of the default route with the best metric, main table; nothing when there is none. One
// lookup, however large the table.
Result<std::optional<IfIndex>> default_route_device(NetlinkSocket& socket, AddressFamily family);

// The MTU for containers: the smallest among the default route devices of both families. A host without a
// default route (a fabric of hosts alone): the smallest among its running interfaces, loopback and container
// interfaces (names that begin with `container_prefix`) aside. No such interface either: 1500.
Result<std::uint32_t> uplink_mtu(NetlinkSocket& socket, const char* container_prefix = "tp");

}  // namespace towpath::netlink
