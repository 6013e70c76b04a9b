#include "towpath/ipam/address_range.h"

#include <fmt/format.h>

#include <algorithm>

namespace towpath::ipam {

Result<AddressRange> AddressRange::parse(std::string_view text) {
  if (text.find('/') != std::string_view::npos) {
    TOWPATH_TRY(const Prefix prefix, Prefix::parse(text));
    return of(prefix);
  }
  const std::size_t dash = text.find('-');
  TOWPATH_TRY(const IpAddress first, IpAddress::parse(text.substr(0, dash)));
  if (dash == std::string_view::npos) return AddressRange{first, first};
  TOWPATH_TRY(const IpAddress last, IpAddress::parse(text.substr(dash + 1)));
  if (first.family() != last.family() || last < first) {
    return fail(ErrorKind::kInvalid,
                fmt::format("'{}': {} does not come after {}", text, last.to_string(), first.to_string()));
  }
  return AddressRange{first, last};
}

std::string AddressRange::to_string() const {
  return first == last ? first.to_string() : fmt::format("{}-{}", first.to_string(), last.to_string());
}

bool any_contains(std::span<const AddressRange> ranges, const IpAddress& address) {
  return std::ranges::any_of(ranges, [&](const AddressRange& range) { return range.contains(address); });
}

}  // namespace towpath::ipam
