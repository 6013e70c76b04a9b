// What a runtime asks for one container beside the network configuration: the capabilities of CONVENTIONS.md,
// which it writes into `runtimeConfig`, and their older forms in `args` and CNI_ARGS.
//
// Known here are mac, dns, portMappings, bandwidth, and aliases, which say nothing to a network without names
// of its own; ips and ipRanges are the allocator's. deviceID and infinibandGUID ask for hardware that this
// plugin cannot give, and are refused; what is not known at all is ignored, as the specification wants.
//
// Failure: kInvalidConfig or kUnsupportedField with key and value; nothing has been done yet.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "plugins/common/cni_error.h"
#include "plugins/common/cni_request.h"
#include "plugins/common/json_object.h"
#include "towpath/base/mac_address.h"
#include "towpath/ipam/port_mapping.h"

namespace towpath::cni {

struct Capabilities {
  std::optional<MacAddress> mac;
  Json dns;  // an object in the form of a result (nameservers, search, options), or null
  std::vector<ipam::PortMapping> ports;
  // Rates and bursts, each both or none.
  ipam::Bandwidth bandwidth;

  static CniExpected<Capabilities> parse(const CniRequest& request);
};

// The `dns` object of a network configuration or of a result: its lists are lists of strings.
CniStatus check_dns(const JsonObject& dns);

// A frame of the container must fit a burst, or nothing of that size ever passes. `mtu` in bytes.
CniStatus check_bursts(const ipam::Bandwidth& bandwidth, std::uint32_t mtu);

}  // namespace towpath::cni
