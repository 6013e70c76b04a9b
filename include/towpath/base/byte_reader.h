// Reads big-endian fields from a byte span and never beyond it.
//
// A read past the end returns zero (or an empty span) and makes ok() false for good; the position does not
// move. Decoders read a whole fixed part and ask ok() once. The span must outlive the reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace towpath {

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }
  bool at_end() const { return remaining() == 0; }

  std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t u64() { return number(8); }

  // The next `count` bytes.
  std::span<const std::byte> take(std::size_t count) {
    if (!ok_ || count > remaining()) {
      ok_ = false;
      return {};
    }
    auto part = bytes_.subspan(position_, count);
    position_ += count;
    return part;
  }
  // All that is left.
  std::span<const std::byte> rest() { return take(remaining()); }
  // A reader for the next `count` bytes alone, which are consumed here.
  ByteReader sub(std::size_t count) { return ByteReader(take(count)); }

 private:
  std::uint64_t number(std::size_t width) {
    auto part = take(width);
    std::uint64_t value = 0;
    for (std::byte b : part) value = value << 8 | std::to_integer<std::uint64_t>(b);
    return value;
  }

  std::span<const std::byte> bytes_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace towpath
