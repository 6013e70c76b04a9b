// Arithmetic of address ranges.
#pragma once

#include <map>
#include <set>
#include <span>
#include <vector>

#include "towpath/policy/ruleset.h"

namespace towpath::policy {

// What is left of the block without its exceptions; disjoint, in order.
std::vector<AddressRange> ranges_of(const IpBlock& block);

struct MarkedRange {
  AddressRange range;  // both ends of one family
  std::size_t mark = 0;
};
// Disjoint ranges, each with the marks of all ranges that cover it; those that none covers are left out.
std::map<AddressRange, std::set<std::size_t>> cut_at_borders(std::span<const MarkedRange> ranges);

}  // namespace towpath::policy
