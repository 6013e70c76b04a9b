#include "towpath/base/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "towpath/base/check.h"

namespace towpath {

std::string_view format(AddressFamily family) {
  return family == AddressFamily::kIpv4 ? "ipv4" : "ipv6";
}

int to_af(AddressFamily family) {
  return family == AddressFamily::kIpv4 ? AF_INET : AF_INET6;
}

Result<IpAddress> IpAddress::from_bytes(std::span<const std::byte> bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) {
    return fail(ErrorKind::kInvalid, fmt::format("an address has 4 or 16 bytes, not {}", bytes.size()));
  }
  IpAddress a = any(bytes.size() == 4 ? AddressFamily::kIpv4 : AddressFamily::kIpv6);
  std::memcpy(a.bytes_.data(), bytes.data(), bytes.size());
  return a;
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN + 1];
  if (text.size() < sizeof buffer && text.find('\0') == std::string_view::npos) {
    std::memcpy(buffer, text.data(), text.size());
    buffer[text.size()] = '\0';
    IpAddress a;
    if (inet_pton(AF_INET, buffer, a.bytes_.data()) == 1) return a;
    a = any(AddressFamily::kIpv6);
    if (inet_pton(AF_INET6, buffer, a.bytes_.data()) == 1) return a;
  }
  return fail(ErrorKind::kInvalid, fmt::format("'{}' is not an IP address", text));
}

bool IpAddress::is_unspecified() const {
  return *this == any(family_);
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[0] == 127;
  return bytes_[15] == 1 && std::all_of(bytes_.begin(), bytes_.begin() + 15, [](auto b) { return b == 0; });
}

bool IpAddress::is_multicast() const {
  return is_v4() ? bytes_[0] >> 4 == 14 : bytes_[0] == 0xFF;
}

bool IpAddress::is_link_local() const {
  if (is_v4()) return bytes_[0] == 169 && bytes_[1] == 254;
  return bytes_[0] == 0xFE && (bytes_[1] & 0xC0) == 0x80;
}

std::uint8_t IpAddress::common_prefix_length(const IpAddress& other) const {
  if (family_ != other.family_) return 0;
  for (std::size_t i = 0; i < octets().size(); ++i) {
    const auto difference = static_cast<std::uint8_t>(bytes_[i] ^ other.bytes_[i]);
    if (difference != 0)
      return static_cast<std::uint8_t>(8 * i + static_cast<unsigned>(std::countl_zero(difference)));
  }
  return bits();
}

IpAddress IpAddress::masked(std::uint8_t length) const {
  TOWPATH_CHECK(length <= bits());
  IpAddress a = *this;
  std::size_t whole = length / 8;
  if (length % 8 != 0) {
    a.bytes_[whole] = static_cast<std::uint8_t>(a.bytes_[whole] & (0xFF00U >> (length % 8)));
    ++whole;
  }
  std::fill(a.bytes_.begin() + static_cast<std::ptrdiff_t>(whole), a.bytes_.end(), std::uint8_t{0});
  return a;
}

IpAddress IpAddress::plus(std::uint64_t offset) const {
  IpAddress a = *this;
  std::uint64_t carry = offset;
  for (std::size_t i = octets().size(); i-- > 0 && carry != 0;) {
    const std::uint64_t sum = (carry & 0xFF) + a.bytes_[i];
    a.bytes_[i] = static_cast<std::uint8_t>(sum);
    carry = (carry >> 8) + (sum >> 8);
  }
  return a;
}

std::uint64_t IpAddress::offset_from(const IpAddress& base) const {
  TOWPATH_CHECK(family_ == base.family_);
  if (*this < base) return 0;
  // Schoolbook subtraction from the right; whatever does not fit 64 bits saturates.
  std::array<std::uint8_t, 16> difference{};
  int borrow = 0;
  const std::size_t size = octets().size();
  for (std::size_t i = size; i-- > 0;) {
    const int d = int{bytes_[i]} - int{base.bytes_[i]} - borrow;
    borrow = d < 0;
    difference[i] = static_cast<std::uint8_t>(d & 0xFF);
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    if (size - i > 8 && difference[i] != 0) return ~std::uint64_t{0};
    value = value << 8 | difference[i];
  }
  return value;
}

std::string IpAddress::to_string() const {
  char buffer[INET6_ADDRSTRLEN];
  return inet_ntop(to_af(family_), bytes_.data(), buffer, sizeof buffer);
}

}  // namespace towpath

std::size_t std::hash<towpath::IpAddress>::operator()(const towpath::IpAddress& a) const noexcept {
  const auto octets = a.octets();
  return std::hash<std::string_view>{}({reinterpret_cast<const char*>(octets.data()), octets.size()});
}
