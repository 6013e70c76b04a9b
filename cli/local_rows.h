// Rows that need no agent: what the state store of this host says.
#pragma once

#include <string>

#include "cli/output.h"
#include "towpath/base/error.h"

namespace towpath::cli {

// kNotFound: no state store in `state_dir`.
Status print_endpoints(const std::string& state_dir, Output& output);
// One row for each block; with its allocations as a list if asked for.
Status print_blocks(const std::string& state_dir, bool with_allocations, Output& output);
// One row for each allocation.
Status print_allocations(const std::string& state_dir, Output& output);

}  // namespace towpath::cli
