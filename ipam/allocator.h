// Chooses an address of a block that was never in use. Pure: bitmaps in, an offset out.
//
// A bit is set for an address that is in use, or was and rests. What was never in use has rested longest of
// all, so it is given out first, in order; only when nothing of it is left does the oldest of the resting
// ones come (BlockTable). So a new container does not inherit the connections that peers still keep towards
// an old one.
//
// A block's bitmap comes in chunks, so that the cost of one choice follows the size of a chunk and not of the
// block. A chunk that is not stored has no bit set.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/prefix.h"
#include "towpath/ipam/address_range.h"

namespace towpath::ipam {

inline constexpr std::uint64_t kChunkBits = 2048;

// kChunkBits bits; bit i stands for offset chunk_index * kChunkBits + i of the block.
class BitmapChunk {
 public:
  BitmapChunk() = default;
  // The stored form: bit i is bit i % 8 of byte i / 8, and trailing bytes may be missing (zero). kCorrupt if
  // too long.
  static Result<BitmapChunk> decode(std::span<const std::byte> bytes);
  // The shortest stored form; empty if no bit is set.
  std::span<const std::byte> encode() const;

  bool test(std::uint64_t bit) const { return (bytes_[bit / 8] >> (bit % 8)) & 1; }
  void set(std::uint64_t bit) {
    bytes_[bit / 8] = static_cast<std::uint8_t>(bytes_[bit / 8] | (1U << (bit % 8)));
  }
  void clear(std::uint64_t bit) {
    bytes_[bit / 8] = static_cast<std::uint8_t>(bytes_[bit / 8] & ~(1U << (bit % 8)));
  }
  bool empty() const { return encode().empty(); }
  // The first bit not set in [from, end).
  std::optional<std::uint64_t> first_clear(std::uint64_t from, std::uint64_t end) const;

 private:
  std::array<std::uint8_t, kChunkBits / 8> bytes_{};
};

using LoadChunk = std::function<Result<BitmapChunk>(std::uint64_t chunk_index)>;

// Offsets of a block, both ends in it.
struct OffsetSpan {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  bool contains(std::uint64_t offset) const { return first <= offset && offset <= last; }
  friend bool operator==(const OffsetSpan&, const OffsetSpan&) = default;
};

// The usable offsets of `block` that lie in one of `ranges` (empty: anywhere) and in none of `excluded`;
// ascending, and without overlap.
std::vector<OffsetSpan> allowed_offsets(const Prefix& block, std::span<const AddressRange> ranges,
                                        std::span<const AddressRange> excluded);

// The first offset in `spans` whose bit is clear, searching from `next` on and around. std::nullopt: there is
// none. Errors are those of `load`.
Result<std::optional<std::uint64_t>> choose_clear(std::span<const OffsetSpan> spans, std::uint64_t next,
                                                  const LoadChunk& load);

}  // namespace towpath::ipam
