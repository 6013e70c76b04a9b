// Tells which interfaces of other network namespaces change: the sandbox ends of veth pairs, to the agent.
//
// Model
//   A netlink socket that hears of links in every namespace which has an id in this one. The kernel gives a
//   namespace an id here when a veth pair joins the two, so sandboxes have one. The id is that of
//   Link::peer_namespace at the end of the pair that is here.
//
// Ownership: one thread. fd() is readable when read() has something. Failure: read() never waits. open()
// needs CAP_NET_BROADCAST.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/netlink/link.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::netlink {

struct SandboxLink {
  std::int32_t sandbox = 0;  // the id of its namespace
  Link link{};
};

class SandboxMonitor {
 public:
  struct Changes {
    std::vector<SandboxLink> links;  // made or changed, in order
    bool lost = false;               // the kernel could not queue all
  };

  static Result<SandboxMonitor> open();
  int fd() const { return socket_.fd(); }
  // What is there now, but not much more than a thousand at a time.
  Result<Changes> read();

 private:
  explicit SandboxMonitor(NetlinkSocket socket) : socket_(std::move(socket)) {}
  NetlinkSocket socket_;
};

}  // namespace towpath::netlink
