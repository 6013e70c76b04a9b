// Time is an argument: pure code takes a TimePoint, only the edge reads a clock.
#pragma once

#include <chrono>

namespace towpath {

using Duration = std::chrono::steady_clock::duration;
// Monotonic. For timers and ages.
using TimePoint = std::chrono::steady_clock::time_point;
// Wall clock. Only for what people read and for records that outlive a boot.
using WallTime = std::chrono::system_clock::time_point;

// A source of monotonic time that tests can drive (tests/support/manual_clock.h).
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
};

class SteadyClock final : public Clock {
 public:
  TimePoint now() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace towpath
