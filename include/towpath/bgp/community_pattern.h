// One community, or a family of them: what route policy matches, adds and deletes.
//
// Text
//   standard (RFC 1997)   65000:1, 65000:*, *:666, no-export and the other well-known names
//   large (RFC 8092)      65000:1:2, 65000:*:*
//   extended (RFC 4360)   rt:65000:1, ro:192.0.2.1:5, rt:65000:*, 0x0002fde800000001
//
// A plain value.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "towpath/base/error.h"
#include "towpath/bgp/path_attributes.h"

namespace towpath::bgp {

inline constexpr Community kBlackholeCommunity{0xFFFF029A};  // RFC 7999

struct CommunityPattern {
  enum class Kind : std::uint8_t { kStandard, kExtended, kLarge };
  using Words = std::array<std::uint32_t, 3>;

  Kind kind = Kind::kStandard;
  // Standard: the first word; extended: two; large: all. Bits that are 0 in the mask are 0 in the value.
  Words value{};
  Words mask{};

  // A word '*' stands for any number.
  static Result<CommunityPattern> parse(std::string_view text);
  // Without '*'.
  static Result<CommunityPattern> parse_exact(std::string_view text);
  static CommunityPattern of(Community community);

  bool matches(Community community) const;
  bool matches(ExtendedCommunity community) const;
  bool matches(const LargeCommunity& community) const;
  // Whether the route has one that matches.
  bool matches(const PathAttributes& attributes) const;
  // As parse() reads it.
  std::string to_string() const;

  friend auto operator<=>(const CommunityPattern&, const CommunityPattern&) = default;
};

// Only for a pattern from parse_exact(); does nothing where the route has it already.
void add_community(PathAttributes& attributes, const CommunityPattern& community);
void delete_communities(PathAttributes& attributes, const CommunityPattern& pattern);

}  // namespace towpath::bgp
