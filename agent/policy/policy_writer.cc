#include "agent/policy/policy_writer.h"

namespace towpath::agent {

void PolicyWriter::run(PolicyJob job) {
  thread_.push([this, job = std::move(job)] {
    post_([done = on_done_, outcome = enforcer_->enforce(job)]() mutable { done(std::move(outcome)); });
  });
}

}  // namespace towpath::agent
