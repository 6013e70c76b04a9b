// How far a speaker has come in taking itself out of service. A plain value.
#pragma once

#include <cstdint>
#include <string_view>

namespace towpath::bgp {

enum class Drain : std::uint8_t {
  kNone,
  kAnnounced,  // all routes carry GRACEFUL_SHUTDOWN (RFC 8326): used last
  kWithdrawn,  // the peers are told no route
  kClosed,     // there are no sessions
};
constexpr std::string_view format(Drain drain) {
  switch (drain) {
    case Drain::kNone: return "no";
    case Drain::kAnnounced: return "announced";
    case Drain::kWithdrawn: return "withdrawn";
    case Drain::kClosed: return "drained";
  }
  return "?";
}

}  // namespace towpath::bgp
