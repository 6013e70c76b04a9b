#include "agent/worker/job_thread.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace towpath::agent {

JobThread::JobThread() {
  // The thread inherits the mask.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

JobThread::~JobThread() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void JobThread::push(Job job) {
  push(jobs_, std::move(job));
}

void JobThread::push_urgent(Job job) {
  push(urgent_, std::move(job));
}

void JobThread::push(std::deque<Job>& queue, Job job) {
  {
    const std::lock_guard lock(mutex_);
    queue.push_back(std::move(job));
  }
  wake_.notify_one();
}

std::size_t JobThread::queued() const {
  const std::lock_guard lock(mutex_);
  return jobs_.size() + urgent_.size();
}

void JobThread::run() {
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return stop_ || !jobs_.empty() || !urgent_.empty(); });
    if (stop_) return;
    auto& queue = urgent_.empty() ? jobs_ : urgent_;
    Job job = std::move(queue.front());
    queue.pop_front();
    lock.unlock();
    job();
  }
}

}  // namespace towpath::agent
