// The answer to `policy-test`: one row that says what a route would meet.
#pragma once

#include <expected>
#include <string_view>

#include "agent/control/row_source.h"
#include "towpath/base/error.h"
#include "towpath/bgp/speaker.h"

namespace towpath::agent {

// The row of the trial, as its JSON object is filled; or what is wrong with the request.
std::expected<std::unique_ptr<RowSource>, ControlFailure> open_policy_trial(const bgp::Speaker& speaker,
                                                                            const control::PolicyTest& test);

// "65001 65002 {65003 65004}": numbers in a row, sets in braces; empty for none.
Result<bgp::AsPath> parse_as_path(std::string_view text);

}  // namespace towpath::agent
