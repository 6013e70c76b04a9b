#include "ipam/allocator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "towpath/ipam/block.h"

namespace towpath::ipam {

Result<BitmapChunk> BitmapChunk::decode(std::span<const std::byte> bytes) {
  BitmapChunk chunk;
  if (bytes.size() > chunk.bytes_.size()) {
    return fail(ErrorKind::kCorrupt, fmt::format("a bitmap chunk of {} bytes", bytes.size()));
  }
  if (!bytes.empty()) std::memcpy(chunk.bytes_.data(), bytes.data(), bytes.size());
  return chunk;
}

std::span<const std::byte> BitmapChunk::encode() const {
  std::size_t size = bytes_.size();
  while (size > 0 && bytes_[size - 1] == 0) --size;
  return std::as_bytes(std::span(bytes_)).first(size);
}

std::optional<std::uint64_t> BitmapChunk::first_clear(std::uint64_t from, std::uint64_t end) const {
  for (std::uint64_t bit = from; bit < end;) {
    if (bit % 8 == 0 && bytes_[bit / 8] == 0xFF) {
      bit += 8;
    } else if (test(bit)) {
      ++bit;
    } else {
      return bit;
    }
  }
  return std::nullopt;
}

namespace {

// The first clear bit in [first, last].
Result<std::optional<std::uint64_t>> search(const OffsetSpan& span, const LoadChunk& load) {
  for (std::uint64_t index = span.first / kChunkBits; index <= span.last / kChunkBits; ++index) {
    const std::uint64_t base = index * kChunkBits;
    const std::uint64_t from = std::max(span.first, base) - base;
    const std::uint64_t end = std::min(span.last - base, kChunkBits - 1) + 1;
    TOWPATH_TRY(const BitmapChunk chunk, load(index));
    if (const auto bit = chunk.first_clear(from, end)) return base + *bit;
  }
  return std::nullopt;
}

// The part of `range` that lies in [first, last] of the block.
std::optional<OffsetSpan> clip(const AddressRange& range, const Prefix& block, const OffsetSpan& usable) {
  if (range.first.family() != block.family()) return std::nullopt;
  if (range.last < block.first() || block.last() < range.first) return std::nullopt;
  const OffsetSpan span{std::max(range.first.offset_from(block.first()), usable.first),
                        std::min(range.last.offset_from(block.first()), usable.last)};
  if (span.first > span.last) return std::nullopt;
  return span;
}

std::vector<OffsetSpan> without(const std::vector<OffsetSpan>& spans, const OffsetSpan& hole) {
  std::vector<OffsetSpan> rest;
  for (const OffsetSpan& span : spans) {
    if (hole.last < span.first || span.last < hole.first) {
      rest.push_back(span);
      continue;
    }
    if (span.first < hole.first) rest.push_back({span.first, hole.first - 1});
    if (hole.last < span.last) rest.push_back({hole.last + 1, span.last});
  }
  return rest;
}

}  // namespace

std::vector<OffsetSpan> allowed_offsets(const Prefix& block, std::span<const AddressRange> ranges,
                                        std::span<const AddressRange> excluded) {
  const OffsetSpan usable{first_usable_offset(block), block.size() - 1};
  std::vector<OffsetSpan> spans;
  if (ranges.empty()) spans.push_back(usable);
  for (const AddressRange& range : ranges) {
    const auto span = clip(range, block, usable);
    if (!span) continue;
    // What ranges have in common counts once.
    std::vector<OffsetSpan> fresh{*span};
    for (const OffsetSpan& other : spans) fresh = without(fresh, other);
    spans.insert(spans.end(), fresh.begin(), fresh.end());
  }
  for (const AddressRange& range : excluded) {
    if (const auto hole = clip(range, block, usable)) spans = without(spans, *hole);
  }
  std::ranges::sort(spans, {}, &OffsetSpan::first);
  return spans;
}

Result<std::optional<std::uint64_t>> choose_clear(std::span<const OffsetSpan> spans, std::uint64_t next,
                                                  const LoadChunk& load) {
  for (const OffsetSpan& span : spans) {
    if (span.last < next) continue;
    TOWPATH_TRY(const auto found, search({std::max(span.first, next), span.last}, load));
    if (found) return found;
  }
  for (const OffsetSpan& span : spans) {
    if (next <= span.first) break;
    TOWPATH_TRY(const auto found, search({span.first, std::min(span.last, next - 1)}, load));
    if (found) return found;
  }
  return std::nullopt;
}

}  // namespace towpath::ipam
