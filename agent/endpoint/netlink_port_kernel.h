// PortKernel on nf_tables and connection tracking.
//
// After a change the entries of UDP flows that still go where the changed ports led before are removed:
// packets of a flow follow its entry and not the maps. A failure of that is no failure of the change.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "agent/endpoint/port_kernel.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::agent {

class NetlinkPortKernel final : public PortKernel {
 public:
  static Result<std::unique_ptr<NetlinkPortKernel>> open();
  Result<netlink::PortState> adopt() override { return maps_.adopt(); }
  Status change(const netlink::PortChange& change) override;
  Status protect() override;

  // For netlink::RuleMonitor::open(), so that the agent does not hear of its own writes.
  Result<std::vector<std::uint32_t>> port_ids() const;

 private:
  NetlinkPortKernel(netlink::PortMaps maps, netlink::NetlinkSocket netfilter, netlink::NetlinkSocket route)
      : maps_(std::move(maps)), netfilter_(std::move(netfilter)), route_(std::move(route)) {}
  void forget_flows_elsewhere(const netlink::PortKey& key, const netlink::PortTarget& target);

  netlink::PortMaps maps_;
  netlink::NetlinkSocket netfilter_;
  netlink::NetlinkSocket route_;
};

}  // namespace towpath::agent
