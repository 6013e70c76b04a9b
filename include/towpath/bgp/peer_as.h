// In which AS a peer may be: one that is named, ours, or any other.
//
// "Any other" is for peers whose number nobody wants to write down: dynamic ones, and fabrics with an AS for
// each host.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "towpath/base/ids.h"

namespace towpath::bgp {

struct PeerAs {
  enum class Kind : std::uint8_t { kNumber, kInternal, kExternal };

  constexpr PeerAs() = default;
  constexpr PeerAs(AsNumber as) : number(as) {}  // NOLINT(google-explicit-constructor): a number is one
  static constexpr PeerAs internal() { return PeerAs(Kind::kInternal); }
  static constexpr PeerAs external() { return PeerAs(Kind::kExternal); }

  // Whether the peer is inside our AS, `local`.
  constexpr bool is_internal(AsNumber local) const {
    return kind == Kind::kInternal || (kind == Kind::kNumber && number == local);
  }
  constexpr bool accepts(AsNumber as, AsNumber local) const {
    return kind == Kind::kNumber ? as == number : (as == local) == (kind == Kind::kInternal);
  }
  // "65001", "internal", "external".
  std::string to_string() const {
    if (kind == Kind::kNumber) return number.to_string();
    return kind == Kind::kInternal ? "internal" : "external";
  }

  Kind kind = Kind::kNumber;
  AsNumber number{};  // of kNumber
  friend constexpr auto operator<=>(const PeerAs&, const PeerAs&) = default;

 private:
  constexpr explicit PeerAs(Kind k) : kind(k) {}
};

}  // namespace towpath::bgp
