#include "agent/policy/netlink_policy_kernel.h"

#include <linux/netlink.h>

#include <unordered_map>

#include "towpath/netlink/batch.h"
#include "towpath/netlink/route.h"

namespace towpath::agent {

using netlink::NetlinkSocket;
using netlink::TrackedFlow;

Result<std::unique_ptr<NetlinkPolicyKernel>> NetlinkPolicyKernel::open() {
  TOWPATH_TRY(auto table, netlink::PolicyTable::open());
  TOWPATH_TRY(auto netfilter, NetlinkSocket::open(NETLINK_NETFILTER));
  TOWPATH_TRY(auto route, NetlinkSocket::open());
  return std::unique_ptr<NetlinkPolicyKernel>(
      new NetlinkPolicyKernel(std::move(table), std::move(netfilter), std::move(route)));
}

Result<std::vector<TrackedFlow>> NetlinkPolicyKernel::flows() {
  std::unordered_map<IpAddress, bool> known;
  const auto is_host = [&](const IpAddress& address) {
    const auto [entry, is_new] = known.try_emplace(address);
    if (is_new) entry->second = netlink::is_local_address(route_, address);
    return entry->second;
  };
  std::vector<TrackedFlow> all;
  for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    TOWPATH_TRY(auto flows, netlink::dump_flows(netfilter_, family));
    std::erase_if(
        flows, [&](const TrackedFlow& flow) { return is_host(flow.source) || is_host(flow.reply_source); });
    all.insert(all.end(), flows.begin(), flows.end());
  }
  return all;
}

}  // namespace towpath::agent
