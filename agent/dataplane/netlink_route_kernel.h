// The kernel's routing table, over netlink.
//
// Routes refer to next-hop objects (NextHopTable), so that what changes behind many routes costs a message
// and not a message for each of them. Routes that name their next hops themselves, as an older Towpath wrote
// them, are read as outdated.
//
// Writes go out in system calls of about 100 KiB, acknowledged once each; the kernel's own work is then most
// of the time they take. Failure: see RouteKernel.
#pragma once

#include <cstdint>
#include <utility>

#include "agent/dataplane/next_hop_table.h"
#include "agent/dataplane/route_kernel.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::agent {

class NetlinkRouteKernel final : public RouteKernel {
 public:
  struct Settings {
    std::uint32_t table = netlink::kMainTable;
    std::uint8_t protocol = netlink::kRouteProtocol;
  };
  // In the network namespace of the calling thread.
  static Result<std::unique_ptr<NetlinkRouteKernel>> open(const Settings& settings);

  // For netlink::KernelMonitor::open(), so that the agent does not hear of its own writes.
  std::uint32_t port_id() const { return port_id_; }

  WriteOutcome write(std::span<const RouteWrite> writes) override;
  Result<std::vector<KernelRoute>> dump() override;
  Result<NextHopReport> tend(const std::optional<std::vector<ForwardingPtr>>& in_use) override;
  void lose(std::span<const IpAddress> lost) override { next_hops_.lose(lost); }
  Result<std::vector<netlink::Reach>> reach(std::span<const IpAddress> addresses) override {
    return netlink::look_through(socket_, {settings_.table, settings_.protocol}, addresses);
  }

 private:
  NetlinkRouteKernel(netlink::NetlinkSocket socket, std::uint32_t port_id, const Settings& settings)
      : socket_(std::move(socket)),
        port_id_(port_id),
        settings_(settings),
        next_hops_(socket_, settings.protocol) {}

  // Those of `writes` with these indexes. The answer is the indexes of those that the kernel may have refused
  // because it does not have the next-hop object that we believe in.
  std::vector<std::size_t> write_some(std::span<const RouteWrite> writes,
                                      std::span<const std::size_t> indexes, WriteOutcome& outcome);
  Result<NextHopReport> audit();

  netlink::NetlinkSocket socket_;
  std::uint32_t port_id_;
  Settings settings_;
  NextHopTable next_hops_;    // after the socket that it uses
  std::size_t repaired_ = 0;  // not reported yet
};

}  // namespace towpath::agent
