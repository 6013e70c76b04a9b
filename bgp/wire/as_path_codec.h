// AS_PATH and AS4_PATH as they stand on the wire, and what RFC 6793 makes of the two together.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "towpath/bgp/path_attributes.h"

namespace towpath::bgp {

enum class AsWidth : std::uint8_t { kTwo = 2, kFour = 4 };

// Appends the segments of `bytes` to `out`. Returns what is wrong (RFC 7606 section 7.2, RFC 7607 section 2),
// or nothing.
std::string_view read_as_path(std::span<const std::byte> bytes, AsWidth width, AsPath& out);

// Appends the value of AS_PATH. With two octets AS_TRANS stands for a number that does not fit. A segment of
// more than 255 numbers is cut in several; an empty one is left out.
void write_as_path(const AsPath& path, AsWidth width, std::vector<std::byte>& out);

bool has_confederation_segment(const AsPath& path);
void remove_confederation_segments(AsPath& path);
// Some number needs four octets.
bool needs_four_octets(const AsPath& path);

// RFC 6793 section 4.2.3: the AS_PATH of a two-octet peer with its end replaced by AS4_PATH. `path` stays as
// it is where it is shorter than `as4_path`.
void merge_as4_path(AsPath& path, const AsPath& as4_path);

}  // namespace towpath::bgp
