// How this host reaches addresses, and word that this may have changed.
//
// Model
//   The kernel is asked, so policy rules and the routes of all owners count, but for one: routes of the
//   asking program itself are looked through. Otherwise what it writes would decide about what it is to write
//   (RFC 4271 section 9.1.2.1). The kernel cannot leave them out of its answer; where one of them is in the
//   way, the table is read.
//
// Failure: Error where answers were lost.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "towpath/base/address.h"
#include "towpath/base/error.h"
#include "towpath/base/ids.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::netlink {

// Whose routes are looked through.
struct RouteOwner {
  std::uint32_t table = 0;
  std::uint8_t protocol = 0;
};

struct Reach {
  bool found = false;
  std::optional<IpAddress> gateway{};  // nothing: on the link of `device`
  IfIndex device{};
  std::uint32_t cost = 0;  // 0 on a link, else one more than the metric of the route that leads there
  // A route of the owner is in the way, and only the table can tell.
  bool hidden = false;
  friend bool operator==(const Reach&, const Reach&) = default;
};

// One for each address; `hidden` ones are left so. One system call. An interface without a carrier leads
// nowhere. A link-local address is not found: it says nothing without an interface.
Result<std::vector<Reach>> look_up(NetlinkSocket& socket, RouteOwner owner,
                                   std::span<const IpAddress> addresses);
// The same, and where some are hidden the table is read, which takes as long as it is large. None is hidden.
Result<std::vector<Reach>> look_through(NetlinkSocket& socket, RouteOwner owner,
                                        std::span<const IpAddress> addresses);

// Says that something changed that answers may depend on: links, addresses, policy rules, routes of others.
// What exactly does not matter. It may be left unread for as long as one likes: what does not fit is dropped
// by the kernel, and means the same.
class ReachabilityMonitor {
 public:
  // In the network namespace of the calling thread.
  static Result<ReachabilityMonitor> open(std::uint8_t own_protocol);
  int fd() const { return socket_.fd(); }
  // Whether something was there; it is not any more.
  bool take();

 private:
  explicit ReachabilityMonitor(NetlinkSocket socket) : socket_(std::move(socket)) {}
  NetlinkSocket socket_;
};

}  // namespace towpath::netlink
