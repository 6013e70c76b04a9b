// A prefix that the configuration announces beside the host's blocks, and what has to be well for it. Values.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>

#include "towpath/base/address.h"
#include "towpath/base/prefix.h"

namespace towpath::agent {

// A TCP connection that must come about.
struct HealthCheck {
  IpAddress address;
  std::uint16_t port = 0;
  std::chrono::seconds interval{5};  // from one attempt to the next
  std::chrono::seconds timeout{2};   // for one; at most `interval`
  std::uint8_t rise = 2;             // attempts in a row that make an unhealthy service healthy
  std::uint8_t fall = 3;             // and the reverse
  friend auto operator<=>(const HealthCheck&, const HealthCheck&) = default;
};

struct ServicePrefix {
  Prefix prefix;
  std::optional<HealthCheck> health;  // none: announced always
  friend auto operator<=>(const ServicePrefix&, const ServicePrefix&) = default;
};

}  // namespace towpath::agent
