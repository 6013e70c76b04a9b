#include "agent/policy/netlink_policy_kernel.h"

namespace towpath::agent {

Result<std::unique_ptr<NetlinkPolicyKernel>> NetlinkPolicyKernel::open() {
  TOWPATH_TRY(auto table, netlink::PolicyTable::open());
  return std::unique_ptr<NetlinkPolicyKernel>(new NetlinkPolicyKernel(std::move(table)));
}

}  // namespace towpath::agent
