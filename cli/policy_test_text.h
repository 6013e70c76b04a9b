// The row of `policy-test` for people: what was asked, what each rule said, what comes of it.
#pragma once

#include <string>
#include <string_view>

namespace towpath::cli {

// Several lines, each with a key in front. Nothing in them can steer a terminal.
std::string policy_test_text(std::string_view json_row);

}  // namespace towpath::cli
