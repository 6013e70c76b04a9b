// One command from its options to the exit code.
#pragma once

#include <cstdio>

#include "cli/options.h"

namespace towpath::cli {

// Rows go to `out`, complaints to `err`.
int run(const Options& options, std::FILE* out, std::FILE* err);

}  // namespace towpath::cli
