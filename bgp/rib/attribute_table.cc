#include "bgp/rib/attribute_table.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <string_view>

#include "bgp/rib/attribute_codec.h"
#include "towpath/base/check.h"

namespace towpath::bgp {
namespace {

std::uint16_t saturate(std::size_t n) {
  return static_cast<std::uint16_t>(std::min<std::size_t>(n, std::numeric_limits<std::uint16_t>::max()));
}

std::uint32_t hash_of(std::span<const std::byte> bytes) {
  const auto hash =
      std::hash<std::string_view>{}({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return static_cast<std::uint32_t>(hash ^ hash >> 32);
}

}  // namespace

AttributeKeys AttributeKeys::of(const PathAttributes& a) {
  AttributeKeys k;
  k.local_pref = a.local_pref.value_or(kDefaultLocalPref);
  k.med = a.med.value_or(0);
  k.neighbour_as = a.as_path.first_as().value_or(AsNumber{}).value;
  k.originator_id = a.originator_id.value_or(RouterId{}).value;
  k.as_path_length = saturate(a.as_path.length());
  k.cluster_list_length = saturate(a.cluster_list.size());
  k.origin = a.origin;
  k.only_to_customer = a.only_to_customer.has_value();
  k.no_export = a.has(kNoExport) || a.has(kNoExportSubconfed);
  k.no_advertise = a.has(kNoAdvertise);
  k.discard = a.discard;
  k.next_hop_is_v6 = a.next_hop.address.is_v6();
  return k;
}

AttributeId AttributeTable::intern(const PathAttributes& attributes, const NextHop& next_hop) {
  pack_attributes(attributes, next_hop, scratch_);
  const std::uint32_t hash = hash_of(scratch_);
  if (cells_.size() * 2 <= used_ * 3) grow();
  const std::size_t mask = cells_.size() - 1;
  for (std::size_t at = hash & mask; cells_[at].id != kNoIndex; at = (at + 1) & mask) {
    if (cells_[at].hash != hash) continue;
    Set& set = sets_[cells_[at].id];
    if (!std::ranges::equal(set.view(), scratch_)) continue;
    ++set.references;
    return {cells_[at].id};
  }
  std::uint32_t id = end_;
  if (free_.empty()) {
    ++end_;
  } else {
    id = free_.back();
    free_.pop_back();
  }
  Set& set = sets_.at(id);
  set.keys = AttributeKeys::of(attributes);
  set.keys.next_hop_is_v6 = next_hop.address.is_v6();
  set.hash = hash;
  set.references = 1;
  set.hop = next_hops_.ref(next_hop.address);
  set.size = static_cast<std::uint32_t>(scratch_.size());
  set.bytes = std::make_unique_for_overwrite<std::byte[]>(scratch_.size());
  std::ranges::copy(scratch_, set.bytes.get());
  place({hash, id});
  ++used_;
  return {id};
}

void AttributeTable::unref(AttributeId id) {
  Set& set = sets_[id.value];
  TOWPATH_CHECK(set.references != 0);
  if (--set.references != 0) return;
  remove(set.hash, id.value);
  next_hops_.unref(set.hop);
  set.bytes.reset();
  set.size = 0;
  free_.push_back(id.value);
  --used_;
}

NextHop AttributeTable::next_hop(AttributeId id) const {
  return unpack_next_hop(sets_[id.value].view());
}

PathAttributes AttributeTable::get(AttributeId id) const {
  return unpack_attributes(sets_[id.value].view());
}

void AttributeTable::grow() {
  std::vector<Cell> old(std::max<std::size_t>(64, cells_.size() * 2));
  old.swap(cells_);
  for (const Cell& cell : old) {
    if (cell.id != kNoIndex) place(cell);
  }
}

void AttributeTable::place(Cell cell) {
  const std::size_t mask = cells_.size() - 1;
  std::size_t at = cell.hash & mask;
  while (cells_[at].id != kNoIndex) at = (at + 1) & mask;
  cells_[at] = cell;
}

// Closes the gap: what follows moves back as far as its own hash allows, so no marks of deleted cells are
// needed.
void AttributeTable::remove(std::uint32_t hash, std::uint32_t id) {
  const std::size_t mask = cells_.size() - 1;
  std::size_t gap = hash & mask;
  while (cells_[gap].id != id) gap = (gap + 1) & mask;
  for (std::size_t at = (gap + 1) & mask; cells_[at].id != kNoIndex; at = (at + 1) & mask) {
    const std::size_t home = cells_[at].hash & mask;
    if (((at - home) & mask) < ((at - gap) & mask)) continue;  // it would end up before its home
    cells_[gap] = cells_[at];
    gap = at;
  }
  cells_[gap] = {};
}

}  // namespace towpath::bgp
