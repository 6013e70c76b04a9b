#include "towpath/bgp/community_pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

namespace towpath::bgp {
namespace {

using Words = CommunityPattern::Words;

constexpr std::uint32_t kAll = 0xFFFFFFFF;
constexpr std::uint32_t kLow16 = 0xFFFF;
// RFC 4360 section 3, RFC 5668 section 2: the type says how administrator and number share six octets.
constexpr std::uint32_t kTwoOctetAs = 0x00;
constexpr std::uint32_t kAddress = 0x01;
constexpr std::uint32_t kFourOctetAs = 0x02;

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t colon = text.find(':');
    parts.push_back(text.substr(0, colon));
    if (colon == std::string_view::npos) return parts;
    text.remove_prefix(colon + 1);
  }
}

struct Number {
  std::uint32_t value = 0;
  std::uint32_t mask = 0;  // 0: any
};
// A decimal number up to `greatest`, or '*'.
std::optional<Number> number(std::string_view text, std::uint32_t greatest) {
  if (text == "*") return Number{};
  Number n{0, greatest};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n.value);
  if (error != std::errc{} || end != text.data() + text.size() || n.value > greatest) return std::nullopt;
  return n;
}

std::optional<CommunityPattern> parse_well_known(std::string_view text) {
  for (const std::uint32_t value : {0xFFFF0000U, 0xFFFF0006U, 0xFFFF0007U, 0xFFFF029AU, 0xFFFFFF01U,
                                    0xFFFFFF02U, 0xFFFFFF03U, 0xFFFFFF04U}) {
    if (Community{value}.to_string() == text) return CommunityPattern::of({value});
  }
  return std::nullopt;
}

std::optional<CommunityPattern> parse_standard(std::string_view high, std::string_view low) {
  const auto h = number(high, kLow16);
  const auto l = number(low, kLow16);
  if (!h || !l) return std::nullopt;
  return CommunityPattern{
      CommunityPattern::Kind::kStandard, {h->value << 16 | l->value}, {h->mask << 16 | l->mask}};
}

std::optional<CommunityPattern> parse_large(const std::vector<std::string_view>& parts) {
  CommunityPattern pattern{CommunityPattern::Kind::kLarge, {}, {}};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto n = number(parts[i], kAll);
    if (!n) return std::nullopt;
    pattern.value[i] = n->value;
    pattern.mask[i] = n->mask;
  }
  return pattern;
}

// Administrator and number of a route target or origin, behind two octets of type and subtype.
std::optional<CommunityPattern> parse_route_community(std::uint32_t subtype, std::string_view administrator,
                                                      std::string_view assigned) {
  CommunityPattern pattern{CommunityPattern::Kind::kExtended, {}, {}};
  const auto wide = [&](std::uint32_t type, std::uint32_t value) -> std::optional<CommunityPattern> {
    const auto n = number(assigned, kLow16);
    if (!n) return std::nullopt;
    pattern.value = {type << 24 | subtype << 16 | value >> 16, value << 16 | n->value};
    pattern.mask = {kAll, kLow16 << 16 | n->mask};
    return pattern;
  };
  if (const auto address = IpAddress::parse(administrator); address && !address->is_v6()) {
    return wide(kAddress, address->v4_host_order());
  }
  const auto as = number(administrator, kAll);
  if (!as || as->mask == 0) return std::nullopt;
  if (as->value > kLow16) return wide(kFourOctetAs, as->value);
  const auto n = number(assigned, kAll);
  if (!n) return std::nullopt;
  pattern.value = {kTwoOctetAs << 24 | subtype << 16 | as->value, n->value};
  pattern.mask = {kAll, n->mask};
  return pattern;
}

std::optional<CommunityPattern> parse_hex(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (digits.size() != 16 || error != std::errc{} || end != digits.data() + digits.size())
    return std::nullopt;
  return CommunityPattern{CommunityPattern::Kind::kExtended,
                          {static_cast<std::uint32_t>(value >> 32), static_cast<std::uint32_t>(value)},
                          {kAll, kAll}};
}

std::optional<CommunityPattern> parse_any(std::string_view text) {
  if (auto known = parse_well_known(text)) return known;
  if (text.starts_with("0x")) return parse_hex(text.substr(2));
  const auto parts = split(text);
  if (parts.size() == 2) return parse_standard(parts[0], parts[1]);
  if (parts.size() != 3) return std::nullopt;
  if (parts[0] == "rt") return parse_route_community(2, parts[1], parts[2]);
  if (parts[0] == "ro") return parse_route_community(3, parts[1], parts[2]);
  return parse_large(parts);
}

