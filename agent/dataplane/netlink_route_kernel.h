// The kernel's routing table, over netlink.
//
// Writes go out in system calls of about 100 KiB, acknowledged once each; the kernel's own work is then most
// of the time they take. Failure: see RouteKernel.
#pragma once

#include <cstdint>
#include <utility>

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

 private:
  NetlinkRouteKernel(netlink::NetlinkSocket socket, std::uint32_t port_id, const Settings& settings)
      : socket_(std::move(socket)), port_id_(port_id), settings_(settings) {}

  netlink::NetlinkSocket socket_;
  std::uint32_t port_id_;
  Settings settings_;
};

}  // namespace towpath::agent
