#include "agent/endpoint/port_writer.h"

namespace towpath::agent {

void PortWriter::change(netlink::PortChange change, OnChanged on_changed) {
  thread_.push([this, change = std::move(change), done = std::move(on_changed)]() mutable {
    Status status = kernel_->change(change);
    post_([change = std::move(change), status = std::move(status), done = std::move(done)]() mutable {
      done(std::move(change), std::move(status));
    });
  });
}

void PortWriter::adopt(OnAdopted on_adopted) {
  thread_.push([this, done = std::move(on_adopted)]() mutable {
    auto state = kernel_->adopt();
    post_([state = std::move(state), done = std::move(done)]() mutable { done(std::move(state)); });
  });
}

void PortWriter::repair(OnRepaired on_repaired) {
  thread_.push([this, done = std::move(on_repaired)]() mutable {
    Status status = kernel_->protect();
    auto state = kernel_->adopt();
    post_([status = std::move(status), state = std::move(state), done = std::move(done)]() mutable {
      done(std::move(status), std::move(state));
    });
  });
}

}  // namespace towpath::agent
