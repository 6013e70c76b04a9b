// `ipam show`: the blocks of this host, and their addresses.
#pragma once

#include <string>

#include "cli/options.h"
#include "cli/output.h"
#include "towpath/base/error.h"

namespace towpath::cli {

// In a table one kind of row: blocks, or allocations, or resting addresses. In JSON blocks, with the others
// as lists inside.
Status print_ipam(const std::string& state_dir, const IpamView& view, Format format, Output& output);

}  // namespace towpath::cli
