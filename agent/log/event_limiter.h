// Keeps a stream of like events from filling the log: a peer that sends garbage must not fill a disk.
//
// Lets `kBurst` events through in each window of `kWindow`, and counts the others. Time is an argument.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

#include "towpath/base/clock.h"

namespace towpath::agent {

class EventLimiter {
 public:
  static constexpr std::uint64_t kBurst = 20;
  static constexpr std::chrono::seconds kWindow{10};

  bool allow(TimePoint now) {
    if (now - window_start_ >= kWindow) {
      window_start_ = now;
      seen_ = 0;
    }
    if (++seen_ <= kBurst) return true;
    ++suppressed_;
    return false;
  }
  // How many were not let through since this was asked last.
  std::uint64_t take_suppressed() { return std::exchange(suppressed_, 0); }

 private:
  TimePoint window_start_{};
  std::uint64_t seen_ = 0;
  std::uint64_t suppressed_ = 0;
};

}  // namespace towpath::agent
