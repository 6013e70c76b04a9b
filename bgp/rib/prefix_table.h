// The prefixes of one family, numbered. A number is all that paths, journal and adj-rib-out know of a prefix.
//
// Ownership: a number holds from insert() to erase(), then it is reused.
// Threading: none.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bgp/rib/pool.h"
#include "towpath/base/prefix_map.h"
#include "towpath/bgp/family.h"

namespace towpath::bgp {

class PrefixTable {
 public:
  explicit PrefixTable(Family family) : family_(family) {}

  // The number of the prefix, new where it was not there.
  std::uint32_t insert(const Prefix& prefix) {
    const auto [number, is_new] = numbers_.try_insert(prefix);
    if (!is_new) return *number;
    const std::uint32_t i = *number = states_.allocate({});
    if (family_ == Family::kIpv4Unicast) {
      keys4_.at(i) = PackedPrefix4::pack(prefix);
    } else {
      keys6_.at(i) = PackedPrefix6::pack(prefix);
    }
    return i;
  }
  // kNoIndex where it is not there.
  std::uint32_t find(const Prefix& prefix) const {
    const std::uint32_t* number = numbers_.find(prefix);
    return number == nullptr ? kNoIndex : *number;
  }
  void erase(std::uint32_t number) {
    numbers_.erase(prefix(number));
    states_.release(number);
  }

  Prefix prefix(std::uint32_t number) const {
    return family_ == Family::kIpv4Unicast ? keys4_[number].unpack() : keys6_[number].unpack();
  }
  // First of the list of paths, the best where it is not excluded; kNoIndex where there is none.
  std::uint32_t& paths(std::uint32_t number) { return states_[number].paths; }
  std::uint32_t paths(std::uint32_t number) const { return states_[number].paths; }
  std::uint32_t& journal_place(std::uint32_t number) { return states_[number].journal_place; }

  // As PrefixMap::walk(), within this family.
  template <class F>
  bool walk(const Prefix& from, F&& f) const {
    return numbers_.walk(from, f);
  }
  std::size_t size() const { return numbers_.size(); }

 private:
  struct State {
    std::uint32_t paths = kNoIndex;
    std::uint32_t journal_place = 0;
  };

  Family family_;
  PrefixMap<std::uint32_t> numbers_;
  Pool<State> states_;
  SparseArray<PackedPrefix4> keys4_;  // only one of the two is used
  SparseArray<PackedPrefix6> keys6_;
};

}  // namespace towpath::bgp
