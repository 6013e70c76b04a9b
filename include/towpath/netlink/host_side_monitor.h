// Tells the agent where somebody else spoiled the host side of a container: the route to one address, or a
// neighbour entry.
//
// Model
//   A netlink socket in the multicast groups for routes and neighbours. The kernel filters: of routes only
//   removed ones, of whatever owner, and those that took the place of another; of neighbours those that were
//   removed, and those that a process wrote. What the agent's own sockets do is left out, and so are routes
//   to more than one address. That a device went down, and took IPv4 routes along without a word, the monitor
//   of links tells (KernelMonitor).
//
// Ownership: one thread. fd() is readable when read() has something. Failure: read() never waits.
#pragma once

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "towpath/base/address.h"
#include "towpath/base/error.h"
#include "towpath/base/ids.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::netlink {

class HostSideMonitor {
 public:
  struct Changes {
    std::set<IfIndex> devices;      // over which a route, or on which a neighbour, is not what it was
    std::set<IpAddress> addresses;  // the route to which was removed or replaced
    std::uint32_t culprit = 0;      // port id of the last one who did; 0: the kernel itself
    bool lost = false;              // the kernel could not queue all
  };

  // In the network namespace of the calling thread. `own_ports` are the port ids of the agent's sockets; at
  // most 16.
  static Result<HostSideMonitor> open(const std::vector<std::uint32_t>& own_ports);

  int fd() const { return socket_.fd(); }
  // What is there now, but not much more than a thousand at a time.
  Result<Changes> read();

 private:
  explicit HostSideMonitor(NetlinkSocket socket) : socket_(std::move(socket)) {}
  NetlinkSocket socket_;
};

}  // namespace towpath::netlink
