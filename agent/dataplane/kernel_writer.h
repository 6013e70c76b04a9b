// A thread that does the blocking work with the kernel's routes, so that the loop does not wait.
//
// Model
//   A queue of jobs, done in order, one at a time. A job is plain values; so is its answer, which goes back
//   through `post`, a function that runs a task on the owner's loop. The writer knows nothing of what the
//   loop is. A dump sees the effect of every write that was queued before it, and of none queued after it.
//   What is urgent goes before all that is queued.
//
// Ownership: owns the RouteKernel, which only its thread uses. The destructor lets the job in hand end, drops
// the others and their answers, and waits for the thread. An answer posted before that may still run on the
// loop afterwards; whoever it is for must be alive, or must have let the loop end. Threading: all calls from
// the owner's thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "agent/dataplane/route_kernel.h"

namespace towpath::agent {

class KernelWriter {
 public:
  using Task = std::move_only_function<void()>;
  using Post = std::function<void(Task)>;
  // The writes come back with their outcome.
  using OnWritten = std::move_only_function<void(std::vector<RouteWrite>, WriteOutcome)>;
  using OnDumped = std::move_only_function<void(Result<std::vector<KernelRoute>>)>;
  using OnTended = std::move_only_function<void(Result<NextHopReport>)>;
  using OnReached = std::move_only_function<void(Result<std::vector<netlink::Reach>>)>;

  KernelWriter(std::unique_ptr<RouteKernel> kernel, Post post);
  KernelWriter(const KernelWriter&) = delete;
  KernelWriter& operator=(const KernelWriter&) = delete;
  ~KernelWriter();

  void write(std::vector<RouteWrite> writes, OnWritten on_written);
  void dump(OnDumped on_dumped);
  void tend(std::optional<std::vector<ForwardingPtr>> in_use, OnTended on_tended);
  void reach(std::vector<IpAddress> addresses, OnReached on_reached);
  // Urgent, and without an answer.
  void lose(std::vector<IpAddress> lost);

  // Jobs not begun yet.
  std::size_t queued() const;

 private:
  struct Write {
    std::vector<RouteWrite> writes;
    OnWritten on_written;
  };
  struct Dump {
    OnDumped on_dumped;
  };
  struct Tend {
    std::optional<std::vector<ForwardingPtr>> in_use;
    OnTended on_tended;
  };
  struct Find {
    std::vector<IpAddress> addresses;
    OnReached on_reached;
  };
  struct Lose {
    std::vector<IpAddress> lost;
  };
  using Job = std::variant<Write, Dump, Tend, Find, Lose>;

  void push(Job job);
  void run();
  void execute(Write job);
  void execute(Dump job);
  void execute(Tend job);
  void execute(Find job);
  void execute(Lose job);

  std::unique_ptr<RouteKernel> kernel_;
  Post post_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;    // guarded by mutex_
  std::deque<Job> urgent_;  // guarded by mutex_
  bool stop_ = false;       // guarded by mutex_
  std::thread thread_;
};

}  // namespace towpath::agent
