// NetworkPolicy of Kubernetes (networking.k8s.io/v1) as values: defaults filled in, checked by who made it.
//
// Model
//   A policy selects endpoints of its own namespace and isolates them in one direction or both. An endpoint
//   that no policy isolates in a direction has all traffic of that direction; one that is isolated has what
//   a rule of any of these policies allows, and nothing else. There is no order and no rule that forbids. A
//   flow from one endpoint to another must be allowed at both ends.
//
// Pure values.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "towpath/base/prefix.h"
#include "towpath/policy/selector.h"

namespace towpath::policy {

// By their numbers in the IP header.
enum class Protocol : std::uint8_t { kTcp = 6, kUdp = 17, kSctp = 132 };

struct PortRange {
  std::uint16_t first = 0;  // 0 to 65535, where nothing but the protocol is asked for
  std::uint16_t last = 65535;
  friend auto operator<=>(const PortRange&, const PortRange&) = default;
};

// A port by number or range, or by the name that the receiving endpoint gives to it. An endpoint that has no
// such name for this protocol is not matched.
struct PortMatch {
  Protocol protocol = Protocol::kTcp;
  std::variant<PortRange, std::string> port{};
  friend auto operator<=>(const PortMatch&, const PortMatch&) = default;
};

// What the other end of a flow is.
struct IpBlock {
  Prefix cidr;
  std::vector<Prefix> except;  // inside `cidr`
  friend auto operator<=>(const IpBlock&, const IpBlock&) = default;
};
// At least one of the two. Without `namespaces`: in the namespace of the policy; without `pods`: all there.
struct EndpointSelector {
  std::optional<Selector> pods;
  std::optional<Selector> namespaces;
  friend auto operator<=>(const EndpointSelector&, const EndpointSelector&) = default;
};
using PeerMatch = std::variant<EndpointSelector, IpBlock>;

struct PolicyRule {
  std::vector<PeerMatch> peers{};  // any of them; none: everybody
  std::vector<PortMatch> ports{};  // any of them; none: all ports and all protocols
  friend auto operator<=>(const PolicyRule&, const PolicyRule&) = default;
};

struct NetworkPolicy {
  std::string name_space;
  std::string name;
  Selector pods{};
  bool isolates_ingress = true;
  bool isolates_egress = false;
  std::vector<PolicyRule> ingress{};  // empty: nothing may come in
  std::vector<PolicyRule> egress{};
  std::string id() const { return name_space + "/" + name; }
  friend auto operator<=>(const NetworkPolicy&, const NetworkPolicy&) = default;
};

// All that there is at one moment.
struct PolicySet {
  std::vector<NetworkPolicy> policies{};
  std::map<std::string, Labels> namespaces{};  // those that labels were given for
  // With the label kubernetes.io/metadata.name, which each namespace has.
  Labels labels_of(std::string_view name_space) const;
  friend bool operator==(const PolicySet&, const PolicySet&) = default;
};

}  // namespace towpath::policy
