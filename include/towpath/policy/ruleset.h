// What the kernel is to hold so that policies are kept: maps and chains as values.
//
// Model
//   A packet that begins a flow is judged where it is forwarded, twice: by the egress chain of the interface
//   that it comes from, then by the ingress chain of the one that it goes to. Interfaces of containers have
//   an entry for each direction; one without an entry has no traffic. An endpoint that is isolated in a
//   direction has a chain there; endpoints with the same policies share it.
//
//   A chain looks the other end's address up: as that of one host, then as part of a network, then as anybody
//   else's. The first that is found says a port class, which decides; nothing found: drop. So a class holds
//   all that any rule allows to this address, and the number of rules does not count. Addresses that are
//   treated alike have the same class.
//
// Pure values.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/base/address.h"
#include "towpath/policy/network_policy.h"

namespace towpath::policy {

enum class Direction : std::uint8_t { kIngress, kEgress };

// Interfaces with such names are those of containers.
inline constexpr std::string_view kContainerPrefix = "tp";

struct PortSpan {
  std::uint8_t protocol = 0;  // as in the IP header
  PortRange ports;
  friend auto operator<=>(const PortSpan&, const PortSpan&) = default;
};
// In order, none overlapping or touching another of its protocol. Never empty.
using PortClass = std::vector<PortSpan>;

struct AddressRange {
  IpAddress first;
  IpAddress last;
  friend auto operator<=>(const AddressRange&, const AddressRange&) = default;
};

// A class of DesiredRuleset by its number, or kAll: everything of all protocols.
using ClassId = std::uint32_t;
inline constexpr ClassId kAll = 0xFFFFFFFF;

struct PolicyChain {
  Direction direction = Direction::kIngress;
  std::vector<std::string> policies{};  // their ids, in order
  std::map<IpAddress, ClassId> hosts{};
  std::map<AddressRange, ClassId> networks{};  // disjoint
  std::optional<ClassId> others{};
  friend bool operator==(const PolicyChain&, const PolicyChain&) = default;
};

struct EndpointVerdict {
  // Names of chains; nothing: not isolated.
  std::optional<std::string> ingress{};
  std::optional<std::string> egress{};
  friend auto operator<=>(const EndpointVerdict&, const EndpointVerdict&) = default;
};

struct DesiredRuleset {
  std::map<ClassId, PortClass> classes{};
  std::map<std::string, PolicyChain> chains{};
  std::map<std::string, EndpointVerdict> endpoints{};  // by interface
  friend bool operator==(const DesiredRuleset&, const DesiredRuleset&) = default;
};

// The first packet of a flow where it is forwarded.
struct FirstPacket {
  std::string from;  // interfaces
  std::string to;
  IpAddress source;
  IpAddress destination;
  std::uint8_t protocol = 0;
  std::uint16_t port = 0;  // destination; of TCP, UDP and SCTP
};

enum class Judgement : std::uint8_t { kAllowed, kEgressDenied, kIngressDenied, kUnknownInterface };
// What the kernel does with it.
Judgement judge(const DesiredRuleset& ruleset, const FirstPacket& packet);

}  // namespace towpath::policy
