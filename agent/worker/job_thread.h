// A thread that does jobs in order, one at a time, so that the loop does not wait for what blocks.
//
// Signals are the loop's: the thread blocks them all. The destructor lets the job in hand end, drops the
// others and waits for the thread; what a job refers to must live until then, so this is its owner's last
// member. Threading: all calls from the owner's thread. What a job has to answer it posts to the loop itself.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace towpath::agent {

class JobThread {
 public:
  using Job = std::move_only_function<void()>;

  JobThread();
  JobThread(const JobThread&) = delete;
  JobThread& operator=(const JobThread&) = delete;
  ~JobThread();

  void push(Job job);
  // Before all that push() has brought, behind others of its kind.
  void push_urgent(Job job);
  // Jobs not begun yet.
  std::size_t queued() const;

 private:
  void push(std::deque<Job>& queue, Job job);
  void run();

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;    // guarded by mutex_
  std::deque<Job> urgent_;  // guarded by mutex_
  bool stop_ = false;       // guarded by mutex_
  std::thread thread_;
};

}  // namespace towpath::agent
