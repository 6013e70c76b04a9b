#include "towpath/base/unicast_prefix.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace towpath {
namespace {

constexpr std::array kNotForContainers = {
    Prefix::v4(0, 8),
    Prefix::v4(0x7F000000, 8),
    Prefix::v4(0xA9FE0000, 16),
    Prefix::v4(0xE0000000, 4),
    Prefix::v6(0, 0, 127),  // :: and ::1
    Prefix::v6(0xFE80'0000'0000'0000, 0, 10),
    Prefix::v6(0xFF00'0000'0000'0000, 0, 8),
};

}  // namespace

Result<Prefix> parse_unicast_prefix(std::string_view text) {
  TOWPATH_TRY(const Prefix prefix, Prefix::parse(text));
  for (const Prefix& other : kNotForContainers) {
    if (!prefix.overlaps(other)) continue;
    return fail(ErrorKind::kInvalid,
                fmt::format("has addresses of {}, which no container can have", other.to_string()));
  }
  return prefix;
}

bool is_for_containers(const IpAddress& address) {
  return std::ranges::none_of(kNotForContainers,
                              [&](const Prefix& other) { return other.contains(address); });
}

}  // namespace towpath
