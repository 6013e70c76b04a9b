// Addresses and neighbours of one interface, as values and as the kernel has them.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/ids.h"
#include "towpath/base/mac_address.h"
#include "towpath/base/prefix.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::netlink {

struct Neighbour {
  IpAddress address{};
  MacAddress mac{};
  bool permanent = false;
  friend auto operator<=>(const Neighbour&, const Neighbour&) = default;
};

// Both families; IPv6 link-local addresses that the kernel made itself are included.
Result<std::vector<InterfaceAddress>> dump_addresses(NetlinkSocket& socket, IfIndex device);
// The entries for these addresses that there are, with a known MAC address. One by one by their names: a dump
// goes through those of all network namespaces of the machine.
Result<std::vector<Neighbour>> find_neighbours(NetlinkSocket& socket, IfIndex device,
                                               std::span<const IpAddress> addresses);

}  // namespace towpath::netlink
