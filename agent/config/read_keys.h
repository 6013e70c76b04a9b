// The key files that towpathd.yaml names -> the keys of the peers.
#pragma once

#include "agent/config/agent_config.h"
#include "towpath/base/error.h"

namespace towpath::agent {

// The content of a key file without the end of its line: 1 to bgp::kLongestMd5Key octets. The error names the
// file, and shows nothing of what is in it.
Result<std::string> read_key(const std::string& file);

// Reads what every peer's key names. A file that cannot be used is no error of the configuration: the peer's
// session stays down and says why, the others are not touched.
void read_keys(AgentConfig& config);

}  // namespace towpath::agent
