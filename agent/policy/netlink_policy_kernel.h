// PolicyKernel on nf_tables and connection tracking.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "agent/policy/policy_kernel.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::agent {

class NetlinkPolicyKernel final : public PolicyKernel {
 public:
  static Result<std::unique_ptr<NetlinkPolicyKernel>> open();
  Status replace(const netlink::PolicyChange& all) override { return table_.replace(all); }
  Status change(const netlink::PolicyChange& change) override { return table_.change(change); }
  Status remove() override { return table_.remove(); }

  Result<std::vector<netlink::TrackedFlow>> flows() override;
  Result<std::size_t> cut(const std::vector<netlink::TrackedFlow>& flows) override {
    return table_.cut(flows);
  }

  // For netlink::RuleMonitor::open().
  Result<std::uint32_t> port_id() const { return table_.port_id(); }

 private:
  NetlinkPolicyKernel(netlink::PolicyTable table, netlink::NetlinkSocket netfilter,
                      netlink::NetlinkSocket route)
      : table_(std::move(table)), netfilter_(std::move(netfilter)), route_(std::move(route)) {}

  netlink::PolicyTable table_;
  netlink::NetlinkSocket netfilter_;
  netlink::NetlinkSocket route_;
};

}  // namespace towpath::agent
