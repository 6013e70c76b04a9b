#include "agent/endpoint/netlink_port_kernel.h"

#include <linux/netlink.h>
#include <netinet/in.h>

#include "towpath/netlink/anti_spoofing.h"
#include "towpath/netlink/batch.h"
#include "towpath/netlink/conntrack.h"
#include "towpath/netlink/route.h"

namespace towpath::agent {

using netlink::NetlinkSocket;
using netlink::PortKey;
using netlink::PortTarget;
using netlink::TrackedFlow;

Result<std::unique_ptr<NetlinkPortKernel>> NetlinkPortKernel::open() {
  TOWPATH_TRY(auto maps, netlink::PortMaps::open());
  TOWPATH_TRY(auto netfilter, NetlinkSocket::open(NETLINK_NETFILTER));
  TOWPATH_TRY(auto route, NetlinkSocket::open());
  return std::unique_ptr<NetlinkPortKernel>(
      new NetlinkPortKernel(std::move(maps), std::move(netfilter), std::move(route)));
}

Status NetlinkPortKernel::change(const netlink::PortChange& change) {
  TOWPATH_TRY_STATUS(maps_.change(change));
  for (const auto& [key, target] : change.remove_ports) {
    if (key.protocol == IPPROTO_UDP) netlink::forget_mapped_flows(netfilter_, key, target);
  }
  for (const auto& [key, target] : change.add_ports) {
    if (key.protocol == IPPROTO_UDP) forget_flows_elsewhere(key, target);
  }
  return {};
}

Status NetlinkPortKernel::protect() {
  return netlink::install_anti_spoofing(netfilter_);
}

Result<std::vector<std::uint32_t>> NetlinkPortKernel::port_ids() const {
  TOWPATH_TRY(const std::uint32_t maps, maps_.port_id());
  TOWPATH_TRY(const std::uint32_t netfilter, netfilter_.port_id());
  return std::vector{maps, netfilter};
}

void NetlinkPortKernel::forget_flows_elsewhere(const PortKey& key, const PortTarget& target) {
  const auto flows = netlink::dump_flows(netfilter_, key.family, key.protocol, key.port);
  if (!flows) return;
  for (const TrackedFlow& flow : *flows) {
    if (flow.reply_source == target.address && flow.reply_source_port == target.port) continue;
    // Flows that only pass this host, to the same port of another one, are none of ours.
    const bool is_for_key =
        key.host_ip ? flow.destination == *key.host_ip : netlink::is_local_address(route_, flow.destination);
    if (is_for_key) static_cast<void>(netlink::forget_flow(netfilter_, flow));
  }
}

}  // namespace towpath::agent
