// How fast packets leave an interface, and by which interface those that come in are shaped.
//
// Model
//   The kernel shapes what leaves an interface, not what comes in. So what a container is sent is shaped
//   where it leaves the host end of its veth pair; what it sends is redirected, as it comes in there, to an
//   intermediate functional block (ifb) of its own, which it leaves shaped before it goes on as if nothing
//   had happened. A token bucket (TBF) lets a burst pass at once and then its rate. The requests are Batch's:
//   set_token_bucket(), create_ifb(), redirect_incoming().
//
// Failure: kNotFound when there is no such interface. Threading: none of its own.
#pragma once

#include <cstdint>
#include <optional>

#include "towpath/base/error.h"
#include "towpath/base/ids.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::netlink {

struct TokenBucket {
  std::uint64_t rate = 0;   // bytes a second
  std::uint32_t burst = 0;  // bytes
  std::uint32_t queue = 0;  // bytes that wait for their turn; more are dropped

  // With a queue that holds the burst and what passes in 50 ms at the rate, and never less than 16 KiB: a few
  // full packets.
  static TokenBucket of_bits(std::uint64_t bits_per_second, std::uint64_t burst_bits);

  // Is `actual`, read from the kernel, this bucket? The kernel keeps the burst as the time that it takes, in
  // units of 64 ns, so a burst comes back a little off.
  bool is_kept_by(const TokenBucket& actual) const;
};

// The token bucket at the root of the interface; nothing if there is another discipline or none.
Result<std::optional<TokenBucket>> find_token_bucket(NetlinkSocket& socket, IfIndex device);
// Where packets that come in by the interface are redirected to; nothing if they are not.
Result<std::optional<IfIndex>> find_redirection(NetlinkSocket& socket, IfIndex device);

}  // namespace towpath::netlink
