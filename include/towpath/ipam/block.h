// Block: a prefix from which this host gives out addresses, and how much of it is in use.
//
// Which addresses are usable
//   Blocks are routed, not bridged: there is no broadcast, and the next hop of a container is link-local. So
//   every address of a block can serve a container, with one exception: the first address of a block that
//   holds more than two. It reads as the network itself (10.64.1.0) in IPv4, and is the Subnet-Router anycast
//   address in IPv6 (RFC 4291 section 2.6.1), and there are stacks that do not talk to either as to an
//   ordinary host. A /31, /32, /127 or /128 is used whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "towpath/base/prefix.h"

namespace towpath::ipam {

enum class BlockState : std::uint8_t {
  kOwned,       // the agent says that this host owns it: networks without blocks of their own allocate here
  kConfigured,  // named by a network configuration only: allocated from for the networks that name it
  kBorrowed,    // one address of another host's block; goes away with its endpoint
  kRetired,     // not allocated from any more; goes away with its last allocation
};

std::string_view format(BlockState state);  // "owned", "configured", "borrowed", "retired"

struct Block {
  Prefix prefix;
  BlockState state = BlockState::kOwned;
  std::uint64_t used = 0;
  std::uint64_t resting = 0;  // were in use, and have not been given out again since

  // Usable addresses, saturating at 2^64-1.
  std::uint64_t size() const;
  // Those that rest are among them.
  std::uint64_t free() const { return size() - used; }

  friend bool operator==(const Block&, const Block&) = default;
};

// The offset from the first address at which the usable ones begin: 0 or 1.
std::uint64_t first_usable_offset(const Prefix& block);
// Where all of a block lies on one link, which another main plugin makes: the address of the host on it.
IpAddress gateway_of(const Prefix& block);
// There the last address of IPv4 speaks to all; nothing in a /31 or /32 (RFC 3021), and in IPv6.
std::optional<IpAddress> broadcast_of(const Prefix& block);

}  // namespace towpath::ipam
