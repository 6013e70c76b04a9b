// towpathd.yaml -> AgentConfig, or the list of everything that is wrong with it.
//
// A file is taken whole or refused whole. Each complaint is one line, "file:line: key: value 'x': reason";
// the keys are those of packaging/towpathd.yaml. Pure but for load_config(), which reads the file and the key
// files that it names.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/agent_config.h"

namespace towpath::agent {

// At least one line; in the order of the file.
using ConfigErrors = std::vector<std::string>;

// `file` is only for the complaints.
std::expected<AgentConfig, ConfigErrors> parse_config(const std::string& text, const std::string& file);
std::expected<AgentConfig, ConfigErrors> load_config(const std::string& path);

// What a running agent cannot take over from `next`: one complaint per key that needs a restart. Empty: all
// of it.
ConfigErrors needs_restart(const AgentConfig& now, const AgentConfig& next, const std::string& file);

}  // namespace towpath::agent
