#include "agent/dataplane/forwarding.h"

#include <algorithm>
#include <utility>

#include "towpath/base/check.h"

namespace towpath::agent {
namespace {

bool satisfies(const netlink::NextHop& kernel, const netlink::NextHop& wanted) {
  return kernel.via == wanted.via && kernel.weight == wanted.weight && kernel.onlink == wanted.onlink &&
         (!wanted.device || kernel.device == wanted.device);
}

void mix(std::size_t& seed, std::size_t value) {
  seed ^= value + 0x9e3779b97f4a7c15ULL + (seed << 6) + (seed >> 2);
}

}  // namespace

Forwarding make_unicast(std::vector<netlink::NextHop> next_hops) {
  std::ranges::sort(next_hops);
  return {.type = netlink::RouteType::kUnicast, .next_hops = std::move(next_hops)};
}

Forwarding make_blackhole() {
  return {.type = netlink::RouteType::kBlackhole};
}

bool goes_by_object(const Forwarding& forwarding) {
  return forwarding.type == netlink::RouteType::kUnicast && !forwarding.next_hops.empty() &&
         std::ranges::all_of(forwarding.next_hops, [](const auto& hop) { return hop.via.has_value(); });
}

bool satisfies(const Forwarding& kernel, const Forwarding& wanted) {
  return kernel.type == wanted.type && kernel.outdated == wanted.outdated &&
         std::ranges::equal(kernel.next_hops, wanted.next_hops,
                            [](const auto& have, const auto& want) { return satisfies(have, want); });
}

std::size_t ForwardingTable::Hash::operator()(const Forwarding* value) const {
  std::size_t seed = static_cast<std::size_t>(value->type);
  for (const auto& hop : value->next_hops) {
    if (hop.via) mix(seed, std::hash<IpAddress>{}(*hop.via));
    mix(seed, std::hash<IfIndex>{}(hop.device));
    mix(seed, hop.weight);
  }
  return seed;
}

ForwardingId ForwardingTable::acquire(Forwarding value) {
  if (const auto it = ids_.find(&value); it != ids_.end()) {
    ++slots_[it->second].uses;
    return it->second;
  }
  ForwardingId id;
  if (free_.empty()) {
    id = static_cast<ForwardingId>(slots_.size());
    slots_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  slots_[id] = {std::make_shared<const Forwarding>(std::move(value)), 1};
  ids_.emplace(slots_[id].value.get(), id);
  return id;
}

std::vector<ForwardingPtr> ForwardingTable::values() const {
  std::vector<ForwardingPtr> values;
  for (const auto& [value, id] : ids_) values.push_back(slots_[id].value);
  return values;
}

void ForwardingTable::acquire(ForwardingId id) {
  if (id != 0) ++slots_[id].uses;
}

void ForwardingTable::release(ForwardingId id) {
  if (id == 0) return;
  TOWPATH_CHECK(slots_[id].uses > 0);
  if (--slots_[id].uses != 0) return;
  ids_.erase(slots_[id].value.get());
  slots_[id].value.reset();
  free_.push_back(id);
}

}  // namespace towpath::agent
