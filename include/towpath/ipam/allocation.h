// Allocation: one address in use, and by whom. A view on an endpoint record, for lists and reports.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "towpath/base/address.h"
#include "towpath/base/clock.h"
#include "towpath/base/prefix.h"
#include "towpath/ipam/attachment_id.h"

namespace towpath::ipam {

enum class AllocationState : std::uint8_t {
  kPending,  // an ADD has begun; it is running, or it was killed on its way
  kLive,     // the ADD was committed
};

std::string_view format(AllocationState state);  // "pending", "live"

// An address with the block it came from. The block is the one at the time of the allocation; it may be
// retired since.
struct BlockAddress {
  IpAddress address;
  Prefix block;
  friend bool operator==(const BlockAddress&, const BlockAddress&) = default;
};

struct Allocation {
  IpAddress address;
  Prefix block;
  AttachmentId attachment;
  std::string network;
  std::uint64_t sandbox_inode = 0;
  WallTime since;
  std::uint64_t generation = 0;
  AllocationState state = AllocationState::kPending;
};

}  // namespace towpath::ipam
