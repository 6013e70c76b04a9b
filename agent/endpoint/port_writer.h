// A thread that does the blocking work with the kernel's port mappings, so that the loop does not wait: a
// transaction of nf_tables waits for every other one on the host, and some of those take seconds.
//
// Model: a queue of jobs, done in order, one at a time; the answers go back through `post`, as in
// KernelWriter.
//
// Ownership: owns the PortKernel, which only its thread uses. The destructor lets the job in hand end and
// drops the others. An answer posted before that may still run afterwards; whoever it is for must be alive,
// or must have let the loop end. Threading: all calls from the owner's thread.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "agent/endpoint/port_kernel.h"
#include "agent/worker/job_thread.h"

namespace towpath::agent {

class PortWriter {
 public:
  using Task = JobThread::Job;
  using Post = std::function<void(Task)>;
  using OnChanged = std::move_only_function<void(netlink::PortChange, Status)>;
  using OnAdopted = std::move_only_function<void(Result<netlink::PortState>)>;
  using OnRepaired = std::move_only_function<void(Status, Result<netlink::PortState>)>;

  PortWriter(std::unique_ptr<PortKernel> kernel, Post post)
      : kernel_(std::move(kernel)), post_(std::move(post)) {}

  void change(netlink::PortChange change, OnChanged on_changed);
  void adopt(OnAdopted on_adopted);
  // The other rules, and then the same.
  void repair(OnRepaired on_repaired);

 private:
  std::unique_ptr<PortKernel> kernel_;
  Post post_;
  JobThread thread_;
};

}  // namespace towpath::agent
