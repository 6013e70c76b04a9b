#include "bgp/rib/journal.h"

#include <algorithm>

#include "towpath/base/check.h"

namespace towpath::bgp {

namespace {
constexpr std::size_t kPackFrom = 1024;  // not worth it below
}

void Journal::record(PrefixRef prefix) {
  std::uint32_t& place = place_of_(prefix);
  if (contains(prefix)) {
    entries_[static_cast<std::uint32_t>(place - static_cast<std::uint32_t>(base_))] = kDead;
    ++dead_;
    if (dead_ > kPackFrom && dead_ > entries_.size() / 2) pack();
  }
  place = static_cast<std::uint32_t>(end());
  entries_.push_back(prefix);
}

// The place is the low half of a position. There are never 2^32 entries, so the difference to the front is
// unambiguous; a place left over from an entry that was dropped is told by what stands there now.
bool Journal::contains(PrefixRef prefix) const {
  const auto offset = static_cast<std::uint32_t>(place_of_(prefix) - static_cast<std::uint32_t>(base_));
  return offset < entries_.size() && entries_[offset] == prefix;
}

Journal::CursorId Journal::add_cursor() {
  const auto unused = std::find(cursors_.begin(), cursors_.end(), kFreeCursor);
  const auto id = static_cast<CursorId>(unused - cursors_.begin());
  if (unused == cursors_.end()) {
    cursors_.push_back(end());
  } else {
    *unused = end();
  }
  return id;
}

Journal::CursorId Journal::copy_cursor(CursorId cursor) {
  const CursorId copy = add_cursor();
  cursors_[copy] = cursors_[cursor];
  return copy;
}

void Journal::remove_cursor(CursorId cursor) {
  TOWPATH_CHECK(cursors_[cursor] != kFreeCursor);
  cursors_[cursor] = kFreeCursor;
}

bool Journal::at_end(CursorId cursor) const {
  return cursors_[cursor] == end();
}

void Journal::read(CursorId cursor, std::size_t budget, std::vector<PrefixRef>& out) {
  std::uint64_t& at = cursors_[cursor];
  TOWPATH_CHECK(at >= base_ && at <= end());
  for (; at != end() && budget != 0; ++at) {
    const PrefixRef entry = entries_[at - base_];
    if (entry == kDead) continue;
    out.push_back(entry);
    --budget;
  }
}

std::uint64_t Journal::slowest() const {
  std::uint64_t least = end();
  for (const std::uint64_t cursor : cursors_) least = std::min(least, cursor);
  return least;
}

// Moves the live entries together. A cursor comes to stand at the first live entry that was not before it.
void Journal::pack() {
  std::vector<CursorId> order;
  for (CursorId id = 0; id < cursors_.size(); ++id) {
    if (cursors_[id] != kFreeCursor) order.push_back(id);
  }
  std::sort(order.begin(), order.end(), [this](CursorId a, CursorId b) { return cursors_[a] < cursors_[b]; });
  auto next = order.begin();
  std::size_t to = 0;
  for (std::size_t from = 0; from < entries_.size(); ++from) {
    for (; next != order.end() && cursors_[*next] == base_ + from; ++next) cursors_[*next] = base_ + to;
    if (entries_[from] == kDead) continue;
    place_of_(entries_[from]) = static_cast<std::uint32_t>(base_ + to);
    entries_[to++] = entries_[from];
  }
  for (; next != order.end(); ++next) cursors_[*next] = base_ + to;
  entries_.resize(to);
  dead_ = 0;
}

}  // namespace towpath::bgp
