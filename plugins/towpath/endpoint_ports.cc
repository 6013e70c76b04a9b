#include "plugins/towpath/endpoint_ports.h"

#include <fmt/format.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>

#include "plugins/common/agent_client.h"
#include "towpath/netlink/netlink_socket.h"
#include "towpath/netlink/port_maps.h"

namespace towpath::cni {
namespace {

// Much longer than a transaction of nf_tables takes, and shorter than a runtime waits for a plugin.
constexpr std::chrono::milliseconds kAddDeadline{10'000};
// DEL must not hang on an agent that does.
constexpr std::chrono::milliseconds kDelDeadline{2'000};
// Runtimes ask every few seconds.
constexpr std::chrono::milliseconds kStatusDeadline{1'000};

Json names(const ipam::AttachmentId& attachment) {
  return {{"container", attachment.container_id}, {"ifname", attachment.ifname}};
}

netlink::PortKey key_of(const ipam::PortMapping& port, AddressFamily family) {
  return {family, port.protocol, port.one_host_ip(), port.host_port};
}

// Calls visit(mapping, address of the container) for each element that the agent makes of the record.
template <class F>
CniStatus for_each_target(const ipam::EndpointRecord& record, F visit) {
  for (const ipam::PortMapping& port : record.ports) {
    for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
      const auto target = record.port_target(family);
      if (target && port.is_for(family)) TOWPATH_TRY_STATUS(visit(port, *target));
    }
  }
  return {};
}

CniStatus check_port(netlink::NetlinkSocket& socket, const ipam::PortMapping& port, const IpAddress& target) {
  TOWPATH_CNI_TRY(const auto found, netlink::find_port_target(socket, key_of(port, target.family())));
  if (found == netlink::PortTarget{target, port.container_port}) return {};
  if (!found) {
    return cni_fail(CniCode::kCheckFailed,
                    fmt::format("the port mapping {} to {} is gone", ipam::format(port), target.to_string()));
  }
  return cni_fail(
      CniCode::kCheckFailed,
      fmt::format("the port mapping {} leads to {} port {}, not to {} port {}", ipam::format(port),
                  found->address.to_string(), found->port, target.to_string(), port.container_port));
}

}  // namespace

bool has_policies(const NetworkConfig& config) {
  return ::access(config.network_policies.c_str(), F_OK) == 0;
}

CniStatus check_agent(const NetworkConfig& config) {
  const bool by_policies = has_policies(config);
  if (!by_policies && !config.maps_ports) return {};
  const auto reply = ask_agent(config.control_socket, "version", Json::object(), kStatusDeadline);
  if (reply && reply->code == control::Code::kEnd) return {};
  return cni_fail(CniCode::kLimited,
                  fmt::format("{} need the agent: {}", by_policies ? "network policies" : "port mappings",
                              reply ? reply->message : reply.error().message));
}

CniStatus check_port_families(const ipam::EndpointRecord& record) {
  for (const ipam::PortMapping& port : record.ports) {
    if (!port.host_ip || record.port_target(port.host_ip->family())) continue;
    return cni_fail(
        CniCode::kInvalidConfig,
        fmt::format("runtimeConfig.portMappings: hostIP: '{}' cannot be mapped: the container has no "
                    "address of its family",
                    port.host_ip->to_string()));
  }
  return {};
}

CniStatus wait_for_agent(const NetworkConfig& config, const ipam::AttachmentId& attachment,
                         std::string_view what) {
  const auto reply = ask_agent(config.control_socket, "endpoint-changed", names(attachment), kAddDeadline);
  if (!reply) {
    return cni_fail(CniCode::kTryAgainLater,
                    fmt::format("{} need the agent: {}", what, reply.error().message));
  }
  if (reply->code == control::Code::kEnd) return {};
  if (reply->code == control::Code::kConflict)
    return cni_fail(CniCode::kPortTaken, "runtimeConfig.portMappings: " + reply->message);
  return cni_fail(CniCode::kTryAgainLater, fmt::format("{}: {}", what, reply->message));
}

bool tell_agent(const NetworkConfig& config, const ipam::AttachmentId& attachment) {
  return ask_agent(config.control_socket, "endpoint-changed", names(attachment), kDelDeadline).has_value();
}

void take_ports_back(const ipam::EndpointRecord& record) {
  if (record.ports.empty()) return;
  auto socket = netlink::NetlinkSocket::open(NETLINK_NETFILTER);
  if (!socket) return;
  for_each_target(record, [&](const ipam::PortMapping& port, const IpAddress& address) -> CniStatus {
    const netlink::PortKey key = key_of(port, address.family());
    const netlink::PortTarget target{address, port.container_port};
    const auto found = netlink::find_port_target(*socket, key);
    if (!found || *found != target) return {};
    static_cast<void>(netlink::remove_port(*socket, key));
    if (key.protocol == IPPROTO_UDP) netlink::forget_mapped_flows(*socket, key, target);
    static_cast<void>(netlink::remove_hairpin(*socket, address));
    return {};
  });
}

bool concerns_agent(const ipam::EndpointRecord& record) {
  // A block of one address may be a borrowed one.
  const auto is_single = [](const ipam::BlockAddress& address) { return address.block.is_host(); };
  return !record.ports.empty() || std::ranges::any_of(record.allocated, is_single);
}

CniStatus check_ports(const ipam::EndpointRecord& record) {
  if (record.ports.empty()) return {};
  TOWPATH_CNI_TRY(auto socket, netlink::NetlinkSocket::open(NETLINK_NETFILTER));
  return for_each_target(record, [&](const ipam::PortMapping& port, const IpAddress& target) {
    return check_port(socket, port, target);
  });
}

}  // namespace towpath::cni
