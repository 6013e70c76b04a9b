// A thread that runs an Enforcer, so that the loop waits neither for files nor for the kernel.
//
// Ownership: owns the Enforcer, which only its thread uses. The destructor lets the job in hand end. An
// answer posted before that may still run afterwards; whoever it is for must be alive, or must have let the
// loop end. Threading: all calls from the owner's thread.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "agent/policy/enforcer.h"
#include "agent/worker/job_thread.h"

namespace towpath::agent {

class PolicyWriter {
 public:
  using Task = JobThread::Job;
  using Post = std::function<void(Task)>;
  using OnDone = std::function<void(PolicyOutcome)>;

  PolicyWriter(std::unique_ptr<Enforcer> enforcer, Post post, OnDone on_done)
      : enforcer_(std::move(enforcer)), post_(std::move(post)), on_done_(std::move(on_done)) {}

  void run(PolicyJob job);

 private:
  std::unique_ptr<Enforcer> enforcer_;
  Post post_;
  OnDone on_done_;
  JobThread thread_;
};

}  // namespace towpath::agent
