// Prefixes whose addresses containers can have.
#pragma once

#include <string_view>

#include "towpath/base/error.h"
#include "towpath/base/prefix.h"

namespace towpath {

// Prefix::parse(), and kInvalid also for what overlaps the unspecified, loopback, link-local or multicast
// addresses (RFC 6890, RFC 5771, RFC 4291 section 2.4): says which.
Result<Prefix> parse_unicast_prefix(std::string_view text);

bool is_for_containers(const IpAddress& address);

}  // namespace towpath
