// From policy files and endpoints to rules in the kernel: the blocking part, one job at a time.
//
// Model
//   Policies are on as long as their directory is there. Then the kernel gets what the last good reading of
//   the files and the endpoints of the job mean; a reading that is refused leaves the one before in force. A
//   fresh process whose first reading is refused has none, and leaves the table as it found it. Without the
//   directory the table is removed.
//
//   What a change forbids is cut where it goes on: all flows that connection tracking knows are judged again
//   by the new rules, when these allow less than those before or when it is not known what was before.
//
//   What was written last is the base of the next change. Where that failed, or somebody else was at the
//   table, the next job writes all of it.
//
// Threading: one thread. Failure: in the outcome; the kernel is then as it was before the job.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/policy/policy_kernel.h"
#include "agent/policy/read_policies.h"
#include "towpath/policy/endpoint.h"
#include "towpath/policy/ruleset.h"

namespace towpath::agent {

struct PolicyJob {
  bool read_files = false;
  bool write_all = false;
  std::vector<std::shared_ptr<const policy::Endpoint>> endpoints{};
};

// What is in force, for questions about it. Never changed.
struct PolicyView {
  std::shared_ptr<const policy::PolicySet> set;
  std::shared_ptr<const policy::DesiredRuleset> ruleset;
  std::vector<std::shared_ptr<const policy::Endpoint>> endpoints;
};

struct PolicyOutcome {
  bool is_on = false;
  bool read_files = false;
  bool first = false;      // is_on is another one than before, or was not known
  PolicyErrors refused{};  // what is wrong with the files as they are now; empty: nothing
  // Whether the kernel keeps the policies in force, for the endpoints of the job. kUnavailable: there is no
  // good reading of the files yet.
  Status in_force{};
  std::size_t policies = 0;
  std::size_t chains = 0;
  Result<std::size_t> cut = 0;               // flows
  std::shared_ptr<const PolicyView> view{};  // nothing: no policies, or not known
};

class Enforcer {
 public:
  Enforcer(std::string directory, std::unique_ptr<PolicyKernel> kernel)
      : directory_(std::move(directory)), kernel_(std::move(kernel)) {}

  PolicyOutcome enforce(const PolicyJob& job);

 private:
  void read_files();
  Status write(const PolicyJob& job);
  Result<std::size_t> cut(const PolicyJob& job);

  std::string directory_;
  std::unique_ptr<PolicyKernel> kernel_;
  std::optional<bool> is_on_;                     // as far as it was read
  std::shared_ptr<const policy::PolicySet> set_;  // of the last good reading
  PolicyErrors refused_;
  std::shared_ptr<const policy::DesiredRuleset> in_kernel_;  // nothing: not known
  bool is_removed_ = false;
  bool may_forbid_ = false;  // the last change, something that was allowed
};

}  // namespace towpath::agent
