// Chooses an address of a block. Pure: bitmaps in, an offset out.
//
// The choice is the first free address after the one that was given out last, around the block. As long as
// addresses live about equally long, that is the address which has rested longest, so a new container does
// not inherit the connections that peers still keep towards an old one.
//
// A block's bitmap comes in chunks, so that the cost of one choice follows the size of a chunk and not of the
// block. A chunk that is not stored has no address in use.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "towpath/base/error.h"
#include "towpath/base/prefix.h"

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

// The offset in `block` to use for the next allocation, searching from `next` on and around. std::nullopt:
// none is free. Errors are those of `load`.
Result<std::optional<std::uint64_t>> choose_offset(const Prefix& block, std::uint64_t next,
                                                   const LoadChunk& load);

}  // namespace towpath::ipam
