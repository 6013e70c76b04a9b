#include "agent/policy/policy_writer.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

#include "towpath/base/check.h"

namespace towpath::agent {

PolicyWriter::PolicyWriter(std::unique_ptr<Enforcer> enforcer, Post post, OnDone on_done)
    : enforcer_(std::move(enforcer)), post_(std::move(post)), on_done_(std::move(on_done)) {
  // Signals are the loop's: the thread inherits a mask in which all are blocked.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { work(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

PolicyWriter::~PolicyWriter() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void PolicyWriter::run(PolicyJob job) {
  {
    const std::lock_guard lock(mutex_);
    TOWPATH_CHECK(!job_);
    job_ = std::move(job);
  }
  wake_.notify_one();
}

void PolicyWriter::work() {
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return stop_ || job_; });
    if (stop_) return;
    const PolicyJob job = *std::exchange(job_, std::nullopt);
    lock.unlock();
    post_([done = on_done_, outcome = enforcer_->enforce(job)]() mutable { done(std::move(outcome)); });
  }
}

}  // namespace towpath::agent
