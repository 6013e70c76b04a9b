#include "plugins/towpath/endpoint_ports.h"

#include <fmt/format.h>
#include <linux/netlink.h>

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

CniStatus check_port(netlink::NetlinkSocket& socket, const ipam::PortMapping& port, const IpAddress& target) {
  const netlink::PortKey key{target.family(), port.protocol, port.one_host_ip(), port.host_port};
  TOWPATH_CNI_TRY(const auto found, netlink::find_port_target(socket, key));
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

CniStatus check_agent(const NetworkConfig& config) {
  const auto reply = ask_agent(config.control_socket, "version", Json::object(), kStatusDeadline);
  if (reply && reply->code == control::Code::kEnd) return {};
  return cni_fail(CniCode::kLimited, fmt::format("port mappings need the agent: {}",
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

CniStatus map_ports(const NetworkConfig& config, const ipam::AttachmentId& attachment) {
  const auto reply = ask_agent(config.control_socket, "endpoint-changed", names(attachment), kAddDeadline);
  if (!reply) {
    return cni_fail(CniCode::kTryAgainLater,
                    fmt::format("port mappings need the agent: {}", reply.error().message));
  }
  if (reply->code == control::Code::kEnd) return {};
  const CniCode code =
      reply->code == control::Code::kConflict ? CniCode::kPortTaken : CniCode::kTryAgainLater;
  return cni_fail(code, fmt::format("runtimeConfig.portMappings: {}", reply->message));
}

void tell_agent(const NetworkConfig& config, const ipam::AttachmentId& attachment) {
  static_cast<void>(ask_agent(config.control_socket, "endpoint-changed", names(attachment), kDelDeadline));
}

bool concerns_agent(const ipam::EndpointRecord& record) {
  // A block of one address may be a borrowed one.
  const auto is_single = [](const ipam::BlockAddress& address) { return address.block.is_host(); };
  return !record.ports.empty() || std::ranges::any_of(record.allocated, is_single);
}

CniStatus check_ports(const ipam::EndpointRecord& record) {
  if (record.ports.empty()) return {};
  TOWPATH_CNI_TRY(auto socket, netlink::NetlinkSocket::open(NETLINK_NETFILTER));
  for (const ipam::PortMapping& port : record.ports) {
    for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
      const auto target = record.port_target(family);
      if (target && port.is_for(family)) TOWPATH_TRY_STATUS(check_port(socket, port, *target));
    }
  }
  return {};
}

}  // namespace towpath::cni
