#include "agent/policy/enforcer.h"

#include <unordered_map>
#include <utility>

#include "agent/policy/ruleset_change.h"
#include "towpath/policy/compile.h"

namespace towpath::agent {
namespace {

// Whether something may be refused that was not before. A chain that is new counts by whom it replaces.
bool forbids(const netlink::PolicyChange& change) {
  return !change.remove_elements.empty() || !change.remove_interfaces.empty() ||
         change.write_rules.size() > change.add_chains.size();
}

}  // namespace

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
  if (std::exchange(may_forbid_, false)) outcome.cut = cut(job);
  if (in_kernel_) {
    outcome.policies = set_ ? set_->policies.size() : 0;
    outcome.chains = in_kernel_->chains.size();
    outcome.view = std::make_shared<const PolicyView>(PolicyView{set_, in_kernel_, job.endpoints});
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
  set_ = *is_on_ ? std::make_shared<const policy::PolicySet>(**std::move(set)) : nullptr;
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
  const auto wanted = std::make_shared<const policy::DesiredRuleset>(policy::compile(*set_, endpoints));
  is_removed_ = false;
  if (in_kernel_) {
    const auto change = ruleset_change(*in_kernel_, *wanted);
    if (kernel_->change(change)) {
      may_forbid_ = forbids(change);
      in_kernel_ = wanted;
      return {};
    }
    // A table that is not what we think it is shows as a change that does not fit.
    in_kernel_.reset();
  }
  TOWPATH_TRY_STATUS(kernel_->replace(ruleset_change({}, *wanted)));
  may_forbid_ = true;
  in_kernel_ = wanted;
  return {};
}

Result<std::size_t> Enforcer::cut(const PolicyJob& job) {
  std::unordered_map<IpAddress, std::string> interfaces;
  for (const auto& endpoint : job.endpoints) {
    for (const IpAddress& address : endpoint->addresses) interfaces.emplace(address, endpoint->interface);
  }
  const auto interface_of = [&](const IpAddress& address) {
    const auto found = interfaces.find(address);
    return found == interfaces.end() ? std::string() : found->second;
  };
  TOWPATH_TRY(auto flows, kernel_->flows());
  std::erase_if(flows, [&](const netlink::TrackedFlow& flow) {
    // As its packets are where they are forwarded: behind any translation of the destination.
    const policy::FirstPacket packet{interface_of(flow.source),
                                     interface_of(flow.reply_source),
                                     flow.source,
                                     flow.reply_source,
                                     flow.protocol,
                                     flow.reply_source_port};
    return policy::judge(*in_kernel_, packet) == policy::Judgement::kAllowed;
  });
  return kernel_->cut(flows);
}

}  // namespace towpath::agent
