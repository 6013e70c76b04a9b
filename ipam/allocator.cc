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

// The first free offset in [from, end).
Result<std::optional<std::uint64_t>> search(std::uint64_t from, std::uint64_t end, const LoadChunk& load) {
  while (from < end) {
    const std::uint64_t index = from / kChunkBits;
    const std::uint64_t base = index * kChunkBits;
    const std::uint64_t bits = std::min(kChunkBits, end - base);
    TOWPATH_TRY(const BitmapChunk chunk, load(index));
    if (const auto bit = chunk.first_clear(from - base, bits)) return base + *bit;
    if (end - base <= kChunkBits) break;
    from = base + kChunkBits;
  }
  return std::nullopt;
}

}  // namespace

Result<std::optional<std::uint64_t>> choose_offset(const Prefix& block, std::uint64_t next,
                                                   const LoadChunk& load) {
  const std::uint64_t first = first_usable_offset(block);
  const std::uint64_t end = block.size();
  const std::uint64_t start = next < first || next >= end ? first : next;
  TOWPATH_TRY(const std::optional<std::uint64_t> above, search(start, end, load));
  if (above) return above;
  return search(first, start, load);
}

}  // namespace towpath::ipam
