#include "plugins/towpath/network_config.h"

#include <fmt/format.h>

#include "plugins/towpath/capabilities.h"
#include "towpath/ipam/endpoint_names.h"

namespace towpath::cni {

CniExpected<NetworkConfig> NetworkConfig::parse(const CniRequest& request) {
  NetworkConfig out;
  if (request.is_ipam_call && !only_removes(request.command)) {
    return cni_fail(CniCode::kInvalidConfig,
                    "ipam.type: towpath makes interfaces; the plugin for addresses is towpath-ipam");
  }
  TOWPATH_TRY(out.ipam, IpamConfig::parse(request));
  TOWPATH_TRY(const JsonObject config, JsonObject::make(request.config, ""));
  auto socket = config.string_or("controlSocket", out.ipam.state_dir + "/towpathd.sock");
  auto policies = config.string_or("networkPolicies", "/etc/towpath/policies");
  if (only_removes(request.command)) {
    out.network_policies = policies.value_or("");
    out.control_socket = socket.value_or("");  // an agent that is not told finds out by itself
    return out;
  }
  if (out.ipam.choice.gateway) {
    return cni_fail(
        CniCode::kUnsupportedField,
        "ipam.gateway: 'true' is not supported by this plugin: its containers have a link each, and "
        "a gateway that needs no address");
  }
  for (std::size_t i = 0; i < out.ipam.routes.size(); ++i) {
    const CniRoute& route = out.ipam.routes[i];
    if (route.gateway && *route.gateway != ipam::next_hop_of(route.gateway->family())) {
      return cni_fail(CniCode::kUnsupportedField,
                      fmt::format("ipam.routes[{}].gw: '{}' is not supported by this plugin: all routes of a "
                                  "container are by {}, its host",
                                  i, route.gateway->to_string(),
                                  ipam::next_hop_of(route.destination.family()).to_string()));
    }
    if (route.advmss || route.scope) {
      return cni_fail(
          CniCode::kUnsupportedField,
          fmt::format("ipam.routes[{}].{}: '{}' is not supported by this plugin", i,
                      route.advmss ? "advmss" : "scope", route.advmss ? *route.advmss : *route.scope));
    }
  }
  TOWPATH_TRY(const auto mtu, config.number("mtu", 0, 65535));
  out.mtu = mtu.value_or(0);
  constexpr std::uint32_t kSmallestIpv4Mtu = 68;  // RFC 791
  if (out.mtu != 0 && out.mtu < kSmallestIpv4Mtu) {
    return cni_fail(CniCode::kInvalidConfig, fmt::format("mtu: '{}' is below {}", out.mtu, kSmallestIpv4Mtu));
  }
  TOWPATH_TRY(out.control_socket, std::move(socket));
  if (!out.control_socket.starts_with('/')) {
    return cni_fail(CniCode::kInvalidConfig,
                    fmt::format("controlSocket: '{}' is not an absolute path", out.control_socket));
  }
  TOWPATH_TRY(out.network_policies, std::move(policies));
  if (!out.network_policies.starts_with('/')) {
    return cni_fail(CniCode::kInvalidConfig,
                    fmt::format("networkPolicies: '{}' is not an absolute path", out.network_policies));
  }
  // The specification has runtimes take `capabilities` out; libcni leaves them in.
  TOWPATH_TRY(const auto capabilities, config.object("capabilities"));
  if (const Json* ports = capabilities ? capabilities->find("portMappings") : nullptr) {
    if (!ports->is_boolean())
      return wrong(capabilities->path_of("portMappings"), *ports, "is neither true nor false");
    out.maps_ports = ports->get<bool>();
  }
  TOWPATH_TRY(const auto dns, config.object("dns"));
  if (dns) {
    TOWPATH_TRY_STATUS(check_dns(*dns));
    out.dns = *config.find("dns");
  }
  return out;
}

}  // namespace towpath::cni
