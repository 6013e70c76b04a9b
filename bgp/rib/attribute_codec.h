// PathAttributes as a compact byte string, for storage only: never on the wire, never on a disk.
//
// Equal values give equal bytes and unequal values unequal bytes. The next hop stands first, so that it can
// be read alone.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "towpath/bgp/path_attributes.h"

namespace towpath::bgp {

// Replaces `out`; attributes.next_hop is not looked at.
void pack_attributes(const PathAttributes& attributes, const NextHop& next_hop, std::vector<std::byte>& out);
// Only for what pack_attributes() wrote.
PathAttributes unpack_attributes(std::span<const std::byte> bytes);
NextHop unpack_next_hop(std::span<const std::byte> bytes);

}  // namespace towpath::bgp
