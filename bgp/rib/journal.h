// Which prefixes changed their best path, in the order of their last change, for readers that each have their
// own pace.
//
// Model
//   A queue of prefix numbers with one cursor per reader. A prefix that changes again moves to the end: its
//   old entry is dead, so a reader meets each prefix at most once between where it stands and the end, and
//   what it reads is only "look at this prefix now". Entries that all readers have passed are dropped. When
//   more than half of the queue is dead it is packed, so it never holds more than two entries per prefix,
//   however far behind the slowest reader is.
//
// Threading: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "bgp/rib/pool.h"
#include "towpath/bgp/family.h"

namespace towpath::bgp {

// A prefix of one family, by its number in that family's PrefixTable (below 2^31).
struct PrefixRef {
  std::uint32_t value = 0;

  static PrefixRef make(Family family, std::uint32_t number) {
    return {number | (family == Family::kIpv6Unicast ? kIpv6Bit : 0)};
  }
  Family family() const { return value & kIpv6Bit ? Family::kIpv6Unicast : Family::kIpv4Unicast; }
  std::uint32_t number() const { return value & ~kIpv6Bit; }
  friend bool operator==(const PrefixRef&, const PrefixRef&) = default;

 private:
  static constexpr std::uint32_t kIpv6Bit = 1U << 31;
};

class Journal {
 public:
  using CursorId = std::uint32_t;
  // Where the journal may note, for each prefix, the place of its entry. The journal alone reads and writes
  // it.
  using PlaceOf = std::function<std::uint32_t&(PrefixRef)>;

  explicit Journal(PlaceOf place_of) : place_of_(std::move(place_of)) {}

  void record(PrefixRef prefix);
  // Whether an entry of the prefix is still waiting for some reader.
  bool contains(PrefixRef prefix) const;

  // At the end: only what changes from now on.
  CursorId add_cursor();
  CursorId copy_cursor(CursorId cursor);
  void remove_cursor(CursorId cursor);

  bool at_end(CursorId cursor) const;
  // Appends the next prefixes, at most `budget`, and moves the cursor behind them.
  void read(CursorId cursor, std::size_t budget, std::vector<PrefixRef>& out);

  // Drops what all readers have passed, and calls dropped(prefix) for each prefix that has no entry any more.
  template <class F>
  void trim(F&& dropped) {
    if (entries_.empty()) return;
    for (std::uint64_t end = slowest(); base_ < end; ++base_) {
      const PrefixRef entry = entries_.front();
      entries_.pop_front();
      if (entry == kDead) {
        --dead_;
      } else {
        dropped(entry);
      }
    }
  }

  std::size_t size() const { return entries_.size(); }

 private:
  static constexpr PrefixRef kDead{kNoIndex};
  static constexpr std::uint64_t kFreeCursor = ~std::uint64_t{0};

  std::uint64_t end() const { return base_ + entries_.size(); }
  std::uint64_t slowest() const;
  void pack();

  PlaceOf place_of_;
  std::deque<PrefixRef> entries_;
  std::uint64_t base_ = 0;  // position of entries_.front()
  std::size_t dead_ = 0;
  std::vector<std::uint64_t> cursors_;  // position of the next entry to read
};

}  // namespace towpath::bgp
