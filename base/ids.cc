#include "towpath/base/ids.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "towpath/base/address.h"

namespace towpath {
namespace {

template <class Number>
std::optional<Number> parse_decimal(std::string_view text) {
  Number value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<AsNumber> AsNumber::parse(std::string_view text) {
  std::optional<std::uint32_t> value;
  if (const auto dot = text.find('.'); dot == std::string_view::npos) {
    value = parse_decimal<std::uint32_t>(text);
  } else {
    const auto high = parse_decimal<std::uint16_t>(text.substr(0, dot));
    const auto low = parse_decimal<std::uint16_t>(text.substr(dot + 1));
    if (high && low) value = std::uint32_t{*high} << 16 | *low;
  }
  if (!value)
    return fail(ErrorKind::kInvalid, fmt::format("'{}' is not an AS number (1 to 4294967295)", text));
  if (*value == 0) return fail(ErrorKind::kInvalid, "AS number 0 must not be used (RFC 7607)");
  return AsNumber{*value};
}

Result<RouterId> RouterId::parse(std::string_view text) {
  const auto address = IpAddress::parse(text);
  if (!address || !address->is_v4()) {
    return fail(ErrorKind::kInvalid,
                fmt::format("'{}' is not a router id (four octets, as in 192.0.2.1)", text));
  }
  if (address->is_unspecified())
    return fail(ErrorKind::kInvalid, "router id 0.0.0.0 must not be used (RFC 6286)");
  return RouterId{address->v4_host_order()};
}

std::string RouterId::to_string() const {
  return IpAddress::v4(value).to_string();
}

}  // namespace towpath
