// A thread that runs an Enforcer, so that the loop waits neither for files nor for the kernel.
//
// Ownership: owns the Enforcer, which only its thread uses. The destructor lets the job in hand end. An
// answer posted before that may still run afterwards; whoever it is for must be alive, or must have let the
// loop end. Threading: all calls from the owner's thread. One job at a time: the next one after the answer.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "agent/policy/enforcer.h"

namespace towpath::agent {

class PolicyWriter {
 public:
  using Task = std::move_only_function<void()>;
  using Post = std::function<void(Task)>;
  using OnDone = std::function<void(PolicyOutcome)>;

  PolicyWriter(std::unique_ptr<Enforcer> enforcer, Post post, OnDone on_done);
  ~PolicyWriter();
  PolicyWriter(const PolicyWriter&) = delete;
  PolicyWriter& operator=(const PolicyWriter&) = delete;

  void run(PolicyJob job);

 private:
  void work();

  std::unique_ptr<Enforcer> enforcer_;
  Post post_;
  OnDone on_done_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<PolicyJob> job_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace towpath::agent
