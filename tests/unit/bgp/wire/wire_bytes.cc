#include "wire_bytes.h"

#include <fmt/format.h>

#include <iterator>

#include "towpath/base/check.h"

namespace towpath::bgp::test {

Bytes bytes(std::string_view hex) {
  Bytes out;
  int high = -1;
  for (const char c : hex) {
    if (c == ' ') continue;
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    TOWPATH_CHECK(digit >= 0);
    if (high < 0) {
      high = digit;
    } else {
      out.push_back(static_cast<std::byte>(high << 4 | digit));
      high = -1;
    }
  }
  TOWPATH_CHECK(high < 0);
  return out;
}

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte b : bytes)
    fmt::format_to(std::back_inserter(text), "{:02x}", std::to_integer<unsigned>(b));
  return text;
}

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

Bytes repeat(const Bytes& part, std::size_t count) {
  Bytes out;
  for (std::size_t i = 0; i < count; ++i) out.insert(out.end(), part.begin(), part.end());
  return out;
}

namespace {
Bytes u16(std::size_t value) {
  return {static_cast<std::byte>(value >> 8), static_cast<std::byte>(value & 0xFF)};
}
}  // namespace

Bytes message(MessageType type, const Bytes& body) {
  return Bytes(16, std::byte{0xFF}) + u16(kHeaderSize + body.size()) + Bytes{static_cast<std::byte>(type)} +
         body;
}

Bytes update_body(const Bytes& withdrawn, const Bytes& attributes, const Bytes& nlri) {
  return u16(withdrawn.size()) + withdrawn + u16(attributes.size()) + attributes + nlri;
}

Bytes attribute(unsigned flags, unsigned type, const Bytes& value, bool extended) {
  if (extended) flags |= 0x10;
  Bytes head{static_cast<std::byte>(flags), static_cast<std::byte>(type)};
  if ((flags & 0x10) != 0) return head + u16(value.size()) + value;
  return head + Bytes{static_cast<std::byte>(value.size())} + value;
}

Bytes origin() {
  return bytes("40 01 01 00");
}
Bytes as_path() {
  return bytes("40 02 06 02 01 0000fde9");
}
Bytes next_hop() {
  return bytes("40 03 04 c0000201");
}
Bytes local_pref() {
  return bytes("40 05 04 00000064");
}
Bytes mandatory() {
  return origin() + as_path() + next_hop();
}
Bytes mp_reach() {
  return bytes("80 0e 1c 0002 01 10 20010db8000000000000000000000001 00 30 20010db80001");
}
Bytes nlri() {
  return bytes("10 0a01");
}

SessionParameters external() {
  SessionParameters session;
  session.four_octet_as = true;
  for (auto& family : session.families) family.enabled = true;
  return session;
}

SessionParameters internal() {
  SessionParameters session = external();
  session.peer_type = PeerType::kInternal;
  return session;
}

Prefix prefix(const char* text) {
  return Prefix::parse(text).value();
}
IpAddress address(const char* text) {
  return IpAddress::parse(text).value();
}

}  // namespace towpath::bgp::test
