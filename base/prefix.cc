#include "towpath/base/prefix.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "towpath/base/check.h"

namespace towpath {
namespace {

Result<InterfaceAddress> parse_with_length(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) {
    return fail(ErrorKind::kInvalid, fmt::format("'{}' has no prefix length", text));
  }
  auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return fail(ErrorKind::kInvalid, fmt::format("'{}' is not a prefix", text));
  const std::string_view digits = text.substr(slash + 1);
  unsigned length = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (digits.empty() || code != std::errc{} || end != digits.data() + digits.size() ||
      length > address->bits() || (digits.size() > 1 && digits[0] == '0')) {
    return fail(ErrorKind::kInvalid,
                fmt::format("'{}': the prefix length must be 0 to {}", text, address->bits()));
  }
  return InterfaceAddress{*address, static_cast<std::uint8_t>(length)};
}

}  // namespace

Result<Prefix> Prefix::make(const IpAddress& address, unsigned length) {
  if (length > address.bits()) {
    return fail(ErrorKind::kInvalid, fmt::format("prefix length {} is over {}", length, address.bits()));
  }
  const auto bits = static_cast<std::uint8_t>(length);
  return Prefix(address.masked(bits), bits);
}

Prefix Prefix::host(const IpAddress& address) {
  return {address, address.bits()};
}

Result<Prefix> Prefix::parse(std::string_view text) {
  TOWPATH_TRY(const InterfaceAddress given, parse_with_length(text));
  const Prefix prefix = given.prefix();
  if (prefix.address() != given.address) {
    return fail(ErrorKind::kInvalid, fmt::format("'{}' has bits set beyond its length; the network is {}",
                                                 text, prefix.to_string()));
  }
  return prefix;
}

Prefix Prefix::default_route(AddressFamily family) {
  return {IpAddress::any(family), 0};
}

bool Prefix::contains(const IpAddress& address) const {
  return family() == address.family() && address_.common_prefix_length(address) >= length_;
}

bool Prefix::contains(const Prefix& other) const {
  return length_ <= other.length_ && contains(other.address_);
}

IpAddress Prefix::last() const {
  std::array<std::uint8_t, 16> octets{};
  const auto first = address_.octets();
  for (std::size_t i = 0; i < first.size(); ++i) {
    const int fixed = std::clamp(int{length_} - static_cast<int>(8 * i), 0, 8);
    octets[i] = static_cast<std::uint8_t>(first[i] | (0xFF >> fixed));
  }
  return *IpAddress::from_bytes(std::as_bytes(std::span(octets).first(first.size())));
}

std::uint64_t Prefix::size() const {
  const unsigned host_bits = address_.bits() - length_;
  return host_bits >= 64 ? ~std::uint64_t{0} : std::uint64_t{1} << host_bits;
}

std::string Prefix::to_string() const {
  return fmt::format("{}/{}", address_.to_string(), length_);
}

Result<InterfaceAddress> InterfaceAddress::parse(std::string_view text) {
  return parse_with_length(text);
}

Prefix InterfaceAddress::prefix() const {
  auto prefix = Prefix::make(address, length);
  TOWPATH_CHECK(prefix.has_value());
  return *prefix;
}

std::string InterfaceAddress::to_string() const {
  return fmt::format("{}/{}", address.to_string(), length);
}

}  // namespace towpath

std::size_t std::hash<towpath::Prefix>::operator()(const towpath::Prefix& p) const noexcept {
  return std::hash<towpath::IpAddress>{}(p.address()) * 131 + p.length();
}
