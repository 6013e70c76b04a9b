// What the host's interfaces have for addresses; asked of the kernel at each call.
#pragma once

#include <optional>
#include <vector>

#include "towpath/base/address.h"

namespace towpath::bgp {

// All addresses of all interfaces. Empty where the kernel does not answer.
std::vector<IpAddress> local_addresses();

// An address of the other family on the interface that has `address`: our next hop for routes of that family.
// Global before link-local; never loopback. Nothing where there is none.
std::optional<IpAddress> address_beside(const IpAddress& address, AddressFamily family);

}  // namespace towpath::bgp
