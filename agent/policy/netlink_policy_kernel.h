// PolicyKernel on nf_tables.
#pragma once

#include <memory>
#include <utility>

#include "agent/policy/policy_kernel.h"

namespace towpath::agent {

class NetlinkPolicyKernel final : public PolicyKernel {
 public:
  static Result<std::unique_ptr<NetlinkPolicyKernel>> open();
  Status replace(const netlink::PolicyChange& all) override { return table_.replace(all); }
  Status change(const netlink::PolicyChange& change) override { return table_.change(change); }
  Status remove() override { return table_.remove(); }

  // For netlink::RuleMonitor::open().
  Result<std::uint32_t> port_id() const { return table_.port_id(); }

 private:
  explicit NetlinkPolicyKernel(netlink::PolicyTable table) : table_(std::move(table)) {}
  netlink::PolicyTable table_;
};

}  // namespace towpath::agent
