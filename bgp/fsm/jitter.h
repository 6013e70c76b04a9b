// Spreads timers as RFC 4271 section 10 asks: each is shortened to 75 to 100 percent of its value.
//
// A plain value with its own random numbers, so that a state machine stays replayable: the seed is its input.
// Not for secrets.
#pragma once

#include <cstdint>

#include "towpath/base/clock.h"

namespace towpath::bgp {

class Jitter {
 public:
  explicit Jitter(std::uint64_t seed) : state_(seed) {}

  Duration apply(Duration value) {
    // splitmix64: every seed is a good one, also 0.
    state_ += 0x9E3779B97F4A7C15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    z ^= z >> 31;
    const auto thousandths = static_cast<Duration::rep>(750 + z % 251);
    return value / 1000 * thousandths;
  }

 private:
  std::uint64_t state_;
};

}  // namespace towpath::bgp
