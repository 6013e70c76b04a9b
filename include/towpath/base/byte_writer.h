// Appends big-endian fields to a caller's buffer; lengths that are known only later are patched in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace towpath {

class ByteWriter {
 public:
  // Appends to `out`, which must outlive the writer. Positions are absolute in `out`.
  explicit ByteWriter(std::vector<std::byte>& out) : out_(out) {}

  std::size_t position() const { return out_.size(); }

  void u8(std::uint8_t v) { out_.push_back(std::byte{v}); }
  void u16(std::uint16_t v) { number(v, 2); }
  void u32(std::uint32_t v) { number(v, 4); }
  void u64(std::uint64_t v) { number(v, 8); }
  void bytes(std::span<const std::byte> b) { out_.insert(out_.end(), b.begin(), b.end()); }
  void zeros(std::size_t count) { out_.resize(out_.size() + count); }

  // Overwrites what was written at `at` before.
  void patch_u8(std::size_t at, std::uint8_t v) { out_[at] = std::byte{v}; }
  void patch_u16(std::size_t at, std::uint16_t v) {
    out_[at] = static_cast<std::byte>(v >> 8);
    out_[at + 1] = static_cast<std::byte>(v & 0xFF);
  }

 private:
  void number(std::uint64_t v, unsigned width) {
    for (unsigned shift = 8 * width; shift != 0; shift -= 8)
      out_.push_back(static_cast<std::byte>(v >> (shift - 8)));
  }
  std::vector<std::byte>& out_;
};

}  // namespace towpath
