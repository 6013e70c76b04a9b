// Whether a service counts as healthy, from the results of single checks. Pure.
//
// The first result decides alone: after a restart of the agent a healthy service is announced again at once.
// Later ones have to agree several times in a row, so that one lost packet moves no traffic.
#pragma once

#include <cstdint>
#include <optional>

namespace towpath::agent {

class HealthGate {
 public:
  HealthGate(std::uint8_t rise, std::uint8_t fall) : rise_(rise), fall_(fall) {}

  // True where healthy() is another one than before.
  bool on_result(bool good) {
    if (!healthy_) {
      healthy_ = good;
      return true;
    }
    against_ = good == *healthy_ ? 0 : against_ + 1U;
    if (against_ < (*healthy_ ? fall_ : rise_)) return false;
    against_ = 0;
    healthy_ = good;
    return true;
  }
  // None before the first result.
  std::optional<bool> healthy() const { return healthy_; }

 private:
  std::uint8_t rise_;
  std::uint8_t fall_;
  unsigned against_ = 0;  // results in a row that speak against healthy_
  std::optional<bool> healthy_;
};

}  // namespace towpath::agent
