// The key files that towpathd.yaml names -> the keys of the peers.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "agent/config/agent_config.h"
#include "towpath/base/error.h"

namespace towpath::agent {

// The value of a key that names such a file. What is there must be a file; that it may be missing is
// read_keys()'s business.
Result<std::string> parse_key_path(std::string_view text);

// The content of a key file without the end of its line: 1 to `longest` octets. The error names the file, and
// shows nothing of what is in it.
Result<std::string> read_key(const std::string& file, std::size_t longest);

// Reads what the keys of every peer and BFD session name. A file that cannot be used is no error of the
// configuration: that session stays down and says why, the others are not touched.
void read_keys(AgentConfig& config);

}  // namespace towpath::agent
