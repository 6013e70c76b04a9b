#include "bgp/wire/nlri.h"

#include <bit>

namespace towpath::bgp {
namespace {

std::uint32_t load_u32(const std::byte* p) {
  std::uint32_t word;
  std::memcpy(&word, p, sizeof word);
  return std::endian::native == std::endian::little ? __builtin_bswap32(word) : word;
}

std::uint64_t load_u64(const std::byte* p) {
  std::uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return std::endian::native == std::endian::little ? __builtin_bswap64(word) : word;
}

template <Family kFamily>
Prefix load_prefix(const std::byte* p, std::uint8_t length) {
  if constexpr (kFamily == Family::kIpv4Unicast) {
    return Prefix::v4(load_u32(p), length);
  } else {
    return Prefix::v6(load_u64(p), load_u64(p + 8), length);
  }
}

template <Family kFamily, bool kAddPath>
bool read_all(std::span<const std::byte> bytes, std::vector<NlriEntry>& out) {
  constexpr std::size_t kAddressSize = kFamily == Family::kIpv4Unicast ? 4 : 16;
  constexpr std::size_t kFixedSize = kAddPath ? 5 : 1;
  const std::byte* p = bytes.data();
  std::size_t left = bytes.size();
  while (left != 0) {
    if (left < kFixedSize) return false;
    std::uint32_t path_id = 0;
    if constexpr (kAddPath) path_id = load_u32(p);
    const auto length = std::to_integer<std::uint8_t>(p[kFixedSize - 1]);
    if (length > 8 * kAddressSize) return false;
    const std::size_t size = kFixedSize + (length + 7U) / 8U;
    if (size > left) return false;
    // Whole words are loaded where the buffer reaches that far; Prefix masks what is not of this entry.
    if (left >= kFixedSize + kAddressSize) {
      out.push_back({load_prefix<kFamily>(p + kFixedSize, length), path_id});
    } else {
      std::byte address[kAddressSize] = {};
      std::memcpy(address, p + kFixedSize, size - kFixedSize);
      out.push_back({load_prefix<kFamily>(address, length), path_id});
    }
    p += size;
    left -= size;
  }
  return true;
}

}  // namespace

bool read_nlri(std::span<const std::byte> bytes, Family family, bool add_path, std::vector<NlriEntry>& out) {
  if (family == Family::kIpv4Unicast) {
    return add_path ? read_all<Family::kIpv4Unicast, true>(bytes, out)
                    : read_all<Family::kIpv4Unicast, false>(bytes, out);
  }
  return add_path ? read_all<Family::kIpv6Unicast, true>(bytes, out)
                  : read_all<Family::kIpv6Unicast, false>(bytes, out);
}

}  // namespace towpath::bgp
