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
    if (is_new) entry->second = is_of_host(address);
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

bool NetlinkPolicyKernel::is_of_host(const IpAddress& address) {
  bool local = false;
  netlink::Batch batch(route_);
  batch.get_route(address);
  const auto failures = batch.execute_all([&](const netlink::MessageView& reply) {
    const auto route = netlink::parse_route(reply);
    local = route && route->type == netlink::RouteType::kLocal;
  });
  return failures && local;
}

}  // namespace towpath::agent
