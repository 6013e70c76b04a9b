// IPv4 and IPv6 addresses as one value type.
//
// Bytes are in network order, so comparing bytes compares addresses. IPv4 sorts before IPv6. An IPv4-mapped
// IPv6 address stays IPv6: families are never converted silently.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "towpath/base/error.h"

namespace towpath {

enum class AddressFamily : std::uint8_t { kIpv4 = 4, kIpv6 = 6 };

std::string_view format(AddressFamily family);  // "ipv4", "ipv6"
constexpr std::uint8_t address_bits(AddressFamily family) {
  return family == AddressFamily::kIpv4 ? 32 : 128;
}
// AF_INET or AF_INET6, for system calls.
int to_af(AddressFamily family);

class IpAddress {
 public:
  // 0.0.0.0
  constexpr IpAddress() = default;

  static constexpr IpAddress v4(std::uint32_t host_order) {
    IpAddress a;
    for (std::size_t i = 0; i < 4; ++i) a.bytes_[i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
    return a;
  }
  static constexpr IpAddress v6(const std::array<std::uint8_t, 16>& bytes) {
    IpAddress a;
    a.family_ = AddressFamily::kIpv6;
    a.bytes_ = bytes;
    return a;
  }
  // The first and the last eight octets as host-order numbers.
  static constexpr IpAddress v6(std::uint64_t high, std::uint64_t low) {
    if constexpr (std::endian::native == std::endian::little) {
      high = __builtin_bswap64(high);
      low = __builtin_bswap64(low);
    }
    return v6(std::bit_cast<std::array<std::uint8_t, 16>>(std::array{high, low}));
  }
  // All-zeros address of a family: 0.0.0.0 or ::.
  static constexpr IpAddress any(AddressFamily family) {
    IpAddress a;
    a.family_ = family;
    return a;
  }
  // `bytes` must be 4 or 16 long; anything else is kInvalid.
  static Result<IpAddress> from_bytes(std::span<const std::byte> bytes);
  // Dotted quad or RFC 4291 text, without zone and without prefix length; anything else is kInvalid.
  static Result<IpAddress> parse(std::string_view text);

  constexpr AddressFamily family() const { return family_; }
  constexpr bool is_v4() const { return family_ == AddressFamily::kIpv4; }
  constexpr bool is_v6() const { return family_ == AddressFamily::kIpv6; }
  constexpr std::uint8_t bits() const { return address_bits(family_); }

  // 4 or 16 bytes, network order; valid as long as this object.
  std::span<const std::uint8_t> octets() const { return {bytes_.data(), is_v4() ? 4U : 16U}; }
  std::span<const std::byte> bytes() const { return std::as_bytes(octets()); }
  // Only for IPv4.
  constexpr std::uint32_t v4_host_order() const {
    return std::uint32_t{bytes_[0]} << 24 | std::uint32_t{bytes_[1]} << 16 | std::uint32_t{bytes_[2]} << 8 |
           bytes_[3];
  }

  bool is_unspecified() const;  // 0.0.0.0, ::
  bool is_loopback() const;     // 127/8, ::1
  bool is_multicast() const;    // 224/4, ff00::/8
  bool is_link_local() const;   // 169.254/16, fe80::/10

  // The bit at `index` from the left, 0 is the most significant. index < bits().
  constexpr bool bit(std::uint8_t index) const { return (bytes_[index / 8] >> (7 - index % 8)) & 1; }
  // Number of leading bits equal in both; 0 when the families differ.
  std::uint8_t common_prefix_length(const IpAddress& other) const;
  // All bits from `length` on cleared. length <= bits().
  IpAddress masked(std::uint8_t length) const;
  // This address plus `offset`, wrapping around inside the family.
  IpAddress plus(std::uint64_t offset) const;
  // this - base for addresses of one family; saturates at 2^64-1, and at 0 when this < base.
  std::uint64_t offset_from(const IpAddress& base) const;

  std::string to_string() const;

  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  AddressFamily family_ = AddressFamily::kIpv4;
  std::array<std::uint8_t, 16> bytes_{};  // IPv4 uses the first four; the rest stays zero
};

}  // namespace towpath

template <>
struct std::hash<towpath::IpAddress> {
  std::size_t operator()(const towpath::IpAddress& a) const noexcept;
};
