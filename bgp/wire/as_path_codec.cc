#include "bgp/wire/as_path_codec.h"

#include <algorithm>
#include <utility>

#include "towpath/base/byte_reader.h"
#include "towpath/base/byte_writer.h"

namespace towpath::bgp {
namespace {

constexpr std::size_t kMaxSegmentLength = 255;

bool is_confederation(SegmentType type) {
  return type == SegmentType::kConfedSequence || type == SegmentType::kConfedSet;
}

// What a segment counts in AsPath::length().
std::size_t weight(const AsPathSegment& segment) {
  if (is_confederation(segment.type)) return 0;
  return segment.type == SegmentType::kSet ? 1 : segment.numbers.size();
}

}  // namespace

std::string_view read_as_path(std::span<const std::byte> bytes, AsWidth width, AsPath& out) {
  ByteReader reader(bytes);
  while (!reader.at_end()) {
    const std::uint8_t type = reader.u8();
    const std::size_t count = reader.u8();
    if (type < 1 || type > 4) return "unknown segment type";
    if (!reader.ok()) return "segment cut off";
    if (count == 0) return "empty segment";
    ByteReader numbers = reader.sub(count * static_cast<std::size_t>(width));
    if (!reader.ok()) return "segment overruns the attribute";
    AsPathSegment& segment = out.segments.emplace_back();
    segment.type = static_cast<SegmentType>(type);
    segment.numbers.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      const AsNumber as{width == AsWidth::kTwo ? numbers.u16() : numbers.u32()};
      if (as.value == 0) return "AS number 0";
      segment.numbers.push_back(as);
    }
  }
  return {};
}

void write_as_path(const AsPath& path, AsWidth width, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  for (const AsPathSegment& segment : path.segments) {
    for (std::size_t first = 0; first < segment.numbers.size(); first += kMaxSegmentLength) {
      const std::size_t count = std::min(kMaxSegmentLength, segment.numbers.size() - first);
      writer.u8(static_cast<std::uint8_t>(segment.type));
      writer.u8(static_cast<std::uint8_t>(count));
      for (const AsNumber as : std::span(segment.numbers).subspan(first, count)) {
        if (width == AsWidth::kFour) {
          writer.u32(as.value);
        } else {
          writer.u16(static_cast<std::uint16_t>(as.fits_two_octets() ? as.value : kAsTrans.value));
        }
      }
    }
  }
}

bool has_confederation_segment(const AsPath& path) {
  return std::ranges::any_of(path.segments, [](const auto& s) { return is_confederation(s.type); });
}

void remove_confederation_segments(AsPath& path) {
  std::erase_if(path.segments, [](const auto& s) { return is_confederation(s.type); });
}

bool needs_four_octets(const AsPath& path) {
  return std::ranges::any_of(path.segments, [](const AsPathSegment& segment) {
    return std::ranges::any_of(segment.numbers, [](AsNumber as) { return !as.fits_two_octets(); });
  });
}

void merge_as4_path(AsPath& path, const AsPath& as4_path) {
  const std::size_t whole = path.length();
  const std::size_t replaced = as4_path.length();
  if (whole < replaced) return;
  std::size_t wanted = whole - replaced;
  AsPath merged;
  for (AsPathSegment& segment : path.segments) {
    const std::size_t counts = weight(segment);
    // A confederation segment counts nothing and stays where it leads or follows what stays.
    if (counts != 0 && wanted == 0) break;
    if (segment.type == SegmentType::kSequence && counts > wanted) {
      segment.numbers.resize(wanted);
      wanted = 0;
    } else {
      wanted -= counts;
    }
    merged.segments.push_back(std::move(segment));
  }
  for (const AsPathSegment& segment : as4_path.segments) {
    const bool joins = !merged.segments.empty() && segment.type == SegmentType::kSequence &&
                       merged.segments.back().type == SegmentType::kSequence &&
                       merged.segments.back().numbers.size() + segment.numbers.size() <= kMaxSegmentLength &&
                       &segment == &as4_path.segments.front();
    if (joins) {
      auto& numbers = merged.segments.back().numbers;
      numbers.insert(numbers.end(), segment.numbers.begin(), segment.numbers.end());
    } else {
      merged.segments.push_back(segment);
    }
  }
  path = std::move(merged);
}

}  // namespace towpath::bgp
