// Watches how this host reaches the next hops in use.
//
// Model
//   look() answers at once, for a next hop that is new. What changes later is found by asking for all of them
//   again, in the kernel writer, when the kernel says that links, rules or routes of others changed: after a
//   tenth of a second without further changes, or half a second of changes. So one that is gone and back
//   within that time is never seen to be gone.
//
//   The answer counts only where it can be had: one that look() cannot have without reading the table, or
//   where the kernel does not answer, is that the next hop is reachable
//   (docs/decisions/0007-an-unknown-next-hop-is-reachable.md).
//
// Ownership: the loop and the dataplane outlive it. Threading: the loop. Failure: of open() alone.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "agent/dataplane/dataplane.h"
#include "towpath/base/clock.h"
#include "towpath/netlink/reachability.h"

namespace towpath::agent {

class NextHopTracker {
 public:
  struct Owner {
    // The next hops to look at again, and what was found, in the same order.
    std::function<std::vector<IpAddress>()> in_use;
    std::function<void(std::span<const IpAddress>, std::span<const netlink::Reach>)> found;
  };
  static Result<std::unique_ptr<NextHopTracker>> open(boost::asio::io_context& loop, Dataplane& dataplane,
                                                      netlink::RouteOwner own_routes, Owner owner);
  NextHopTracker(const NextHopTracker&) = delete;
  NextHopTracker& operator=(const NextHopTracker&) = delete;

  netlink::Reach look(const IpAddress& next_hop);

 private:
  NextHopTracker(boost::asio::io_context& loop, Dataplane& dataplane, netlink::RouteOwner own_routes,
                 Owner owner, netlink::NetlinkSocket socket, netlink::ReachabilityMonitor monitor);
  void watch();
  void look_again_soon();
  void wait();
  void look_again();

  Dataplane& dataplane_;
  netlink::RouteOwner own_routes_;
  Owner owner_;
  netlink::NetlinkSocket socket_;
  netlink::ReachabilityMonitor monitor_;
  boost::asio::posix::stream_descriptor readable_;
  boost::asio::steady_timer timer_;
  bool watching_ = false;
  bool waiting_ = false;
  TimePoint first_change_{};
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);  // weakly held by handlers
};

}  // namespace towpath::agent
