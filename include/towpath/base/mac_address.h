// A 48-bit Ethernet address.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "towpath/base/error.h"

namespace towpath {

class MacAddress {
 public:
  constexpr MacAddress() = default;
  constexpr explicit MacAddress(const std::array<std::uint8_t, 6>& octets) : octets_(octets) {}

  // "02:00:5e:00:53:01", six pairs of hex digits with colons.
  static Result<MacAddress> parse(std::string_view text);
  // Locally administered, unicast, from a cryptographic source of the kernel.
  static MacAddress random();

  const std::array<std::uint8_t, 6>& octets() const { return octets_; }
  bool is_multicast() const { return octets_[0] & 1; }
  std::string to_string() const;

  friend constexpr auto operator<=>(const MacAddress&, const MacAddress&) = default;

 private:
  std::array<std::uint8_t, 6> octets_{};
};

}  // namespace towpath
