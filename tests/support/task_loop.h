// Stands in for the agent's loop: tasks posted by any thread run in the test's thread, when it says so.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <semaphore>
#include <utility>

namespace towpath::test {

class TaskLoop {
 public:
  using Task = std::move_only_function<void()>;

  std::function<void(Task)> post() {
    return [this](Task task) {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
      ready_.release();
    };
  }
  // Waits for one task and runs it; false when none comes.
  bool run_one(std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    if (!ready_.try_acquire_for(limit)) return false;
    std::unique_lock lock(mutex_);
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    return true;
  }
  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return tasks_.size();
  }
  ::testing::AssertionResult run_until(const std::function<bool()>& condition) {
    while (!condition()) {
      if (!run_one()) return ::testing::AssertionFailure() << "nothing happens any more";
    }
    return ::testing::AssertionSuccess();
  }

 private:
  std::mutex mutex_;
  std::deque<Task> tasks_;
  std::counting_semaphore<> ready_{0};
};

}  // namespace towpath::test
