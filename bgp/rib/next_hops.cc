#include "bgp/rib/next_hops.h"

#include <utility>

#include "towpath/base/check.h"

namespace towpath::bgp {

std::uint32_t NextHops::find(const IpAddress& address) const {
  if (last_ != kNoIndex && hops_[last_].address == address) return last_;
  const auto known = numbers_.find(address);
  return known == numbers_.end() ? kNoIndex : last_ = known->second;
}

std::uint32_t NextHops::add(const IpAddress& address) {
  std::uint32_t hop = static_cast<std::uint32_t>(hops_.size());
  if (free_.empty()) {
    hops_.emplace_back();
  } else {
    hop = free_.back();
    free_.pop_back();
  }
  hops_[hop] = {.address = address, .state = {}};
  numbers_.emplace(address, hop);
  return last_ = hop;
}

std::uint32_t NextHops::ref(const IpAddress& address) {
  std::uint32_t hop = find(address);
  if (hop == kNoIndex) hop = add(address);
  ++hops_[hop].references;
  return hop;
}

void NextHops::unref(std::uint32_t hop) {
  TOWPATH_CHECK(hops_[hop].references != 0);
  if (--hops_[hop].references != 0) return;
  numbers_.erase(hops_[hop].address);
  free_.push_back(hop);
  if (last_ == hop) last_ = kNoIndex;
}

void NextHops::use(std::uint32_t hop) {
  if (std::exchange(hops_[hop].used, true)) return;
  if (!hops_[hop].told) untold_.push_back(hop);
}

bool NextHops::knows(const IpAddress& address) const {
  const std::uint32_t hop = find(address);
  return hop != kNoIndex && hops_[hop].told;
}

bool NextHops::set(const IpAddress& address, const NextHopState& state) {
  std::uint32_t number = find(address);
  if (number == kNoIndex) number = add(address);
  Hop& hop = hops_[number];
  hop.told = true;
  if (std::exchange(hop.state, state) == state) return false;
  hop.changed = ++last_change_;
  return hop.used;
}

std::vector<IpAddress> NextHops::take_untold() {
  std::vector<IpAddress> addresses;
  for (const std::uint32_t number : std::exchange(untold_, {})) {
    // The number may have come to another one since.
    const Hop& hop = hops_[number];
    if (hop.references != 0 && hop.used && !hop.told) addresses.push_back(hop.address);
  }
  return addresses;
}

std::vector<NextHopRow> NextHops::in_use() const {
  std::vector<NextHopRow> rows;
  for (const Hop& hop : hops_) {
    if (hop.references != 0 && hop.used) rows.push_back({hop.address, hop.state});
  }
  return rows;
}

}  // namespace towpath::bgp
