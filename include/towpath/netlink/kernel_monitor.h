// Tells the agent what others do to interfaces, to its routes and to its next-hop objects, as values.
//
// Model
//   A netlink socket in the multicast groups for links, routes and next-hop objects. The kernel filters: of
//   route changes only those with the agent's protocol number and those of others that replaced a route,
//   which may have been the agent's; of objects only those with its numbers; and neither where the agent's
//   own writer makes the change (its port id). Routes of other tables are left out, too. So a full table
//   written by the agent causes not one event, and neither does one that a foreign routing daemon adds. When
//   the kernel could not queue an event, it says so once; that is an Overflow, and the answer to it is to
//   read the state again.
//
// Ownership: one thread. fd() is readable when read() has something. Failure: read() never waits.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/netlink/link.h"
#include "towpath/netlink/netlink_socket.h"
#include "towpath/netlink/next_hop_object.h"
#include "towpath/netlink/route.h"

namespace towpath::netlink {

struct LinkEvent {
  bool removed = false;
  Link link{};
};
struct RouteEvent {
  // A route of ours with this key is not there any more; `route` may be what another owner put in its place.
  bool removed = false;
  Route route{};
};
struct NextHopEvent {
  bool removed = false;
  NextHopObject object{};
};
// Events were lost: resync.
struct Overflow {};

using KernelEvent = std::variant<LinkEvent, RouteEvent, NextHopEvent, Overflow>;

class KernelMonitor {
 public:
  // In the network namespace of the calling thread. `ignored_port` is the port id of the socket whose own
  // changes are not wanted; 0 for none.
  static Result<KernelMonitor> open(std::uint32_t route_table, std::uint8_t route_protocol,
                                    std::uint32_t ignored_port);

  int fd() const { return socket_.fd(); }
  // What is there now, in order, but not much more than a thousand events at a time: fd() stays readable if
  // there is more.
  Result<std::vector<KernelEvent>> read();

 private:
  KernelMonitor(NetlinkSocket socket, std::uint32_t route_table, std::uint8_t route_protocol)
      : socket_(std::move(socket)), route_table_(route_table), route_protocol_(route_protocol) {}
  NetlinkSocket socket_;
  std::uint32_t route_table_;
  std::uint8_t route_protocol_;
};

}  // namespace towpath::netlink
