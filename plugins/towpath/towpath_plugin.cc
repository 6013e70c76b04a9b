#include "plugins/towpath/towpath_plugin.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "plugins/common/delegate.h"
#include "plugins/common/host_ipam.h"
#include "plugins/towpath/address_clash.h"
#include "plugins/towpath/capabilities.h"
#include "plugins/towpath/endpoint_link.h"
#include "plugins/towpath/endpoint_ports.h"
#include "plugins/towpath/network_config.h"
#include "towpath/base/rollback.h"
#include "towpath/base/unicast_prefix.h"
#include "towpath/ipam/endpoint_names.h"
#include "towpath/netlink/batch.h"
#include "towpath/netlink/link.h"
#include "towpath/netlink/sysctl.h"
#include "towpath/netlink/uplink.h"

namespace towpath::cni {
namespace {

using netlink::NetlinkSocket;
using netlink::Sandbox;

// --- ADD ---

// A record in the way of ADD is stale if what it stands for is gone: its sandbox, or in the same sandbox its
// interface. A pending one in the same sandbox is of an ADD that was killed.
bool is_stale(const ipam::EndpointRecord& record, const Sandbox& sandbox, NetlinkSocket& inside) {
  if (record.sandbox_inode != sandbox.inode()) return !sandbox_is_alive(record);
  if (record.state == ipam::AllocationState::kPending) return true;
  const auto link = netlink::find_link(inside, record.attachment.ifname);
  return !link && link.error().kind == ErrorKind::kNotFound;
}

// Addresses from another IPAM plugin, which is told to take them back if ADD fails.
CniExpected<CniResult> delegate_addresses(const CniRequest& request, const IpamConfig& config,
                                          Rollback& rollback) {
  rollback.push([&request, type = config.type] {
    // The error that led here is the one to report; a plugin that cannot undo now is asked again by the
    // runtime's DEL.
    static_cast<void>(delegate(request, type, CniCommand::kDel));
  });
  TOWPATH_TRY(CniResult result, delegate_add(request, config.type));
  if (result.ips.empty())
    return cni_fail(CniCode::kInvalidConfig, fmt::format("{}: its result has no address", config.type));
  for (std::size_t i = 0; i < result.ips.size(); ++i) {
    const IpAddress& address = result.ips[i].address.address;
    const auto refuse = [&](std::string_view why) {
      return cni_fail(CniCode::kInvalidConfig,
                      fmt::format("{}: its result has {}, {}", config.type, address.to_string(), why));
    };
    if (!is_for_containers(address)) return refuse("which no container can have");
    for (std::size_t k = 0; k < i; ++k) {
      if (result.ips[k].address.address == address) return refuse("and has it twice");
    }
  }
  return result;
}

// What the other plugin gave twice, or an interface of this host has, cannot be led to this container.
CniStatus refuse_clashes(NetlinkSocket& host, const ipam::EndpointRecord& record) {
  TOWPATH_CNI_TRY(const auto clashes, find_clashes(host, record.attachment, record.addresses));
  if (clashes.empty()) return {};
  return cni_fail(
      CniCode::kAddressTaken,
      fmt::format(
          "ipam.type: '{}' gave {}, which {}", record.ipam_type, clashes.front().address.to_string(),
          clashes.front().is_announced ? "another host announces" : "this host leads to another interface"));
}

// The routes for the container: those that the IPAM says, for families of which there is an address; for a
// family without any, a default route.
std::vector<CniRoute> plan_routes(const std::vector<CniRoute>& given,
                                  const std::vector<IpAddress>& addresses) {
  std::vector<CniRoute> routes;
  for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    if (std::ranges::none_of(addresses, [&](const IpAddress& a) { return a.family() == family; })) continue;
    const std::size_t before = routes.size();
    for (const CniRoute& route : given) {
      if (route.destination.family() == family) routes.push_back(route);
    }
    if (routes.size() == before) routes.push_back({.destination = Prefix::default_route(family)});
  }
  for (CniRoute& route : routes) {
    route.gateway = ipam::next_hop_of(route.destination.family());
    if (route.table == 0) route.table.reset();  // RT_TABLE_UNSPEC: the kernel takes the main table
  }
  return routes;
}

CniExpected<std::uint32_t> choose_mtu(const NetworkConfig& config, NetlinkSocket& host,
                                      const std::vector<IpAddress>& addresses) {
  std::uint32_t mtu = config.mtu;
  if (mtu == 0) {
    TOWPATH_CNI_TRY(mtu, netlink::uplink_mtu(host));
  }
  constexpr std::uint32_t kSmallestIpv6Mtu = 1280;  // RFC 8200 section 5
  if (mtu < kSmallestIpv6Mtu && std::ranges::any_of(addresses, &IpAddress::is_v6)) {
    return cni_fail(CniCode::kInvalidConfig,
                    fmt::format("mtu: '{}'{} is below {}, which IPv6 needs", mtu,
                                config.mtu == 0 ? ", as the uplink has it," : "", kSmallestIpv6Mtu));
  }
  return mtu;
}

// The configuration's, or that of the IPAM plugin; and in it, list by list, what the runtime asks: one that
// knows only the servers leaves the search list in force.
Json choose_dns(const NetworkConfig& config, const CniResult& ipam, const Capabilities& asked) {
  const auto is_set = [](const Json& dns) { return dns.is_object() && !dns.empty(); };
  Json dns = is_set(config.dns) ? config.dns : is_set(ipam.dns) ? ipam.dns : Json::object();
  if (is_set(asked.dns)) dns.update(asked.dns);
  return dns;
}

// The result of plugins that ran before, and ours behind it.
CniResult make_result(const CniRequest& request, const EndpointPlan& plan, Json dns) {
  CniResult result = request.prev_result.value_or(CniResult{});
  result.interfaces.push_back({.name = plan.host_ifname, .mac = kHostMac.to_string(), .mtu = plan.mtu});
  const auto inside = static_cast<std::uint32_t>(result.interfaces.size());
  result.interfaces.push_back({.name = plan.attachment.ifname,
                               .mac = plan.mac.to_string(),
                               .mtu = plan.mtu,
                               .sandbox = request.netns});
  for (const IpAddress& address : plan.addresses) {
    result.ips.push_back({InterfaceAddress::host(address), ipam::next_hop_of(address.family()), inside});
  }
  result.routes.insert(result.routes.end(), plan.routes.begin(), plan.routes.end());
  if (!dns.empty()) result.dns = std::move(dns);
  return result;
}

CniExpected<CniResult> add(const CniRequest& request) {
  TOWPATH_TRY(const NetworkConfig config, NetworkConfig::parse(request));
  TOWPATH_TRY(const Capabilities asked, Capabilities::parse(request));
  TOWPATH_CNI_TRY(const Sandbox sandbox, Sandbox::open(request.netns));
  TOWPATH_CNI_TRY(NetlinkSocket inside, sandbox.open_socket());
  TOWPATH_CNI_TRY(NetlinkSocket host, NetlinkSocket::open());
  TOWPATH_CNI_TRY(auto store,
                  ipam::StateStore::open(config.ipam.state_dir, ipam::StateStore::OpenMode::kCreate));

  // The intent: from here on the addresses are taken, and whoever cleans up finds everything by this record.
  ipam::EndpointRecord record;
  Rollback rollback;
  const bool is_policed = has_policies(config);
  if (!asked.ports.empty() || is_policed) {
    // The last of all inverses: the agent reads that the record is gone.
    rollback.push([&config, &request] { static_cast<void>(tell_agent(config, request.attachment)); });
  }
  // The kernel first, as DEL has it: an earlier ADD that was killed may have left its interface and host
  // routes, and an ifb does not go away with its sandbox.
  const auto give_way = [&](const ipam::EndpointRecord& existing) -> CniExpected<bool> {
    if (!is_stale(existing, sandbox, inside)) return false;
    TOWPATH_CNI_TRY_STATUS(remove_endpoint(host, existing.attachment, true));
    return true;
  };
  const ipam::ReserveRequest wanted = make_reserve_request(
      request, config.ipam, ipam::AllocationState::kPending, std::chrono::system_clock::now());
  TOWPATH_TRY(record, reserve(store, wanted, give_way));
  rollback.push([&store, &record] {
    // A pending record that stays is released by DEL or GC.
    static_cast<void>(store.release(record.attachment, record.generation));
  });
  TOWPATH_TRY_STATUS(avoid_clashes(host, store, wanted, record));
  CniResult from_ipam;
  from_ipam.routes = config.ipam.routes;
  if (!config.ipam.is_own()) {
    TOWPATH_TRY(from_ipam, delegate_addresses(request, config.ipam, rollback));
    for (const CniIp& ip : from_ipam.ips) {
      record.addresses.push_back(ip.address.address);
      record.delegated.push_back({ip.address, ip.gateway});
    }
    TOWPATH_TRY_STATUS(refuse_clashes(host, record));
  }

  TOWPATH_TRY(record.mtu, choose_mtu(config, host, record.addresses));
  TOWPATH_TRY_STATUS(check_bursts(asked.bandwidth, record.mtu));
  record.bandwidth = asked.bandwidth;
  record.ports = asked.ports;
  TOWPATH_TRY_STATUS(check_port_families(record));
  record.host_ifname = ipam::host_ifname(record.attachment);
  record.mac = asked.mac.value_or(MacAddress::random());
  EndpointPlan plan{.attachment = record.attachment,
                    .host_ifname = record.host_ifname,
                    .mac = record.mac,
                    .mtu = record.mtu,
                    .addresses = record.addresses,
                    .routes = plan_routes(from_ipam.routes, record.addresses),
                    .bandwidth = record.bandwidth,
                    .has_ports = !record.ports.empty()};
  TOWPATH_CNI_TRY_STATUS(netlink::ensure_forwarding(host));
  TOWPATH_TRY_STATUS(make_endpoint({host, sandbox, inside}, plan, rollback));

  // The commit point, unless the agent has a part in it. A DEL may have come meanwhile.
  if (auto committed = store.commit(record); !committed) {
    const bool was_removed = committed.error().kind == ErrorKind::kConflict;
    CniError error = to_cni_error(std::move(committed).error());
    if (was_removed) error.code = CniCode::kTryAgainLater;
    return std::unexpected(std::move(error));
  }
  if (!record.ports.empty() || is_policed) {
    TOWPATH_TRY_STATUS(
        wait_for_agent(config, record.attachment, is_policed ? "network policies" : "port mappings"));
  } else if (concerns_agent(record)) {
    static_cast<void>(tell_agent(config, record.attachment));
  }
  rollback.commit();
  return make_result(request, plan, choose_dns(config, from_ipam, asked));
}

// --- DEL and GC ---

// The kernel first: an address is free only when nothing on this host answers for it any more.
CniStatus remove(const NetworkConfig& config, ipam::StateStore& store, NetlinkSocket& host,
                 const ipam::EndpointRecord& record) {
  // What a killed ADD made of its ifb, its pending record does not say.
  const bool shaped = record.state == ipam::AllocationState::kPending || record.bandwidth.egress_rate != 0;
  TOWPATH_CNI_TRY_STATUS(remove_endpoint(host, record.attachment, shaped));
  TOWPATH_CNI_TRY_STATUS(store.release(record.attachment, record.generation));
  const bool tells = concerns_agent(record) || has_policies(config);
  if (tells && !tell_agent(config, record.attachment)) take_ports_back(record);
  return {};
}

CniStatus del(const CniRequest& request) {
  if (request.is_ipam_call) return {};  // ADD refused it
  TOWPATH_TRY(const NetworkConfig config, NetworkConfig::parse(request));
  TOWPATH_CNI_TRY(NetlinkSocket host, NetlinkSocket::open());
  TOWPATH_TRY(auto store, open_existing(config.ipam.state_dir));
  std::optional<ipam::EndpointRecord> record;
  if (store) {
    TOWPATH_CNI_TRY(record, store->find(request.attachment));
  }
  // The same names in another network are another attachment.
  if (record && record->network != request.network) return {};
  // What the record says counts more than the configuration, which may have changed since.
  const std::string ipam_type = record ? record->ipam_type : config.ipam.type;
  if (ipam_type != kOwnIpamType) TOWPATH_TRY_STATUS(delegate(request, ipam_type, CniCommand::kDel));
  if (record) return remove(config, *store, host, *record);
  TOWPATH_CNI_TRY_STATUS(remove_endpoint(host, request.attachment, true));
  return {};
}

// The host end goes away with its sandbox, but only when the kernel has cleaned up; until then the sandbox
// itself can tell. A look that fails is no proof.
bool has_living_peer(NetlinkSocket& host, const ipam::AttachmentId& attachment) {
  const auto link = netlink::find_link(host, ipam::host_ifname(attachment));
  if (!link) return link.error().kind != ErrorKind::kNotFound;
  if (link->alias != attachment.to_string() || !link->peer_namespace) return false;
  netlink::Batch batch(host);
  batch.get_link(link->peer, *link->peer_namespace);
  const auto refused = batch.execute_all();
  return !refused || refused->empty();
}

// A sandbox is at its end a moment after the last process has left and the last socket in it was closed
// (kernel: netlink sockets let go of their namespace after an RCU grace period).
bool stays_alive(NetlinkSocket& host, const ipam::AttachmentId& attachment,
                 std::chrono::steady_clock::time_point patience) {
  constexpr std::chrono::milliseconds kPause{5};
  while (has_living_peer(host, attachment)) {
    if (std::chrono::steady_clock::now() >= patience) return true;
    std::this_thread::sleep_for(kPause);
  }
  return false;
}

CniStatus gc(const CniRequest& request) {
  if (request.is_ipam_call) return {};
  TOWPATH_TRY(const NetworkConfig config, NetworkConfig::parse(request));
  std::vector<CniError> errors;
  if (!config.ipam.is_own()) {
    if (auto done = delegate(request, config.ipam.type, CniCommand::kGc); !done)
      errors.push_back(std::move(done).error());
  }
  TOWPATH_TRY(auto store, open_existing(config.ipam.state_dir));
  if (!store) return join_errors(errors);
  TOWPATH_CNI_TRY(NetlinkSocket host, NetlinkSocket::open());
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(1);  // for all together
  TOWPATH_TRY(const auto stale, stale_records(*store, request, [&](const ipam::EndpointRecord& record) {
                return stays_alive(host, record.attachment, patience);
              }));
  for (const ipam::EndpointRecord& record : stale) {
    if (auto removed = remove(config, *store, host, record); !removed)
      errors.push_back(std::move(removed).error());
  }
  return join_errors(errors);
}

// --- CHECK ---

// What plugins that run after this one may have changed on purpose, they have said in the result that CHECK
// is given: `tuning` writes another MAC address there. It names every address and route. MTUs are there since
// version 1.1.0; before, nobody can say that it made one smaller.
CniExpected<EndpointPlan> plan_to_check(const CniRequest& request, const ipam::EndpointRecord& record) {
  EndpointPlan plan{.attachment = record.attachment,
                    .host_ifname = record.host_ifname,
                    .mac = record.mac,
                    .mtu = record.mtu,
                    .addresses = record.addresses,
                    .routes = {},
                    .bandwidth = record.bandwidth};
  plan.accepts_smaller_mtu = request.version < kFirstWithMtu;
  const CniResult& previous = *request.prev_result;
  for (const CniInterface& interface : previous.interfaces) {
    if (interface.name != record.attachment.ifname || interface.sandbox != request.netns) continue;
    if (const auto mac = MacAddress::parse(interface.mac)) plan.mac = *mac;
    plan.changed_mtu = interface.mtu;
  }
  for (const IpAddress& address : record.addresses) {
    if (std::ranges::none_of(previous.ips, [&](const CniIp& ip) { return ip.address.address == address; })) {
      return cni_fail(CniCode::kCheckFailed, fmt::format("prevResult lacks the address {} of {}",
                                                         address.to_string(), record.attachment.to_string()));
    }
  }
  for (const CniRoute& route : previous.routes) {
    if (route.gateway == ipam::next_hop_of(route.destination.family())) plan.routes.push_back(route);
  }
  return plan;
}

// The other plugin compares prevResult with what it gave: not /32 and /128 by our next hops.
CniRequest with_delegated_addresses(CniRequest request, const ipam::EndpointRecord& record) {
  for (Json& ip : request.config["prevResult"]["ips"]) {
    const auto address = InterfaceAddress::parse(ip["address"].get_ref<const std::string&>());
    const auto given = std::ranges::find_if(record.delegated, [&](const ipam::DelegatedAddress& each) {
      return address && each.address.address == address->address;
    });
    if (given == record.delegated.end()) continue;
    ip["address"] = given->address.to_string();
    ip.erase("gateway");
    if (given->gateway) ip["gateway"] = given->gateway->to_string();
  }
  request.config_text = request.config.dump();
  return request;
}

CniStatus check(const CniRequest& request) {
  TOWPATH_TRY(const NetworkConfig config, NetworkConfig::parse(request));
  if (!request.prev_result) {
    return cni_fail(CniCode::kInvalidConfig, "prevResult is missing: CHECK compares with the result of ADD");
  }
  const auto missing = [&](std::string_view what) {
    return cni_fail(CniCode::kCheckFailed, fmt::format("{} {}", request.attachment.to_string(), what));
  };
  TOWPATH_TRY(const auto store, open_existing(config.ipam.state_dir));
  if (!store) return missing("is not attached: there is no state store");
  TOWPATH_CNI_TRY(const auto record, store->find(request.attachment));
  if (!record || record->network != request.network) return missing("is not attached to this network");
  if (record->state != ipam::AllocationState::kLive) return missing("was not attached to the end");
  if (record->sandbox_inode != request.netns_inode) return missing("is attached in another sandbox");
  TOWPATH_CNI_TRY(const Sandbox sandbox, Sandbox::open(request.netns));
  TOWPATH_CNI_TRY(NetlinkSocket inside, sandbox.open_socket());
  TOWPATH_CNI_TRY(NetlinkSocket host, NetlinkSocket::open());
  TOWPATH_TRY(const EndpointPlan plan, plan_to_check(request, *record));
  TOWPATH_TRY_STATUS(check_endpoint({host, sandbox, inside}, plan));
  TOWPATH_TRY_STATUS(check_ports(*record));
  if (record->ipam_type != kOwnIpamType)
    return delegate(with_delegated_addresses(request, *record), record->ipam_type, CniCommand::kCheck);
  return {};
}

// --- STATUS ---

CniStatus status(const CniRequest& request) {
  TOWPATH_TRY(const NetworkConfig config, NetworkConfig::parse(request));
  TOWPATH_TRY_STATUS(check_agent(config));
  if (config.ipam.is_own()) return check_addresses_available(config.ipam);
  return delegate(request, config.ipam.type, CniCommand::kStatus);
}

}  // namespace

PluginHandlers towpath_plugin() {
  return {"towpath " TOWPATH_VERSION ": attaches a container to the network by native routes",
          add,
          del,
          check,
          gc,
          status};
}

}  // namespace towpath::cni
