// Puts back what others spoil of the kernel objects of endpoints.
//
// Model
//   The plugin makes the host end of a veth pair, the routes to the container's addresses, and permanent
//   neighbours at both ends; after that nobody looks at them. Here, news of them leads to a look at the
//   endpoint, and what is not as its record says is written again:
//     - the host end is down, or has another MAC address: set (a link that goes down loses routes and
//       neighbours, IPv4 without a word);
//     - a host route is gone, or changed under its own protocol number: written. Another owner's route that
//       took its place stays, as everywhere, and is a failure that says so;
//     - a neighbour is gone or changed: written. After the MAC address inside was set, as the `tuning` plugin
//       does behind ours in a chain, it leads to the new one; no repair is counted for that.
//   Everybody is looked at after a start, once a minute, and when the kernel could not tell all changes. A
//   look at what is right writes nothing.
//
// Who owns what
//   The plugin makes and removes these objects; the agent only restores them, and only while the record is
//   live and the host end is there with the endpoint's alias. DEL removes the host end first, with all that
//   hangs on it, and the record later, so a look between the two finds no interface; a write that is
//   overtaken by DEL names an interface number that no other gets, and the kernel refuses it. A pair that is
//   gone stays gone: its sandbox end went along, and CHECK says so. An ADD in progress (a pending record) is
//   looked at when it is over.
//
// Who goes on spoiling one endpoint is answered kRepairsPerTick times, or until a write fails, and then waits
// for the next tick().
//
// Ownership: the store outlives it. Threading: the loop, which it moves into a sandbox and back for a moment.
// A turn looks at 32 endpoints; has_more() asks for another. Failure: the first endpoint of a turn with
// something that could not be written; the others were looked at. Needs CAP_NET_BROADCAST to hear of changes
// in sandboxes, and CAP_SYS_ADMIN to enter them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "towpath/base/mac_address.h"
#include "towpath/ipam/state_store.h"
#include "towpath/netlink/host_side_monitor.h"
#include "towpath/netlink/link.h"
#include "towpath/netlink/netlink_socket.h"
#include "towpath/netlink/sandbox_monitor.h"

namespace towpath::agent {

class EndpointKeeper {
 public:
  static constexpr int kRepairsPerTick = 50;

  struct Repair {
    ipam::AttachmentId endpoint;
    std::string what;  // "the interface, the routes"
    // Netlink port id, for most programs the process id, of who wrote last; 0: unknown, or the kernel itself.
    std::uint32_t culprit = 0;
  };
  using Report = std::function<void(const Repair&)>;

  // `own_port` is the port id of the socket by which the agent writes its routes.
  static Result<EndpointKeeper> open(const ipam::StateStore& store, std::uint32_t own_port, Report report);

  int host_fd() const { return host_side_.fd(); }
  int sandboxes_fd() const { return sandboxes_.fd(); }
  // host_fd() or sandboxes_fd() is readable. Only takes notes; look() follows.
  Status read_host();
  Status read_sandboxes();
  // An interface of the host was made or changed.
  void on_link(const netlink::Link& link);

  Status look();
  bool has_more() const { return !due_.empty(); }
  // Once a second or so; look() follows.
  Status tick();

  // Endpoints that were put right because somebody had spoiled them, each time.
  std::uint64_t repaired() const { return repaired_; }

 private:
  EndpointKeeper(const ipam::StateStore& store, netlink::HostSideMonitor host_side,
                 netlink::SandboxMonitor sandboxes, netlink::NetlinkSocket host, Report report)
      : store_(&store),
        host_side_(std::move(host_side)),
        sandboxes_(std::move(sandboxes)),
        host_(std::move(host)),
        report_(std::move(report)) {}
  Status note_all();
  Status mend(const ipam::AttachmentId& endpoint);
  Status mend_host_end(const ipam::EndpointRecord& record, const netlink::Link& link, std::string& mended);
  Status mend_neighbours(const ipam::EndpointRecord& record, IfIndex device, std::string& mended);

  const ipam::StateStore* store_;
  netlink::HostSideMonitor host_side_;
  netlink::SandboxMonitor sandboxes_;
  netlink::NetlinkSocket host_;
  Report report_;
  std::set<ipam::AttachmentId> due_;
  std::set<ipam::AttachmentId> later_;             // at the next tick
  std::map<ipam::AttachmentId, int> this_tick_;    // repairs
  std::map<ipam::AttachmentId, MacAddress> macs_;  // of sandbox ends, at the last look
  // Of those found live since the last note_all(): hints for events that name an address only.
  std::unordered_map<IpAddress, ipam::AttachmentId> owners_;
  std::uint32_t culprit_ = 0;
  std::uint64_t ticks_ = 0;
  std::uint64_t repaired_ = 0;
};

}  // namespace towpath::agent
