#include "towpath/ipam/endpoint_names.h"

#include <fmt/format.h>

#include <cstdint>

namespace towpath::ipam {
namespace {

// FNV-1a over both names with what separates them, and a last mixing step so that all bits of the result are
// good.
std::string digits(const AttachmentId& attachment) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : attachment.to_string()) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  }
  hash = (hash ^ (hash >> 32)) * 0xD6E8FEB86659FD93;
  hash ^= hash >> 32;
  return fmt::format("{:013x}", hash >> 12);
}

}  // namespace

std::string host_ifname(const AttachmentId& attachment) {
  return std::string(kHostIfnamePrefix) + digits(attachment);
}

std::string shaping_ifname(const AttachmentId& attachment) {
  return "tb" + digits(attachment);
}

IpAddress next_hop_of(AddressFamily family) {
  constexpr IpAddress kNextHop4 = IpAddress::v4(0xA9FE0101);
  constexpr IpAddress kNextHop6 = IpAddress::v6({0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  return family == AddressFamily::kIpv4 ? kNextHop4 : kNextHop6;
}

std::optional<AttachmentId> parse_alias(std::string_view alias) {
  const std::size_t slash = alias.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == alias.size()) return std::nullopt;
  return AttachmentId{std::string(alias.substr(0, slash)), std::string(alias.substr(slash + 1))};
}

}  // namespace towpath::ipam
