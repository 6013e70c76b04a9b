#include "towpath/bgp/path_attributes.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace towpath::bgp {
namespace {

constexpr std::size_t kMaxSegmentLength = 255;

bool is_confederation(SegmentType type) {
  return type == SegmentType::kConfedSequence || type == SegmentType::kConfedSet;
}

struct Brackets {
  std::string_view open;
  std::string_view close;
};

Brackets brackets(SegmentType type) {
  switch (type) {
    case SegmentType::kSet: return {"{", "}"};
    case SegmentType::kConfedSequence: return {"(", ")"};
    case SegmentType::kConfedSet: return {"[", "]"};
    case SegmentType::kSequence: break;
  }
  return {"", ""};
}

}  // namespace

std::size_t AsPath::length() const {
  std::size_t sum = 0;
  for (const AsPathSegment& segment : segments) {
    if (segment.type == SegmentType::kSequence) sum += segment.numbers.size();
    if (segment.type == SegmentType::kSet) sum += 1;
  }
  return sum;
}

bool AsPath::contains(AsNumber as) const {
  return std::ranges::any_of(segments, [as](const AsPathSegment& segment) {
    return std::ranges::find(segment.numbers, as) != segment.numbers.end();
  });
}

std::optional<AsNumber> AsPath::first_as() const {
  for (const AsPathSegment& segment : segments) {
    if (is_confederation(segment.type) || segment.numbers.empty()) continue;
    if (segment.type != SegmentType::kSequence) return std::nullopt;
    return segment.numbers.front();
  }
  return std::nullopt;
}

bool AsPath::begins_with(std::span<const AsNumber> start) const {
  for (const AsPathSegment& segment : segments) {
    if (start.empty()) break;
    if (segment.type != SegmentType::kSequence) return false;
    const std::size_t count = std::min(start.size(), segment.numbers.size());
    if (!std::ranges::equal(start.first(count), std::span(segment.numbers).first(count))) return false;
    start = start.subspan(count);
  }
  return start.empty();
}

std::optional<AsNumber> AsPath::origin_as() const {
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    if (segment->type == SegmentType::kSequence && !segment->numbers.empty()) return segment->numbers.back();
  }
  return std::nullopt;
}

void AsPath::prepend(AsNumber as, unsigned count) {
  while (count != 0) {
    if (segments.empty() || segments.front().type != SegmentType::kSequence ||
        segments.front().numbers.size() >= kMaxSegmentLength) {
      segments.insert(segments.begin(), AsPathSegment{SegmentType::kSequence, {}});
    }
    auto& numbers = segments.front().numbers;
    const std::size_t added = std::min<std::size_t>(count, kMaxSegmentLength - numbers.size());
    numbers.insert(numbers.begin(), added, as);
    count -= static_cast<unsigned>(added);
  }
}

std::string AsPath::to_string() const {
  std::string text;
  for (const AsPathSegment& segment : segments) {
    if (!text.empty()) text += ' ';
    const auto [open, close] = brackets(segment.type);
    text += open;
    for (std::size_t i = 0; i < segment.numbers.size(); ++i) {
      fmt::format_to(std::back_inserter(text), "{}{}", i == 0 ? "" : " ", segment.numbers[i].value);
    }
    text += close;
  }
  return text;
}

std::string Community::to_string() const {
  switch (value) {
    case 0xFFFF0000: return "graceful-shutdown";    // RFC 8326
    case 0xFFFF0006: return "llgr-stale";           // RFC 9494
    case 0xFFFF0007: return "no-llgr";              // RFC 9494
    case 0xFFFF029A: return "blackhole";            // RFC 7999
    case 0xFFFFFF01: return "no-export";            // RFC 1997
    case 0xFFFFFF02: return "no-advertise";         // RFC 1997
    case 0xFFFFFF03: return "no-export-subconfed";  // RFC 1997
    case 0xFFFFFF04: return "no-peer";              // RFC 3765
    default: return fmt::format("{}:{}", value >> 16, value & 0xFFFF);
  }
}

// Route targets and origins of the three common forms by name (RFC 4360 sections 3 to 5, RFC 5668); all else
// in hex.
std::string ExtendedCommunity::to_string() const {
  const auto type = static_cast<std::uint8_t>(value >> 56);
  const auto subtype = static_cast<std::uint8_t>(value >> 48);
  const std::string_view name = subtype == 2 ? "rt" : subtype == 3 ? "ro" : "";
  const auto high16 = static_cast<std::uint16_t>(value >> 32);
  const auto high32 = static_cast<std::uint32_t>(value >> 16);
  const auto low32 = static_cast<std::uint32_t>(value);
  const auto low16 = static_cast<std::uint16_t>(value);
  if (!name.empty()) {
    if (type == 0x00) return fmt::format("{}:{}:{}", name, high16, low32);
    if (type == 0x01) return fmt::format("{}:{}:{}", name, IpAddress::v4(high32).to_string(), low16);
    if (type == 0x02) return fmt::format("{}:{}:{}", name, high32, low16);
  }
  return fmt::format("0x{:016x}", value);
}

std::string LargeCommunity::to_string() const {
  return fmt::format("{}:{}:{}", global, local1, local2);
}

bool PathAttributes::has(Community community) const {
  return std::ranges::find(communities, community) != communities.end();
}

}  // namespace towpath::bgp
