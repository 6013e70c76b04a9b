// `ipam import`: what host-local gave becomes ours.
#pragma once

#include <string>

#include "cli/options.h"
#include "cli/output.h"
#include "towpath/base/error.h"

namespace towpath::cli {

// One row for each address. All of them or none; the message of a refusal begins with the file that it is
// about. host-local's folder stays as it is.
Status import_addresses(const std::string& state_dir, const IpamImport& what, Output& output);

}  // namespace towpath::cli
