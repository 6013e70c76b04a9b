// Whether a route fits a rule. Pure functions.
#pragma once

#include <string_view>

#include "towpath/bgp/route_policy.h"

namespace towpath::bgp {

// The key of the first part that does not hold, as it stands in the configuration; empty: it fits. Prefixes
// are looked at unless `prefix_fits` is known already.
std::string_view first_mismatch(const RouteMatch& match, const PolicyRoute& route, bool prefix_fits);

// Whether the match looks at attributes.
bool reads_attributes(const RouteMatch& match);

}  // namespace towpath::bgp
