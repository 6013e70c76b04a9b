// One rule of a policy in towpathd.yaml.
#pragma once

#include <string>
#include <string_view>

#include "agent/config/yaml_reader.h"
#include "towpath/bgp/route_policy.h"

namespace towpath::agent {

inline constexpr std::string_view kImport = "import";
inline constexpr std::string_view kExport = "export";

// The short form, or match and then; `name` is what people see.
bgp::RouteRule read_rule(const Value& item, std::string name);

// What makes no sense in this direction, as a complaint about `item`.
void check_direction(const Value& item, const bgp::RouteRule& rule, std::string_view direction);

}  // namespace towpath::agent
