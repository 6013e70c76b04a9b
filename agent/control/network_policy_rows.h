// Rows of `policies`, and the row of `policy-simulate`.
#pragma once

#include <expected>
#include <memory>

#include "agent/control/row_source.h"
#include "agent/policy/enforcer.h"

namespace towpath::agent {

// One for each endpoint, in slices. kNotFound: there are no policies.
std::expected<std::unique_ptr<RowSource>, ControlFailure> open_policy_rows(
    std::shared_ptr<const PolicyView> view);
std::expected<std::unique_ptr<RowSource>, ControlFailure> open_policy_simulation(
    const std::shared_ptr<const PolicyView>& view, const control::FlowQuestion& flow);

}  // namespace towpath::agent
