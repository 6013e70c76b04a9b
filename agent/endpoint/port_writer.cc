#include "agent/endpoint/port_writer.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace towpath::agent {

PortWriter::PortWriter(std::unique_ptr<PortKernel> kernel, Post post)
    : kernel_(std::move(kernel)), post_(std::move(post)) {
  // Signals are the loop's: the thread inherits a mask in which all are blocked.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

PortWriter::~PortWriter() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void PortWriter::change(netlink::PortChange change, OnChanged on_changed) {
  push([this, change = std::move(change), done = std::move(on_changed)]() mutable {
    Status status = kernel_->change(change);
    post_([change = std::move(change), status = std::move(status), done = std::move(done)]() mutable {
      done(std::move(change), std::move(status));
    });
  });
}

void PortWriter::adopt(OnAdopted on_adopted) {
  push([this, done = std::move(on_adopted)]() mutable {
    auto state = kernel_->adopt();
    post_([state = std::move(state), done = std::move(done)]() mutable { done(std::move(state)); });
  });
}

void PortWriter::repair(OnRepaired on_repaired) {
  push([this, done = std::move(on_repaired)]() mutable {
    Status status = kernel_->protect();
    auto state = kernel_->adopt();
    post_([status = std::move(status), state = std::move(state), done = std::move(done)]() mutable {
      done(std::move(status), std::move(state));
    });
  });
}

void PortWriter::push(Task job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void PortWriter::run() {
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
    if (stop_) return;
    Task job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
  }
}

}  // namespace towpath::agent
