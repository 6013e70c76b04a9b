// The list `advertise` in towpathd.yaml: what this host announces beside its blocks.
#pragma once

#include <vector>

#include "agent/config/agent_config.h"
#include "agent/config/yaml_reader.h"

namespace towpath::agent {

// An item is a prefix, or {prefix, health: {tcp, interval, timeout, rise, fall}}. `config` has the blocks and
// the peers already.
std::vector<ServicePrefix> read_advertise(const std::vector<Value>& items, const AgentConfig& config);

}  // namespace towpath::agent
