#include "agent/policy/enforcer.h"

#include "agent/policy/ruleset_change.h"
#include "towpath/policy/compile.h"

namespace towpath::agent {

PolicyOutcome Enforcer::enforce(const PolicyJob& job) {
  const std::optional<bool> was_on = is_on_;
  const bool reads = job.read_files || !is_on_;
  if (reads) read_files();
  if (job.write_all) {
    in_kernel_.reset();
    is_removed_ = false;
  }
  PolicyOutcome outcome{.is_on = is_on_.value_or(true),
                        .read_files = reads,
                        .first = was_on != is_on_,
                        .refused = refused_,
                        .in_force = write(job)};
  if (in_kernel_) {
    outcome.policies = set_ ? set_->policies.size() : 0;
    outcome.chains = in_kernel_->chains.size();
  }
  return outcome;
}

void Enforcer::read_files() {
  auto set = load_policies(directory_);
  if (!set) {
    refused_ = std::move(set).error();
    is_on_ = true;  // the directory is there
    return;
  }
  refused_.clear();
  is_on_ = set->has_value();
  set_ = *std::move(set);
}

Status Enforcer::write(const PolicyJob& job) {
  if (!*is_on_) {
    if (is_removed_) return {};
    TOWPATH_TRY_STATUS(kernel_->remove());
    in_kernel_.reset();
    is_removed_ = true;
    return {};
  }
  if (!set_) return fail(ErrorKind::kUnavailable, "the network policies are refused: " + refused_.front());
  std::vector<policy::Endpoint> endpoints;
  endpoints.reserve(job.endpoints.size());
  for (const auto& endpoint : job.endpoints) endpoints.push_back(*endpoint);
  auto wanted = policy::compile(*set_, endpoints);
  const auto written = in_kernel_ ? kernel_->change(ruleset_change(*in_kernel_, wanted))
                                  : kernel_->replace(ruleset_change({}, wanted));
  is_removed_ = false;
  if (written) {
    in_kernel_ = std::move(wanted);
    return {};
  }
  // A table that is not what we think it is shows as a change that does not fit.
  if (!in_kernel_) return written;
  in_kernel_.reset();
  TOWPATH_TRY_STATUS(kernel_->replace(ruleset_change({}, wanted)));
  in_kernel_ = std::move(wanted);
  return {};
}

}  // namespace towpath::agent
