// PortMapping: a port of the host that leads to a container (the portMappings capability of CNI), and what
// the shaping of a container is (its bandwidth capability). Values, as the endpoint record keeps them.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "towpath/base/address.h"

namespace towpath::ipam {

struct PortMapping {
  std::uint8_t protocol = 0;  // IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP
  std::uint16_t host_port = 0;
  std::uint16_t container_port = 0;
  // The host's address that it is for. 0.0.0.0 and :: are any of their family, nothing is any of both.
  std::optional<IpAddress> host_ip{};

  // Is it for host addresses of this family?
  bool is_for(AddressFamily family) const { return !host_ip || host_ip->family() == family; }
  // The one host address that it is for, or nothing for any.
  std::optional<IpAddress> one_host_ip() const {
    return host_ip && !host_ip->is_unspecified() ? host_ip : std::nullopt;
  }

  friend auto operator<=>(const PortMapping&, const PortMapping&) = default;
};

// "8080/tcp on any address".
std::string format(const PortMapping& mapping);

// Rates in bits a second, bursts in bits; 0: not limited. Towards the container is `ingress`.
struct Bandwidth {
  std::uint64_t ingress_rate = 0;
  std::uint64_t ingress_burst = 0;
  std::uint64_t egress_rate = 0;
  std::uint64_t egress_burst = 0;

  friend bool operator==(const Bandwidth&, const Bandwidth&) = default;
};

}  // namespace towpath::ipam
