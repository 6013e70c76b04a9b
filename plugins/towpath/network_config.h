// The keys of a network configuration that concern the towpath plugin, checked.
#pragma once

#include <cstdint>
#include <string>

#include "plugins/common/cni_request.h"
#include "plugins/common/host_ipam.h"

namespace towpath::cni {

struct NetworkConfig {
  IpamConfig ipam;
  std::uint32_t mtu = 0;       // 0: that of the host's uplink
  Json dns;                    // an object to put into the result, or null
  std::string control_socket;  // of the agent
  // The directory of the network policies. If it is there, they are on, and only the agent can let the
  // traffic of a new container pass.
  std::string network_policies;
  bool maps_ports = false;  // a runtime may ask for portMappings

  static CniExpected<NetworkConfig> parse(const CniRequest& request);
};

}  // namespace towpath::cni
