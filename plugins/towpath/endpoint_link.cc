#include "plugins/towpath/endpoint_link.h"

#include <fmt/format.h>
#include <linux/ip.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "plugins/towpath/endpoint_shaping.h"
#include "towpath/ipam/endpoint_names.h"
#include "towpath/netlink/batch.h"
#include "towpath/netlink/link.h"
#include "towpath/netlink/route.h"
#include "towpath/netlink/sysctl.h"

namespace towpath::cni {
namespace {

bool is_of_attachment(const netlink::Link& link, const ipam::AttachmentId& attachment) {
  // An ADD that was killed between making the interface and naming it left no alias.
  return (link.kind == "veth" || link.kind == "ifb") &&
         (link.alias == attachment.to_string() || link.alias.empty());
}

// Those of the names that are there and are the attachment's.
Status remove_links(netlink::NetlinkSocket& host, const ipam::AttachmentId& attachment,
                    std::initializer_list<std::string> names) {
  netlink::Batch look(host);
  for (const std::string& name : names) {
    if (!name.empty()) look.get_link(name);
  }
  netlink::Batch remove(host);
  TOWPATH_TRY(auto failures, look.execute_all([&](const netlink::MessageView& reply) {
    const netlink::Link link = netlink::parse_link(reply);
    if (is_of_attachment(link, attachment)) remove.delete_link(link.index);
  }));
  for (auto& failure : failures) {
    if (failure.error.kind != ErrorKind::kNotFound) return std::unexpected(std::move(failure.error));
  }
  TOWPATH_TRY(failures, remove.execute_all());
  for (auto& failure : failures) {
    // Its sandbox may end at this moment and take it along.
    if (failure.error.kind != ErrorKind::kNotFound) return std::unexpected(std::move(failure.error));
  }
  return {};
}

bool has_family(const EndpointPlan& plan, AddressFamily family) {
  return std::ranges::any_of(plan.addresses, [&](const IpAddress& a) { return a.family() == family; });
}

CniStatus refuse_taken_name(const EndpointNamespaces& where, const EndpointPlan& plan) {
  if (!netlink::find_link(where.inside, plan.attachment.ifname)) return {};
  return cni_fail(CniCode::kInvalidEnvironment,
                  fmt::format("CNI_IFNAME: there is an interface '{}' in {} already", plan.attachment.ifname,
                              where.sandbox.path()));
}

CniExpected<netlink::VethPair> make_pair_of_links(const EndpointNamespaces& where, const EndpointPlan& plan) {
  const netlink::VethSpec spec{plan.host_ifname, kHostMac,           plan.attachment.ifname,
                               plan.mac,         where.sandbox.fd(), plan.mtu};
  auto pair = netlink::create_veth(where.host, spec);
  if (!pair && pair.error().kind == ErrorKind::kExists) {
    TOWPATH_TRY_STATUS(refuse_taken_name(where, plan));
    // So it is the name on the host: left by an ADD of this attachment that was killed in a sandbox which is
    // gone.
    TOWPATH_CNI_TRY_STATUS(remove_endpoint(where.host, plan.attachment, true));
    pair = netlink::create_veth(where.host, spec);
  }
  TOWPATH_CNI_TRY(const netlink::VethPair made, std::move(pair));
  return made;
}

netlink::Route sandbox_route(const CniRoute& wanted, IfIndex device) {
  netlink::Route route;
  route.key.destination = wanted.destination;
  route.key.table = wanted.table.value_or(netlink::kMainTable);
  route.key.metric = wanted.priority.value_or(0);
  route.protocol = kEndpointRouteProtocol;
  route.mtu = wanted.mtu.value_or(0);
  // 169.254.1.1 is in no prefix of the interface; an IPv6 link-local next hop always is on its link.
  route.next_hops = {{.via = ipam::next_hop_of(wanted.destination.family()),
                      .device = device,
                      .onlink = wanted.destination.family() == AddressFamily::kIpv4}};
  return route;
}

// The IPv4 next hop is on the link. Our own routes say so each for itself; one that a later plugin adds by
// this next hop (sbr, in a table of its own) is refused unless the kernel finds it.
netlink::Route next_hop_route(IfIndex device, std::uint32_t metric) {
  netlink::Route route;
  route.key.destination = Prefix::host(ipam::next_hop_of(AddressFamily::kIpv4));
  route.key.metric = metric;
  route.protocol = kEndpointRouteProtocol;
  route.next_hops = {{.via = std::nullopt, .device = device}};
  return route;
}

// The request of a batch that adds a route.
struct RouteRequest {
  std::size_t index = 0;
  CniRoute* route = nullptr;  // of the plan; null: the one to the next hop
};
using RouteRequests = std::vector<RouteRequest>;

RouteRequests add_sandbox_family(netlink::Batch& batch, EndpointPlan& plan, AddressFamily family,
                                 IfIndex device) {
  RouteRequests requests;
  if (!has_family(plan, family)) return requests;
  for (const IpAddress& address : plan.addresses) {
    if (address.family() == family) batch.add_address(device, InterfaceAddress::host(address));
  }
  batch.set_neighbour(device, ipam::next_hop_of(family), kHostMac);
  if (family == AddressFamily::kIpv4)
    requests.push_back({batch.add_route(next_hop_route(device, 0)), nullptr});
  for (CniRoute& route : plan.routes) {
    if (route.destination.family() == family)
      requests.push_back({batch.add_route(sandbox_route(route, device)), &route});
  }
  return requests;
}

// A container with a second interface has most destinations, the default route above all, through the first
// already. That one stays in use; ours stands behind it with a worse metric, unless a metric was asked for.
Status stand_behind(const EndpointNamespaces& where, IfIndex device, const RouteRequests& requests,
                    std::vector<netlink::Batch::Failure> failures) {
  constexpr std::uint32_t kLaterInterface = 2048;  // IPv6 takes 1024 where no metric is given
  netlink::Batch again(where.inside);
  for (auto& failure : failures) {
    const auto request = std::ranges::find(requests, failure.index, &RouteRequest::index);
    const bool may_yield = failure.error.kind == ErrorKind::kExists && request != requests.end() &&
                           (request->route == nullptr || !request->route->priority);
    if (!may_yield) return std::unexpected(std::move(failure.error));
    const std::uint32_t metric = kLaterInterface + static_cast<std::uint32_t>(device.value);
    if (request->route == nullptr) {
      again.add_route(next_hop_route(device, metric));
      continue;
    }
    request->route->priority = metric;
    again.add_route(sandbox_route(*request->route, device));
  }
  return again.execute();
}

// A runtime may have switched IPv6 off in the sandbox (net.ipv6.conf.default.disable_ipv6); an address that
// was asked for and given counts more.
Status enable_ipv6(const netlink::Sandbox& sandbox, const std::string& ifname) {
  const std::string key = fmt::format("net/ipv6/conf/{}/disable_ipv6", ifname);
  return sandbox.run_in([&]() -> Status { return netlink::write_sysctl(key, "0"); });
}

Status configure_sandbox(const EndpointNamespaces& where, EndpointPlan& plan, IfIndex device) {
  netlink::Batch batch(where.inside);
  batch.set_link(device, {.up = true});
  RouteRequests requests = add_sandbox_family(batch, plan, AddressFamily::kIpv4, device);
  const std::size_t first_ipv6 = batch.size();
  const RouteRequests ipv6_requests = add_sandbox_family(batch, plan, AddressFamily::kIpv6, device);
  requests.insert(requests.end(), ipv6_requests.begin(), ipv6_requests.end());
  TOWPATH_TRY(auto failures, batch.execute_all());
  if (failures.empty()) return {};
  const auto is_ipv6 = [&](const netlink::Batch::Failure& failure) { return failure.index >= first_ipv6; };
  const auto first = std::ranges::find_if(failures, is_ipv6);
  const bool ipv6_is_off = first != failures.end() && first->error.sys_errno == EACCES;
  if (!ipv6_is_off) return stand_behind(where, device, requests, std::move(failures));
  std::erase_if(failures, is_ipv6);
  TOWPATH_TRY_STATUS(stand_behind(where, device, requests, std::move(failures)));
  TOWPATH_TRY_STATUS(enable_ipv6(where.sandbox, plan.attachment.ifname));
  // Of the first attempt the neighbour and the routes may have succeeded or not; begin again from nothing of
  // them.
  netlink::Batch clear(where.inside);
  clear.delete_neighbour(device, ipam::next_hop_of(AddressFamily::kIpv6));
  for (const CniRoute& route : plan.routes) {
    if (route.destination.family() == AddressFamily::kIpv6) clear.delete_route(sandbox_route(route, device));
  }
  TOWPATH_TRY_STATUS(clear.execute_all());
  netlink::Batch again(where.inside);
  requests = add_sandbox_family(again, plan, AddressFamily::kIpv6, device);
  TOWPATH_TRY(failures, again.execute_all());
  return stand_behind(where, device, requests, std::move(failures));
}

Status configure_host(const EndpointNamespaces& where, const EndpointPlan& plan, IfIndex device) {
  netlink::Batch batch(where.host);
  netlink::LinkSettings settings = netlink::LinkSettings::host_side(plan.attachment.to_string());
  // Without IPv6 in the kernel, or with an MTU too small for it, the interface has no IPv6 settings to
  // change.
  if (!has_family(plan, AddressFamily::kIpv6)) settings.no_ipv6_link_local = false;
  if (plan.has_ports) settings.ipv4.emplace_back(IPV4_DEVCONF_ROUTE_LOCALNET, 1);
  batch.set_link(device, settings);
  for (const IpAddress& address : plan.addresses) {
    batch.set_neighbour(device, address, plan.mac);
    batch.add_route(host_route(address, device));
  }
  return batch.execute();
}

// The host end came up while its peer was down. The kernel notices the carrier later, in a work queue, and
// until then it drops what is sent there; whoever asks for the interface has that done at once (Linux 6.8:
// carrier is synchronized when it is queried). So the first packet to the container gets through.
Status settle_carrier(netlink::NetlinkSocket& socket, IfIndex device) {
  TOWPATH_TRY_STATUS(netlink::find_link(socket, device));
  return {};
}

// The kernel gets an IPv6 address ready in a work queue, also one without duplicate address detection, and a
// packet that comes before is for nobody. Nearly always it is done by now. A busy machine gets a moment; then
// ADD goes on, because at worst the first packet is lost.
void settle_ipv6_addresses(netlink::NetlinkSocket& inside, const EndpointPlan& plan) {
  constexpr int kAttempts = 500;
  constexpr std::chrono::microseconds kPause{100};
  for (const IpAddress& address : plan.addresses) {
    if (address.family() != AddressFamily::kIpv6) continue;
    for (int attempt = 1; !netlink::is_local_address(inside, address) && attempt < kAttempts; ++attempt) {
      std::this_thread::sleep_for(kPause);
    }
  }
}

}  // namespace

CniStatus make_endpoint(const EndpointNamespaces& where, EndpointPlan& plan, Rollback& rollback) {
  TOWPATH_TRY(const netlink::VethPair pair, make_pair_of_links(where, plan));
  rollback.push([&host = where.host, index = pair.host] {
    netlink::Batch batch(host);
    batch.delete_link(index);
    static_cast<void>(batch.execute());  // gone with its sandbox is as good
  });
  // The host end first: then the sandbox end has a carrier from the moment it is up.
  if (auto configured = configure_host(where, plan, pair.host); !configured) {
    // On a new interface that is the route: another container has got the address since somebody looked.
    const bool is_taken = configured.error().kind == ErrorKind::kExists;
    CniError error = to_cni_error(std::move(configured).error());
    if (is_taken) error.code = CniCode::kAddressTaken;
    return std::unexpected(std::move(error));
  }
  if (plan.bandwidth != ipam::Bandwidth()) {
    TOWPATH_TRY_STATUS(make_shaping(where.host, pair.host, plan, rollback));
  }
  TOWPATH_CNI_TRY_STATUS(configure_sandbox(where, plan, pair.sandbox));
  TOWPATH_CNI_TRY_STATUS(settle_carrier(where.host, pair.host));
  settle_ipv6_addresses(where.inside, plan);
  return {};
}

Status remove_endpoint(netlink::NetlinkSocket& host, const ipam::AttachmentId& attachment, bool shaped) {
  return remove_links(host, attachment,
                      {ipam::host_ifname(attachment), shaped ? ipam::shaping_ifname(attachment) : ""});
}

Status remove_shaping(netlink::NetlinkSocket& host, const ipam::AttachmentId& attachment) {
  return remove_links(host, attachment, {ipam::shaping_ifname(attachment)});
}

}  // namespace towpath::cni
