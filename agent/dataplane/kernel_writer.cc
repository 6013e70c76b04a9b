#include "agent/dataplane/kernel_writer.h"

namespace towpath::agent {

void KernelWriter::write(std::vector<RouteWrite> writes, OnWritten on_written) {
  thread_.push([this, writes = std::move(writes), done = std::move(on_written)]() mutable {
    WriteOutcome outcome = kernel_->write(writes);
    post_([done = std::move(done), writes = std::move(writes), outcome = std::move(outcome)]() mutable {
      done(std::move(writes), std::move(outcome));
    });
  });
}

void KernelWriter::dump(OnDumped on_dumped) {
  thread_.push([this, done = std::move(on_dumped)]() mutable {
    auto routes = kernel_->dump();
    post_([done = std::move(done), routes = std::move(routes)]() mutable { done(std::move(routes)); });
  });
}

void KernelWriter::tend(std::optional<std::vector<ForwardingPtr>> in_use, OnTended on_tended) {
  thread_.push([this, in_use = std::move(in_use), done = std::move(on_tended)]() mutable {
    auto report = kernel_->tend(in_use);
    post_([done = std::move(done), report = std::move(report)]() mutable { done(std::move(report)); });
  });
}

void KernelWriter::reach(std::vector<IpAddress> addresses, OnReached on_reached) {
  thread_.push([this, addresses = std::move(addresses), done = std::move(on_reached)]() mutable {
    auto found = kernel_->reach(addresses);
    post_([done = std::move(done), found = std::move(found)]() mutable { done(std::move(found)); });
  });
}

void KernelWriter::lose(std::vector<IpAddress> lost) {
  thread_.push_urgent([this, lost = std::move(lost)] { kernel_->lose(lost); });
}

}  // namespace towpath::agent
