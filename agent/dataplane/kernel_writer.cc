#include "agent/dataplane/kernel_writer.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace towpath::agent {

KernelWriter::KernelWriter(std::unique_ptr<RouteKernel> kernel, Post post)
    : kernel_(std::move(kernel)), post_(std::move(post)) {
  // Signals are the loop's: the thread inherits a mask in which all are blocked.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

KernelWriter::~KernelWriter() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void KernelWriter::write(std::vector<RouteWrite> writes, OnWritten on_written) {
  push(Write{std::move(writes), std::move(on_written)});
}

void KernelWriter::dump(OnDumped on_dumped) {
  push(Dump{std::move(on_dumped)});
}

void KernelWriter::tend(std::optional<std::vector<ForwardingPtr>> in_use, OnTended on_tended) {
  push(Tend{std::move(in_use), std::move(on_tended)});
}

void KernelWriter::reach(std::vector<IpAddress> addresses, OnReached on_reached) {
  push(Find{std::move(addresses), std::move(on_reached)});
}

void KernelWriter::lose(std::vector<IpAddress> lost) {
  push(Lose{std::move(lost)});
}

std::size_t KernelWriter::queued() const {
  const std::lock_guard lock(mutex_);
  return jobs_.size() + urgent_.size();
}

void KernelWriter::push(Job job) {
  {
    const std::lock_guard lock(mutex_);
    auto& queue = std::holds_alternative<Lose>(job) ? urgent_ : jobs_;
    queue.push_back(std::move(job));
  }
  wake_.notify_one();
}

void KernelWriter::run() {
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return stop_ || !jobs_.empty() || !urgent_.empty(); });
    if (stop_) return;
    auto& queue = urgent_.empty() ? jobs_ : urgent_;
    Job job = std::move(queue.front());
    queue.pop_front();
    lock.unlock();
    std::visit([this](auto&& chosen) { execute(std::move(chosen)); }, std::move(job));
  }
}

void KernelWriter::execute(Write job) {
  WriteOutcome outcome = kernel_->write(job.writes);
  post_([done = std::move(job.on_written), writes = std::move(job.writes),
         outcome = std::move(outcome)]() mutable { done(std::move(writes), std::move(outcome)); });
}

void KernelWriter::execute(Dump job) {
  auto routes = kernel_->dump();
  post_([done = std::move(job.on_dumped), routes = std::move(routes)]() mutable { done(std::move(routes)); });
}

void KernelWriter::execute(Tend job) {
  auto report = kernel_->tend(job.in_use);
  post_([done = std::move(job.on_tended), report = std::move(report)]() mutable { done(std::move(report)); });
}

void KernelWriter::execute(Find job) {
  auto found = kernel_->reach(job.addresses);
  post_([done = std::move(job.on_reached), found = std::move(found)]() mutable { done(std::move(found)); });
}

void KernelWriter::execute(Lose job) {
  kernel_->lose(job.lost);
}

}  // namespace towpath::agent
