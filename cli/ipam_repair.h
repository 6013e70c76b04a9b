// `ipam repair`: does what is safe about the findings of `ipam check`.
#pragma once

#include <string>

#include "cli/output.h"
#include "towpath/base/error.h"

namespace towpath::cli {

// One row for each finding, with what can be done about it, and whether it is done. Without `apply` nothing
// is changed. True if nothing is wrong, or nothing any more.
Result<bool> print_repair(const std::string& state_dir, bool apply, Output& output);

}  // namespace towpath::cli
