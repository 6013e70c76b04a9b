#include "towpath/ipam/block.h"

#include "towpath/ipam/allocation.h"

namespace towpath::ipam {

std::string_view format(BlockState state) {
  switch (state) {
    case BlockState::kOwned: return "owned";
    case BlockState::kConfigured: return "configured";
    case BlockState::kBorrowed: return "borrowed";
    case BlockState::kRetired: return "retired";
  }
  return "unknown";
}

std::string_view format(AllocationState state) {
  return state == AllocationState::kLive ? "live" : "pending";
}

IpAddress gateway_of(const Prefix& block) {
  return block.address().plus(first_usable_offset(block));
}

std::uint64_t first_usable_offset(const Prefix& block) {
  return block.size() > 2 ? 1 : 0;
}

std::uint64_t Block::size() const {
  return prefix.size() - first_usable_offset(prefix);
}

std::optional<IpAddress> broadcast_of(const Prefix& block) {
  if (block.family() == AddressFamily::kIpv6 || block.length() > 30) return std::nullopt;
  return block.last();
}

}  // namespace towpath::ipam
