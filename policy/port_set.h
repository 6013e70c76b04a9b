// What a rule allows of a peer: all, or spans of ports.
#pragma once

#include <compare>
#include <span>

#include "towpath/policy/ruleset.h"

namespace towpath::policy {

struct PortSet {
  bool all = false;
  PortClass spans{};  // as PortClass says, but may be empty; empty if `all`

  bool empty() const { return !all && spans.empty(); }
  // Takes spans as they come.
  static PortSet of(PortClass spans);
  static PortSet everything() { return {.all = true}; }
  static PortSet unite(std::span<const PortSet* const> sets);
  friend auto operator<=>(const PortSet&, const PortSet&) = default;
};

}  // namespace towpath::policy
