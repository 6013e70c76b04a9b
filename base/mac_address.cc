#include "towpath/base/mac_address.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <charconv>

#include "towpath/base/check.h"

namespace towpath {

Result<MacAddress> MacAddress::parse(std::string_view text) {
  const auto refuse = [&] {
    return fail(ErrorKind::kInvalid, fmt::format("'{}' is not a MAC address", text));
  };
  if (text.size() != 17) return refuse();
  std::array<std::uint8_t, 6> octets{};
  for (std::size_t i = 0; i < 6; ++i) {
    const char* pair = text.data() + 3 * i;
    if (i > 0 && pair[-1] != ':') return refuse();
    const auto [end, code] = std::from_chars(pair, pair + 2, octets[i], 16);
    if (code != std::errc{} || end != pair + 2) return refuse();
  }
  return MacAddress(octets);
}

MacAddress MacAddress::random() {
  std::array<std::uint8_t, 6> octets{};
  TOWPATH_CHECK(getrandom(octets.data(), octets.size(), 0) == static_cast<ssize_t>(octets.size()));
  octets[0] = static_cast<std::uint8_t>((octets[0] & 0xFC) | 0x02);
  return MacAddress(octets);
}

std::string MacAddress::to_string() const {
  return fmt::format("{:02x}", fmt::join(octets_, ":"));
}

}  // namespace towpath
