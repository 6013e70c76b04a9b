// NLRI on the wire (RFC 4271 section 4.3, RFC 7911 section 3): the inner loops of decoding and encoding.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "bgp/wire/message.h"

namespace towpath::bgp {

// The longest entry: path id, length, address.
inline constexpr std::size_t kMaxNlriSize = 4 + 1 + 16;

constexpr std::size_t nlri_size(const Prefix& prefix, bool add_path) {
  return (add_path ? 5U : 1U) + (prefix.length() + 7U) / 8U;
}

// Writes one entry at `to`, where kMaxNlriSize bytes must be writable: whole words are stored, and what is
// too much is overwritten by what follows. Returns the size of the entry.
inline std::size_t put_nlri(std::byte* to, const Prefix& prefix, bool add_path, std::uint32_t path_id) {
  std::byte* at = to;
  if (add_path) {
    const std::uint32_t word =
        std::endian::native == std::endian::little ? __builtin_bswap32(path_id) : path_id;
    std::memcpy(at, &word, 4);
    at += 4;
  }
  *at++ = std::byte{prefix.length()};
  const std::uint8_t* octets = prefix.address().octets().data();
  if (prefix.family() == AddressFamily::kIpv4) {
    std::memcpy(at, octets, 4);
  } else {
    std::memcpy(at, octets, 16);
  }
  at += (prefix.length() + 7U) / 8U;
  return static_cast<std::size_t>(at - to);
}

// Appends all entries of `bytes` to `out`. Bits beyond a prefix's length are not looked at. False where a
// length is too great for the family or an entry is cut off (RFC 7606 section 5.3); `out` then has the
// entries before it.
bool read_nlri(std::span<const std::byte> bytes, Family family, bool add_path, std::vector<NlriEntry>& out);

}  // namespace towpath::bgp