Words words(Community c) {
  return {c.value};
}
Words words(ExtendedCommunity c) {
  return {static_cast<std::uint32_t>(c.value >> 32), static_cast<std::uint32_t>(c.value)};
}
Words words(const LargeCommunity& c) {
  return {c.global, c.local1, c.local2};
}

bool is_exact(const CommunityPattern& p) {
  switch (p.kind) {
    case CommunityPattern::Kind::kStandard: return p.mask == Words{kAll};
    case CommunityPattern::Kind::kExtended: return p.mask == Words{kAll, kAll};
    case CommunityPattern::Kind::kLarge: return p.mask == Words{kAll, kAll, kAll};
  }
  return false;
}

bool covers(const CommunityPattern& p, const Words& w) {
  for (std::size_t i = 0; i < w.size(); ++i) {
    if ((w[i] & p.mask[i]) != p.value[i]) return false;
  }
  return true;
}

std::string shown(std::uint32_t value, std::uint32_t mask) {
  return mask == 0 ? "*" : std::to_string(value);
}

template <class T>
void add(std::vector<T>& list, T community) {
  if (std::ranges::find(list, community) == list.end()) list.push_back(community);
}

}  // namespace

Result<CommunityPattern> CommunityPattern::parse(std::string_view text) {
  if (auto pattern = parse_any(text)) return *pattern;
  return fail(
      ErrorKind::kInvalid,
      "must be a community such as 65000:1, 65000:* or no-export, a large one such as 65000:1:2, or an "
      "extended one such as rt:65000:1");
}

Result<CommunityPattern> CommunityPattern::parse_exact(std::string_view text) {
  TOWPATH_TRY(const CommunityPattern pattern, parse(text));
  if (!is_exact(pattern)) return fail(ErrorKind::kInvalid, "must be one community, without '*'");
  return pattern;
}

CommunityPattern CommunityPattern::of(Community community) {
  return {Kind::kStandard, words(community), {kAll}};
}

bool CommunityPattern::matches(Community community) const {
  return kind == Kind::kStandard && covers(*this, words(community));
}
bool CommunityPattern::matches(ExtendedCommunity community) const {
  return kind == Kind::kExtended && covers(*this, words(community));
}
bool CommunityPattern::matches(const LargeCommunity& community) const {
  return kind == Kind::kLarge && covers(*this, words(community));
}

bool CommunityPattern::matches(const PathAttributes& a) const {
  const auto hit = [this](const auto& community) { return matches(community); };
  switch (kind) {
    case Kind::kStandard: return std::ranges::any_of(a.communities, hit);
    case Kind::kExtended: return std::ranges::any_of(a.extended_communities, hit);
    case Kind::kLarge: return std::ranges::any_of(a.large_communities, hit);
  }
  return false;
}

std::string CommunityPattern::to_string() const {
  switch (kind) {
    case Kind::kStandard:
      if (is_exact(*this)) return Community{value[0]}.to_string();
      return fmt::format("{}:{}", shown(value[0] >> 16, mask[0] >> 16),
                         shown(value[0] & kLow16, mask[0] & kLow16));
    case Kind::kLarge:
      return fmt::format("{}:{}:{}", shown(value[0], mask[0]), shown(value[1], mask[1]),
                         shown(value[2], mask[2]));
    case Kind::kExtended: break;
  }
  std::string text = ExtendedCommunity{std::uint64_t{value[0]} << 32 | value[1]}.to_string();
  if (!is_exact(*this)) text.replace(text.rfind(':') + 1, std::string::npos, "*");
  return text;
}

void add_community(PathAttributes& a, const CommunityPattern& c) {
  switch (c.kind) {
    case CommunityPattern::Kind::kStandard: return add(a.communities, Community{c.value[0]});
    case CommunityPattern::Kind::kExtended:
      return add(a.extended_communities, ExtendedCommunity{std::uint64_t{c.value[0]} << 32 | c.value[1]});
    case CommunityPattern::Kind::kLarge:
      return add(a.large_communities, LargeCommunity{c.value[0], c.value[1], c.value[2]});
  }
}

void delete_communities(PathAttributes& a, const CommunityPattern& pattern) {
  const auto hit = [&pattern](const auto& community) { return pattern.matches(community); };
  std::erase_if(a.communities, hit);
  std::erase_if(a.extended_communities, hit);
  std::erase_if(a.large_communities, hit);
}

}  // namespace towpath::bgp
