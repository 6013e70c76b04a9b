// An endpoint as policies see it: names, labels and addresses.
//
// Pure values.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "towpath/base/address.h"
#include "towpath/policy/network_policy.h"
#include "towpath/policy/selector.h"

namespace towpath::policy {

struct NamedPort {
  std::string name;
  Protocol protocol = Protocol::kTcp;
  std::uint16_t port = 0;
  friend auto operator<=>(const NamedPort&, const NamedPort&) = default;
};

struct Endpoint {
  std::string interface;  // the host's end of its veth pair; unique on the host
  std::string name_space;
  Labels labels{};
  std::vector<IpAddress> addresses{};
  std::vector<NamedPort> ports{};
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

}  // namespace towpath::policy
