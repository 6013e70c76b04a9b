// Rules about routes in towpathd.yaml: the `import` lists, global and of single peers.
#pragma once

#include <vector>

#include "agent/config/yaml_reader.h"
#include "towpath/base/prefix.h"
#include "towpath/bgp/config.h"

namespace towpath::agent {

bgp::ImportRules read_rules(const std::vector<Value>& items);

// What stands behind the written rules: a route inside a pool is accepted. Speakers reject what no rule
// matches.
bgp::ImportRules with_pools(bgp::ImportRules rules, const std::vector<Prefix>& pools);

}  // namespace towpath::agent
