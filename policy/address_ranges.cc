#include "policy/address_ranges.h"

#include <algorithm>
#include <array>

namespace towpath::policy {
namespace {

// `address` is not the first of its family.
IpAddress before(const IpAddress& address) {
  std::array<std::byte, 16> bytes{};
  const auto octets = address.bytes();
  std::ranges::copy(octets, bytes.begin());
  for (std::size_t i = octets.size(); i-- > 0;) {
    const bool borrows = bytes[i] == std::byte{0};
    bytes[i] = static_cast<std::byte>(std::to_integer<unsigned>(bytes[i]) - 1U);
    if (!borrows) break;
  }
  return *IpAddress::from_bytes(std::span(bytes).first(octets.size()));
}

bool is_last(const IpAddress& address) {
  return std::ranges::all_of(address.octets(), [](std::uint8_t octet) { return octet == 0xFF; });
}

}  // namespace

std::vector<AddressRange> ranges_of(const IpBlock& block) {
  std::vector<Prefix> excepts = block.except;
  std::ranges::sort(excepts);
  std::vector<AddressRange> out;
  IpAddress at = block.cidr.first();
  for (const Prefix& except : excepts) {
    if (except.last() < at) continue;  // inside the one before
    if (at < except.first()) out.push_back({at, before(except.first())});
    if (except.last() == block.cidr.last()) return out;
    at = except.last().plus(1);
  }
  out.push_back({at, block.cidr.last()});
  return out;
}

std::map<AddressRange, std::set<std::size_t>> cut_at_borders(std::span<const MarkedRange> ranges) {
  // Where marks begin and end; in the order of addresses, those of IPv4 before those of IPv6.
  struct Border {
    std::vector<std::size_t> begin, end;
  };
  std::map<IpAddress, Border> borders;
  for (const MarkedRange& one : ranges) {
    borders[one.range.first].begin.push_back(one.mark);
    if (!is_last(one.range.last)) borders[one.range.last.plus(1)].end.push_back(one.mark);
  }
  std::map<AddressRange, std::set<std::size_t>> out;
  std::map<std::size_t, std::size_t> active;  // by how many ranges
  for (auto border = borders.begin(); border != borders.end(); ++border) {
    // What reaches to the end of a family has no border there.
    const bool new_family =
        border != borders.begin() && std::prev(border)->first.family() != border->first.family();
    if (new_family) active.clear();
    for (const std::size_t mark : border->second.end) {
      const auto found = active.find(mark);
      if (--found->second == 0) active.erase(found);
    }
    for (const std::size_t mark : border->second.begin) ++active[mark];
    if (active.empty()) continue;
    const auto next = std::next(border);
    const bool reaches_end = next == borders.end() || next->first.family() != border->first.family();
    const AddressRange range{border->first, reaches_end ? Prefix::default_route(border->first.family()).last()
                                                        : before(next->first)};
    auto& marks = out[range];
    for (const auto& [mark, count] : active) marks.insert(mark);
  }
  return out;
}

}  // namespace towpath::policy
