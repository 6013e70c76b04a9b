// CHECK of one endpoint: the kernel objects that ADD made, against the plan they were made from.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "plugins/towpath/endpoint_link.h"
#include "plugins/towpath/endpoint_shaping.h"
#include "towpath/ipam/endpoint_names.h"
#include "towpath/netlink/batch.h"
#include "towpath/netlink/interface_state.h"
#include "towpath/netlink/link.h"
#include "towpath/netlink/route.h"

namespace towpath::cni {
namespace {

std::unexpected<CniError> differs(std::string message) {
  return cni_fail(CniCode::kCheckFailed, std::move(message));
}

// A look at the kernel that failed because the object is gone is an answer; any other failure is not.
CniExpected<netlink::Link> look_at_link(netlink::NetlinkSocket& socket, const std::string& name,
                                        std::string_view place) {
  auto link = netlink::find_link(socket, name);
  if (link) return *std::move(link);
  if (link.error().kind == ErrorKind::kNotFound)
    return differs(fmt::format("interface {} {} is gone", name, place));
  return std::unexpected(to_cni_error(std::move(link).error()));
}

CniStatus check_link(const netlink::Link& link, const MacAddress& mac, std::uint32_t mtu,
                     std::string_view place) {
  if (!link.up) return differs(fmt::format("interface {} {} is down", link.name, place));
  if (link.mac != mac) {
    return differs(fmt::format("interface {} {} has MAC address {}, not {}", link.name, place,
                               link.mac.to_string(), mac.to_string()));
  }
  if (link.mtu != mtu)
    return differs(fmt::format("interface {} {} has MTU {}, not {}", link.name, place, link.mtu, mtu));
  return {};
}

CniStatus compare_neighbours(netlink::NetlinkSocket& socket, const netlink::Link& link,
                             const std::vector<IpAddress>& addresses, const MacAddress& mac,
                             std::string_view place) {
  TOWPATH_CNI_TRY(const auto neighbours, netlink::find_neighbours(socket, link.index, addresses));
  for (const IpAddress& address : addresses) {
    const netlink::Neighbour wanted{address, mac, true};
    if (std::ranges::find(neighbours, wanted) == neighbours.end()) {
      return differs(fmt::format("the permanent neighbour entry for {} on {} {} is gone or was changed",
                                 address.to_string(), link.name, place));
    }
  }
  return {};
}

// Where another plugin has just set the MAC address the agent is about to write the neighbours again.
CniStatus check_neighbours(netlink::NetlinkSocket& socket, const netlink::Link& link,
                           const std::vector<IpAddress>& addresses, const MacAddress& mac,
                           std::string_view place) {
  constexpr std::chrono::milliseconds kConvergence{500};
  constexpr std::chrono::milliseconds kPause{5};
  const auto end = std::chrono::steady_clock::now() + kConvergence;
  for (;;) {
    auto same = compare_neighbours(socket, link, addresses, mac, place);
    if (same || std::chrono::steady_clock::now() >= end) return same;
    std::this_thread::sleep_for(kPause);
  }
}

// Is there a route with this destination and table, or any, over `device`, by `via` if there is one?
CniStatus check_route(const std::vector<netlink::Route>& routes, const Prefix& destination,
                      std::optional<std::uint32_t> table, const std::optional<IpAddress>& via,
                      const netlink::Link& link, std::string_view place) {
  const bool found = std::ranges::any_of(routes, [&](const netlink::Route& route) {
    return route.key.destination == destination && (!table || route.key.table == *table) &&
           std::ranges::any_of(route.next_hops, [&](const netlink::NextHop& hop) {
             return hop.device == link.index && hop.via == via;
           });
  });
  if (found) return {};
  return differs(fmt::format("the route to {}{} over {} {} is gone or was changed", destination.to_string(),
                             via ? " by " + via->to_string() : "", link.name, place));
}

CniExpected<std::vector<netlink::Route>> routes_over(netlink::NetlinkSocket& socket,
                                                     const netlink::Link& link) {
  std::vector<netlink::Route> routes;
  for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    TOWPATH_CNI_TRY(
        auto some, netlink::dump_routes(socket, family, {.table = {}, .protocol = {}, .device = link.index}));
    routes.insert(routes.end(), some.begin(), some.end());
  }
  return routes;
}

// The kernel's word on what it would use is one lookup. Only where that is another route the tables are read,
// which are as long as this host has containers, to say which of two things is wrong.
CniStatus check_host_routes(netlink::NetlinkSocket& socket, const netlink::Link& link,
                            const std::vector<IpAddress>& addresses, std::string_view place) {
  netlink::Batch batch(socket);
  for (const IpAddress& address : addresses) batch.get_route(address);
  std::vector<netlink::Route> routes;
  TOWPATH_CNI_TRY_STATUS(batch.execute_all([&](const netlink::MessageView& reply) {
    if (auto route = netlink::parse_route(reply)) routes.push_back(*std::move(route));
  }));
  const auto check_all = [&]() -> CniStatus {
    for (const IpAddress& address : addresses) {
      TOWPATH_TRY_STATUS(
          check_route(routes, Prefix::host(address), netlink::kMainTable, std::nullopt, link, place));
    }
    return {};
  };
  if (check_all()) return {};
  TOWPATH_TRY(routes, routes_over(socket, link));
  TOWPATH_TRY_STATUS(check_all());
  return differs(
      fmt::format("the host has the routes over {} and does not use them: `ip route get` shows a better "
                  "route, or one to which a rule leads first",
                  link.name));
}

CniStatus check_host_side(const EndpointNamespaces& where, const EndpointPlan& plan,
                          const netlink::Link& link) {
  constexpr std::string_view kPlace = "on the host";
  TOWPATH_TRY_STATUS(check_link(link, kHostMac, plan.mtu, kPlace));
  TOWPATH_TRY_STATUS(check_neighbours(where.host, link, plan.addresses, plan.mac, kPlace));
  return check_host_routes(where.host, link, plan.addresses, kPlace);
}

CniStatus check_sandbox_side(const EndpointNamespaces& where, const EndpointPlan& plan,
                             const netlink::Link& link) {
  constexpr std::string_view kPlace = "in the sandbox";
  const std::uint32_t said = plan.changed_mtu != 0 ? plan.changed_mtu : plan.mtu;
  const std::uint32_t mtu = plan.accepts_smaller_mtu ? std::min(said, link.mtu) : said;
  TOWPATH_TRY_STATUS(check_link(link, plan.mac, mtu, kPlace));
  TOWPATH_CNI_TRY(const auto addresses, netlink::dump_addresses(where.inside, link.index));
  std::vector<IpAddress> next_hops;
  for (const IpAddress& address : plan.addresses) {
    if (std::ranges::find(addresses, InterfaceAddress::host(address)) == addresses.end()) {
      return differs(fmt::format("address {} of {} in the sandbox is gone", address.to_string(), link.name));
    }
    const IpAddress next_hop = ipam::next_hop_of(address.family());
    if (std::ranges::find(next_hops, next_hop) == next_hops.end()) next_hops.push_back(next_hop);
  }
  TOWPATH_TRY_STATUS(check_neighbours(where.inside, link, next_hops, kHostMac, kPlace));
  TOWPATH_TRY(const auto routes, routes_over(where.inside, link));
  // A later plugin may have moved them to a table of its own, without a word of it in the result (sbr).
  for (const CniRoute& route : plan.routes) {
    TOWPATH_TRY_STATUS(check_route(routes, route.destination, route.table,
                                   ipam::next_hop_of(route.destination.family()), link, kPlace));
  }
  return {};
}

}  // namespace

CniStatus check_endpoint(const EndpointNamespaces& where, const EndpointPlan& plan) {
  TOWPATH_TRY(const netlink::Link host, look_at_link(where.host, plan.host_ifname, "on the host"));
  TOWPATH_TRY(const netlink::Link inside,
              look_at_link(where.inside, plan.attachment.ifname, "in the sandbox"));
  if (inside.peer != host.index) {
    return differs(
        fmt::format("interface {} in the sandbox is not the other end of {}", inside.name, host.name));
  }
  TOWPATH_TRY_STATUS(check_host_side(where, plan, host));
  TOWPATH_TRY_STATUS(check_shaping(where.host, host, plan));
  return check_sandbox_side(where, plan, inside);
}

}  // namespace towpath::cni
