// Records of endpoints as a plugin writes them, for tests of what the agent makes of them.
#pragma once

#include <netinet/in.h>

#include <string>

#include "towpath/ipam/endpoint_names.h"
#include "towpath/ipam/endpoint_record.h"

namespace towpath::test {

// Dual stack, live, in the sandbox /run/netns/<container> with inode 1000 + number.
inline ipam::EndpointRecord make_record(int number, std::vector<ipam::PortMapping> ports = {}) {
  ipam::EndpointRecord record;
  record.attachment = {"c" + std::to_string(number), "eth0"};
  record.network = "net";
  record.sandbox = "/run/netns/" + record.attachment.container_id;
  record.sandbox_inode = 1000 + static_cast<std::uint64_t>(number);
  record.generation = static_cast<std::uint64_t>(number);
  record.state = ipam::AllocationState::kLive;
  record.ipam_type = ipam::kOwnIpamType;
  record.host_ifname = ipam::host_ifname(record.attachment);
  record.addresses = {IpAddress::v4(0x0A090000U + static_cast<std::uint32_t>(number)),
                      IpAddress::v6(0xFD00'0009'0000'0000, static_cast<std::uint64_t>(number))};
  record.ports = std::move(ports);
  return record;
}

inline ipam::PortMapping tcp(std::uint16_t host_port, const char* host_ip = "") {
  ipam::PortMapping mapping{IPPROTO_TCP, host_port, 80, {}};
  if (*host_ip != '\0') mapping.host_ip = *IpAddress::parse(host_ip);
  return mapping;
}

}  // namespace towpath::test
