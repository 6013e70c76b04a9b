// Prefix: a network, always masked and always valid. InterfaceAddress: a host's address with its prefix
// length, not masked.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "towpath/base/address.h"

namespace towpath {

// Ordered by family, then address, then length: a covering prefix sorts before what it covers.
class Prefix {
 public:
  // 0.0.0.0/0
  constexpr Prefix() = default;

  // The network of `length` bits that holds `address`; bits beyond the length are cleared. kInvalid if length
  // > bits().
  static Result<Prefix> make(const IpAddress& address, unsigned length);
  // For inner loops of decoders: no checks, bits beyond the length are cleared. `length` is at most 32, or
  // 128.
  static constexpr Prefix v4(std::uint32_t host_order, std::uint8_t length) {
    const std::uint32_t mask = length == 0 ? 0 : ~std::uint32_t{0} << (32 - length);
    return {IpAddress::v4(host_order & mask), length};
  }
  // `high` and `low`: the first and the last eight octets as host-order numbers.
  static constexpr Prefix v6(std::uint64_t high, std::uint64_t low, std::uint8_t length) {
    constexpr std::uint64_t all = ~std::uint64_t{0};
    const std::uint64_t high_mask = length == 0 ? 0 : length >= 64 ? all : all << (64 - length);
    const std::uint64_t low_mask = length <= 64 ? 0 : all << (128 - length);
    return {IpAddress::v6(high & high_mask, low & low_mask), length};
  }
  // /32 or /128.
  static Prefix host(const IpAddress& address);
  // "10.0.0.0/8". Refuses host bits ("10.0.0.1/8") and a missing length, naming the value.
  static Result<Prefix> parse(std::string_view text);
  static Prefix default_route(AddressFamily family);

  constexpr const IpAddress& address() const { return address_; }
  constexpr std::uint8_t length() const { return length_; }
  AddressFamily family() const { return address_.family(); }
  bool is_host() const { return length_ == address_.bits(); }

  bool contains(const IpAddress& address) const;
  // True also for itself.
  bool contains(const Prefix& other) const;
  bool overlaps(const Prefix& other) const { return contains(other) || other.contains(*this); }

  IpAddress first() const { return address_; }
  IpAddress last() const;
  // Number of addresses, saturating at 2^64-1.
  std::uint64_t size() const;

  std::string to_string() const;

  friend constexpr auto operator<=>(const Prefix&, const Prefix&) = default;

 private:
  constexpr Prefix(const IpAddress& masked, std::uint8_t length) : address_(masked), length_(length) {}
  IpAddress address_;
  std::uint8_t length_ = 0;
};

// "10.0.0.7/24": an address as it stands on an interface.
struct InterfaceAddress {
  IpAddress address;
  std::uint8_t length = 32;

  static Result<InterfaceAddress> parse(std::string_view text);
  // /32 or /128.
  static InterfaceAddress host(const IpAddress& address) { return {address, address.bits()}; }
  Prefix prefix() const;
  std::string to_string() const;
  friend constexpr auto operator<=>(const InterfaceAddress&, const InterfaceAddress&) = default;
};

}  // namespace towpath

template <>
struct std::hash<towpath::Prefix> {
  std::size_t operator()(const towpath::Prefix& p) const noexcept;
};
