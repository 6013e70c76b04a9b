// The common header of a message that is being appended to a buffer (RFC 4271 section 4.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bgp/wire/message.h"

namespace towpath::bgp {

// Appends the header with length 0. Returns where the message starts.
inline std::size_t begin_message(MessageType type, std::vector<std::byte>& out) {
  const std::size_t start = out.size();
  out.resize(start + kHeaderSize, std::byte{0xFF});
  out[start + 16] = out[start + 17] = std::byte{0};
  out[start + 18] = static_cast<std::byte>(type);
  return start;
}

inline void patch_u16(std::vector<std::byte>& out, std::size_t at, std::size_t value) {
  out[at] = static_cast<std::byte>(value >> 8);
  out[at + 1] = static_cast<std::byte>(value & 0xFF);
}

// The message that starts at `start` ends where the buffer ends.
inline void end_message(std::size_t start, std::vector<std::byte>& out) {
  patch_u16(out, start + 16, out.size() - start);
}

}  // namespace towpath::bgp
