// The six states of a BGP connection, RFC 4271 section 8.2.2, in the order of their progress.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace towpath::bgp {

enum class SessionState : std::uint8_t { kIdle, kConnect, kActive, kOpenSent, kOpenConfirm, kEstablished };

constexpr std::string_view format(SessionState state) {
  constexpr std::array<std::string_view, 6> kNames{"Idle",     "Connect",     "Active",
                                                   "OpenSent", "OpenConfirm", "Established"};
  return kNames[static_cast<std::size_t>(state)];
}

}  // namespace towpath::bgp
