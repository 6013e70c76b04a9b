#include "agent/policy/policies.h"

#include <unistd.h>

#include <utility>

#include "agent/policy/policy_endpoint.h"

namespace towpath::agent {
namespace {

// More than this is somebody who fights us, and waits for the next tick.
constexpr int kRepairsPerTick = 50;

}  // namespace

Policies::Policies(std::string directory, std::unique_ptr<PolicyKernel> kernel, PolicyObserver& observer,
                   PolicyWriter::Post post, std::function<void()> refresh)
    : directory_(std::move(directory)), observer_(observer), post_(post), refresh_(std::move(refresh)) {
  writer_ = std::make_unique<PolicyWriter>(std::make_unique<Enforcer>(directory_, std::move(kernel)),
                                           std::move(post),
                                           [this, self = std::weak_ptr(self_)](PolicyOutcome outcome) {
                                             if (!self.expired()) on_done(std::move(outcome));
                                           });
}

void Policies::record_changed(const ipam::EndpointRecord& record) {
  auto endpoint = policy_endpoint(record);
  if (!endpoint) return record_gone(record.attachment);
  auto& known = endpoints_[record.attachment];
  if (known && *known == *endpoint) return;
  known = std::make_shared<const policy::Endpoint>(*std::move(endpoint));
  stale_ = true;
  flush();
}

void Policies::record_gone(const ipam::AttachmentId& attachment) {
  if (endpoints_.erase(attachment) == 0) return;
  stale_ = true;
  flush();
}

void Policies::listed() {
  if (std::exchange(is_listed_, true)) return;
  stale_ = true;
  flush();
}

void Policies::read_files() {
  read_files_ = true;
  flush();
}

void Policies::rules_changed() {
  if (!is_on_) return;
  write_all_ = true;
  flush();
}

void Policies::tick() {
  repairs_this_tick_ = 0;
  // The watch sees what happens in the directory, but not that it comes or goes.
  const bool is_there = ::access(directory_.c_str(), F_OK) == 0;
  if (is_listed_ && is_there != is_on_) read_files_ = true;
  flush();
}

void Policies::when_in_force(Done done) {
  waiting_.push_back(std::move(done));
  if (!is_on_ && ::access(directory_.c_str(), F_OK) == 0) read_files_ = true;
  flush();
}

// Without policies there is nothing to bring into the kernel: only a look whether that is still so.
void Policies::flush() {
  if (working_ || !is_listed_) return;
  const bool repairs = write_all_ && repairs_this_tick_ < kRepairsPerTick;
  if (!read_files_ && !(is_on_ && (stale_ || repairs))) {
    if (waiting_.empty()) return;
    post_([done = std::exchange(waiting_, {})] {
      for (const Done& each : done) each({});
    });
    return;
  }
  working_ = true;
  if (!is_on_) refresh_();
  PolicyJob job{.read_files = std::exchange(read_files_, false), .write_all = repairs};
  if (repairs) {
    write_all_ = false;
    ++repairs_this_tick_;
    ++counters_.repaired;
  }
  stale_ = false;
  job.endpoints.reserve(endpoints_.size());
  for (const auto& [attachment, endpoint] : endpoints_) job.endpoints.push_back(endpoint);
  in_job_ = std::exchange(waiting_, {});
  writer_->run(std::move(job));
}

void Policies::on_done(PolicyOutcome outcome) {
  working_ = false;
  is_on_ = outcome.is_on;
  view_ = outcome.view;
  counters_.is_on = outcome.is_on;
  counters_.refused = !outcome.refused.empty();
  counters_.policies = outcome.policies;
  counters_.chains = outcome.chains;
  if (outcome.cut) {
    counters_.cut += *outcome.cut;
  } else {
    observer_.policy_problem("cannot cut flows: " + outcome.cut.error().message);
  }
  if (outcome.read_files) {
    ++counters_.readings;
    observer_.policies_read(outcome);
  }
  counters_.problem = outcome.in_force ? (counters_.refused ? outcome.refused.front() : "")
                                       : outcome.in_force.error().message;
  if (outcome.in_force) {
    last_problem_.clear();
  } else if (std::exchange(last_problem_, outcome.in_force.error().message) !=
             outcome.in_force.error().message) {
    observer_.policy_problem(last_problem_);
  }
  for (const Done& done : std::exchange(in_job_, {})) done(outcome.in_force);
  const bool has_news = stale_ || read_files_ || write_all_ || !waiting_.empty();
  if (!outcome.in_force) stale_ = true;  // again, at the next tick
  if (has_news) flush();
}

PolicyCounters Policies::counters() const {
  PolicyCounters counters = counters_;
  counters.endpoints = endpoints_.size();
  return counters;
}

}  // namespace towpath::agent
