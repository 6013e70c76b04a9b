#include "towpath/ipam/endpoint_record.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>

namespace towpath::ipam {

std::string format(const PortMapping& mapping) {
  const char* protocol = mapping.protocol == IPPROTO_TCP   ? "tcp"
                         : mapping.protocol == IPPROTO_UDP ? "udp"
                                                           : "sctp";
  return fmt::format("{}/{} on {}", mapping.host_port, protocol,
                     mapping.host_ip ? mapping.host_ip->to_string() : "any address");
}

std::optional<IpAddress> EndpointRecord::port_target(AddressFamily family) const {
  const auto found = std::ranges::find(addresses, family, &IpAddress::family);
  if (found == addresses.end()) return std::nullopt;
  return *found;
}

}  // namespace towpath::ipam
