// Which kind of routes: an address family and a subsequent address family (RFC 4760).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "towpath/base/address.h"

namespace towpath::bgp {

enum class Afi : std::uint16_t { kIpv4 = 1, kIpv6 = 2 };
enum class Safi : std::uint8_t { kUnicast = 1 };

// The families Towpath routes. The value doubles as an index into per-family arrays.
enum class Family : std::uint8_t { kIpv4Unicast = 0, kIpv6Unicast = 1 };
inline constexpr std::array kAllFamilies{Family::kIpv4Unicast, Family::kIpv6Unicast};
inline constexpr std::size_t kFamilyCount = kAllFamilies.size();

constexpr std::size_t index(Family family) {
  return static_cast<std::size_t>(family);
}
constexpr Afi afi(Family family) {
  return family == Family::kIpv4Unicast ? Afi::kIpv4 : Afi::kIpv6;
}
constexpr Safi safi(Family) {
  return Safi::kUnicast;
}
constexpr AddressFamily address_family(Family family) {
  return family == Family::kIpv4Unicast ? AddressFamily::kIpv4 : AddressFamily::kIpv6;
}
constexpr Family unicast(AddressFamily family) {
  return family == AddressFamily::kIpv4 ? Family::kIpv4Unicast : Family::kIpv6Unicast;
}
// Nothing for a pair that Towpath does not route.
constexpr std::optional<Family> to_family(std::uint16_t afi_value, std::uint8_t safi_value) {
  if (safi_value != static_cast<std::uint8_t>(Safi::kUnicast)) return std::nullopt;
  if (afi_value == static_cast<std::uint16_t>(Afi::kIpv4)) return Family::kIpv4Unicast;
  if (afi_value == static_cast<std::uint16_t>(Afi::kIpv6)) return Family::kIpv6Unicast;
  return std::nullopt;
}
constexpr std::string_view format(Family family) {
  return family == Family::kIpv4Unicast ? "ipv4-unicast" : "ipv6-unicast";
}

}  // namespace towpath::bgp
