#include "plugins/towpath/address_clash.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "plugins/towpath/endpoint_link.h"
#include "towpath/ipam/endpoint_names.h"
#include "towpath/netlink/batch.h"
#include "towpath/netlink/link.h"
#include "towpath/netlink/route.h"

namespace towpath::cni {
namespace {

// Not the blackhole of an own block that is a single address.
bool stands_in_the_way(const netlink::Route& route, const IpAddress& address) {
  if (route.key.destination != Prefix::host(address)) return false;
  return route.type == netlink::RouteType::kLocal || route.type == netlink::RouteType::kUnicast ||
         route.key == host_route(address, {}).key;
}

// By another host, which has a container with this address, or a service.
bool is_announced(const netlink::Route& route) {
  if (route.type != netlink::RouteType::kUnicast) return false;
  return route.nexthop_id != 0 || (!route.next_hops.empty() && route.next_hops.front().via);
}

std::vector<IpAddress> addresses_of(const ipam::EndpointRecord& record) {
  std::vector<IpAddress> addresses;
  addresses.reserve(record.allocated.size());
  for (const ipam::BlockAddress& allocated : record.allocated) addresses.push_back(allocated.address);
  return addresses;
}

// Of all that is routed as containers are, so that one more look is enough however many there are.
Result<std::vector<ipam::AddressRange>> routed_addresses(netlink::NetlinkSocket& host) {
  std::vector<ipam::AddressRange> ranges;
  for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    const netlink::RouteFilter filter{.table = netlink::kMainTable, .protocol = kEndpointRouteProtocol};
    TOWPATH_TRY(const auto routes, netlink::dump_routes(host, family, filter));
    for (const netlink::Route& route : routes) {
      const IpAddress& address = route.key.destination.address();
      if (stands_in_the_way(route, address)) ranges.push_back({address, address});
    }
  }
  return ranges;
}

}  // namespace

Result<std::vector<Clash>> find_clashes(netlink::NetlinkSocket& host, const ipam::AttachmentId& attachment,
                                        const std::vector<IpAddress>& addresses) {
  netlink::Batch batch(host);
  for (const IpAddress& address : addresses) batch.get_route(address);
  std::vector<std::pair<Clash, IfIndex>> found;
  // A destination that nothing leads to is a failure of its request, and no clash.
  TOWPATH_TRY_STATUS(batch.execute_all([&](const netlink::MessageView& reply) {
    const auto route = netlink::parse_route(reply);
    if (!route) return;
    const auto address = std::ranges::find_if(
        addresses, [&](const IpAddress& wanted) { return stands_in_the_way(*route, wanted); });
    if (address == addresses.end()) return;
    found.emplace_back(Clash{*address, is_announced(*route)},
                       route->next_hops.empty() ? IfIndex{} : route->next_hops.front().device);
  }));
  std::vector<Clash> clashes;
  for (const auto& [clash, device] : found) {
    const auto own = netlink::find_link(host, ipam::host_ifname(attachment));
    if (!own || own->index != device) clashes.push_back(clash);
  }
  return clashes;
}

CniStatus avoid_clashes(netlink::NetlinkSocket& host, ipam::StateStore& store, ipam::ReserveRequest request,
                        ipam::EndpointRecord& record) {
  for (;;) {
    TOWPATH_CNI_TRY(const auto clashes, find_clashes(host, record.attachment, addresses_of(record)));
    if (clashes.empty()) return {};
    for (const auto& [address, is_announced] : clashes) {
      const auto asked = std::ranges::find(request.choice.addresses, address);
      if (asked != request.choice.addresses.end()) {
        const auto at = static_cast<std::size_t>(asked - request.choice.addresses.begin());
        return cni_fail(
            CniCode::kAddressTaken,
            fmt::format("{}: address {} is in use: {}", request.choice.keys.at(at), address.to_string(),
                        is_announced ? "another host announces it"
                                     : "this host has a route to it that no record explains; "
                                       "`towpathctl ipam check` says more"));
      }
      request.choice.excluded.push_back({address, address});
    }
    TOWPATH_CNI_TRY(const auto routed, routed_addresses(host));
    request.choice.excluded.insert(request.choice.excluded.end(), routed.begin(), routed.end());
    // Each round excludes at least the addresses of the one before, so there is an end.
    request.replaces = record.generation;
    TOWPATH_CNI_TRY(record, store.reserve(request));
  }
}

}  // namespace towpath::cni
