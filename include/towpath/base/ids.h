// Numbers that must not be mixed up, each with its own type.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "towpath/base/error.h"

namespace towpath {

// A kernel interface index in one network namespace; 0 is none.
struct IfIndex {
  std::uint32_t value = 0;
  constexpr explicit operator bool() const { return value != 0; }
  friend constexpr auto operator<=>(const IfIndex&, const IfIndex&) = default;
};

// RFC 6793; written as plain decimal (asplain, RFC 5396).
struct AsNumber {
  std::uint32_t value = 0;
  // "65000" or asdot "1.10". 0 is refused (RFC 7607).
  static Result<AsNumber> parse(std::string_view text);
  std::string to_string() const { return std::to_string(value); }
  constexpr bool fits_two_octets() const { return value <= 0xFFFF; }
  friend constexpr auto operator<=>(const AsNumber&, const AsNumber&) = default;
};
// RFC 6793 section 9: stands for an AS number that does not fit two octets.
inline constexpr AsNumber kAsTrans{23456};

// BGP identifier, host order so that comparison is RFC 4271's (section 6.8: "unsigned integers").
struct RouterId {
  std::uint32_t value = 0;
  // Dotted quad; 0.0.0.0 is refused (RFC 6286).
  static Result<RouterId> parse(std::string_view text);
  std::string to_string() const;
  friend constexpr auto operator<=>(const RouterId&, const RouterId&) = default;
};

}  // namespace towpath

template <>
struct std::hash<towpath::AsNumber> {
  std::size_t operator()(towpath::AsNumber a) const noexcept { return std::hash<std::uint32_t>{}(a.value); }
};
template <>
struct std::hash<towpath::IfIndex> {
  std::size_t operator()(towpath::IfIndex i) const noexcept { return std::hash<std::uint32_t>{}(i.value); }
};
