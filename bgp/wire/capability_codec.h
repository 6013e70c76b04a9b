// Capabilities inside an OPEN (RFC 5492 section 4): triples of code, length and value.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "bgp/wire/capability.h"

namespace towpath::bgp {

// Adds what the value of one Capabilities Optional Parameter announces to `out`, so that many parameters can
// be read one after the other. False where a capability is cut off.
bool read_capabilities(std::span<const std::byte> bytes, Capabilities& out);

void write_capabilities(const Capabilities& capabilities, std::vector<std::byte>& out);

}  // namespace towpath::bgp
