// Keeps the permanent neighbours of endpoints right when the interface in a sandbox gets another MAC address.
//
// Model
//   The plugin makes permanent neighbour entries on both ends of a veth pair. Whoever sets the MAC address of
//   the sandbox end later, as the `tuning` plugin does behind ours in a chain, breaks them: the entries on
//   the host keep the old address, and the kernel drops all of those in the sandbox, even where the address
//   stays the same. Both are silent, and the container is cut off. So each change of an interface in a
//   sandbox leads to a look at its endpoint: the entries are written again, for the address that the
//   interface has now. Writing what is there already changes nothing, so a look too much does no harm.
//
//   Everybody is looked at after a start, and when the kernel could not tell all changes.
//
// Ownership: the store outlives it. Threading: the loop, which it moves into a sandbox and back for a moment.
// A turn looks at 32 endpoints; what is left waits for the next tick(). Failure: the first endpoint of a turn
// whose entries could not be written; the others were. Needs CAP_NET_BROADCAST to hear of the changes, and
// CAP_SYS_ADMIN to enter sandboxes.
#pragma once

#include <set>
#include <utility>

#include "towpath/ipam/state_store.h"
#include "towpath/netlink/netlink_socket.h"
#include "towpath/netlink/sandbox_monitor.h"

namespace towpath::agent {

class NeighbourKeeper {
 public:
  static Result<NeighbourKeeper> open(const ipam::StateStore& store);

  int fd() const { return monitor_.fd(); }
  // fd() is readable.
  Status on_readable();
  Status tick() { return look(); }

 private:
  NeighbourKeeper(const ipam::StateStore& store, netlink::SandboxMonitor monitor, netlink::NetlinkSocket host)
      : store_(&store), monitor_(std::move(monitor)), host_(std::move(host)) {}
  Status note_all();
  void note(const std::vector<netlink::SandboxLink>& changed);
  Status look();
  Status mend(const ipam::AttachmentId& endpoint);

  const ipam::StateStore* store_;
  netlink::SandboxMonitor monitor_;
  netlink::NetlinkSocket host_;
  std::set<ipam::AttachmentId> due_;
};

}  // namespace towpath::agent
