// Rows that need no agent: what the state store of this host says.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cli/output.h"
#include "towpath/base/clock.h"
#include "towpath/base/error.h"
#include "towpath/ipam/state_store.h"

namespace towpath::cli {

// kNotFound: no state store in `state_dir`.
Result<ipam::StateStore> open_store(const std::string& state_dir);
std::string to_line(const nlohmann::json& row);
// RFC 3339, UTC.
std::string format_time(WallTime time);

Status print_endpoints(const std::string& state_dir, Output& output);

}  // namespace towpath::cli
