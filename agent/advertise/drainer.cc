#include "agent/advertise/drainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "towpath/base/boot_id.h"

namespace towpath::agent {
namespace {

using bgp::Drain;

constexpr std::string_view kTitle = "towpathd drained 1";
constexpr std::chrono::milliseconds kLook{20};

TimePoint steady_now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

Drainer::Drainer(boost::asio::io_context& loop, DrainEvents& events, const std::string& state_dir)
    : events_(events), timer_(loop) {
  auto boot = current_boot_id();
  if (!boot) {
    events_.drain_problem("stay drained over a restart", boot.error());
    return;
  }
  file_.emplace(state_dir + "/drained", kTitle, *std::move(boot));
  load();
}

// A file that is none, or of another boot, says nothing.
void Drainer::load() {
  const auto text = file_->load();
  if (!text || !*text) return;
  reason_ = (*text)->substr(0, (*text)->find('\n'));
  phase_ = Drain::kClosed;
}

void Drainer::start(std::chrono::seconds wait, const std::string& reason) {
  if (phase_ != Drain::kNone) return;
  reason_ = reason;
  std::ranges::replace(reason_, '\n', ' ');
  if (const Status stored = file_ ? file_->store(reason_ + '\n') : Status(); !stored) {
    events_.drain_problem("stay drained over a restart", stored.error());
  }
  until_ = steady_now() + wait;
  enter(Drain::kAnnounced);
  timer_.expires_at(until_);
  timer_.async_wait([this, round = ++round_](const boost::system::error_code& error) {
    if (error || round != round_) return;
    until_ = steady_now() + kLongestFlush;
    enter(Drain::kWithdrawn);
    wait_until_told();
  });
}

void Drainer::wait_until_told() {
  timer_.expires_after(kLook);
  timer_.async_wait([this, round = ++round_](const boost::system::error_code& error) {
    if (error || round != round_) return;
    if (!events_.all_told() && steady_now() < until_) return wait_until_told();
    enter(Drain::kClosed);
  });
}

void Drainer::undo() {
  if (phase_ == Drain::kNone) return;
  ++round_;
  timer_.cancel();
  if (const Status removed = file_ ? file_->remove() : Status(); !removed) {
    events_.drain_problem("forget the drain", removed.error());
  }
  reason_.clear();
  enter(Drain::kNone);
}

std::chrono::seconds Drainer::left() const {
  if (phase_ != Drain::kAnnounced) return std::chrono::seconds(0);
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(until_ - steady_now());
  return std::max(left, std::chrono::seconds(0));
}

void Drainer::enter(Drain phase) {
  phase_ = phase;
  events_.drain_changed();
}

}  // namespace towpath::agent
