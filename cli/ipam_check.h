// `ipam check`: the state store against the kernel and the sandboxes.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/output.h"
#include "towpath/base/error.h"
#include "towpath/ipam/audit.h"
#include "towpath/ipam/state_store.h"

namespace towpath::cli {

// What is wrong, and was still wrong at later looks: nothing of an ADD or a DEL that is under way. Blocks for
// the time between the looks, if the first found something.
Result<std::vector<ipam::Finding>> find_problems(const ipam::StateStore& store);

// One row for each finding, as `check` and `repair` show them.
nlohmann::json finding_row(const ipam::Finding& finding);

// One row for each finding; true if there is none.
Result<bool> print_check(const std::string& state_dir, Output& output);

}  // namespace towpath::cli
