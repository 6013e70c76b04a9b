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

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "agent/dataplane/route_kernel.h"
#include "agent/worker/job_thread.h"

namespace towpath::agent {

class KernelWriter {
 public:
  using Task = JobThread::Job;
  using Post = std::function<void(Task)>;
  // The writes come back with their outcome.
  using OnWritten = std::move_only_function<void(std::vector<RouteWrite>, WriteOutcome)>;
  using OnDumped = std::move_only_function<void(Result<std::vector<KernelRoute>>)>;
  using OnTended = std::move_only_function<void(Result<NextHopReport>)>;
  using OnReached = std::move_only_function<void(Result<std::vector<netlink::Reach>>)>;

  KernelWriter(std::unique_ptr<RouteKernel> kernel, Post post)
      : kernel_(std::move(kernel)), post_(std::move(post)) {}

  void write(std::vector<RouteWrite> writes, OnWritten on_written);
  void dump(OnDumped on_dumped);
  void tend(std::optional<std::vector<ForwardingPtr>> in_use, OnTended on_tended);
  void reach(std::vector<IpAddress> addresses, OnReached on_reached);
  // Urgent, and without an answer.
  void lose(std::vector<IpAddress> lost);

  // Jobs not begun yet.
  std::size_t queued() const { return thread_.queued(); }

 private:
  std::unique_ptr<RouteKernel> kernel_;
  Post post_;
  JobThread thread_;
};

}  // namespace towpath::agent
