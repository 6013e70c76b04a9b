// The other ends of the BGP sessions in towpathd.yaml, and where we accept them.
#pragma once

#include <vector>

#include "agent/config/agent_config.h"
#include "agent/config/read_rules.h"
#include "agent/config/yaml_reader.h"
#include "towpath/bgp/config.h"

namespace towpath::agent {

std::vector<bgp::ListenAddress> read_listen(const std::vector<Value>& items);

struct Peers {
  std::vector<bgp::PeerConfig> peers;
  std::vector<bgp::PeerRange> ranges;
  std::vector<bfd::SessionConfig> bfd;  // of those that ask for it
};

// `config` is complete but for its peers.
Peers read_peers(const std::vector<Value>& items, const AgentConfig& config, RuleReader& rules);

}  // namespace towpath::agent
