// Several paths of one prefix in one session (RFC 7911).
#pragma once

#include <cstdint>

namespace towpath::bgp {

// RFC 7911 section 4, from the view of the side that announces it.
enum class AddPathMode : std::uint8_t { kNone = 0, kReceive = 1, kSend = 2, kBoth = 3 };
constexpr bool receives(AddPathMode mode) {
  return (static_cast<std::uint8_t>(mode) & 1) != 0;
}
constexpr bool sends(AddPathMode mode) {
  return (static_cast<std::uint8_t>(mode) & 2) != 0;
}

}  // namespace towpath::bgp
