// What Kubernetes' API reference says about a packet, read word by word: the judge of everything that
// compiles policies. Slow and plain on purpose, and without a line of what it judges but the values.
//
// A packet is the first one of a flow, as it stands where it is forwarded: after any translation of its
// destination, before any of its source.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "towpath/policy/endpoint.h"
#include "towpath/policy/network_policy.h"

namespace towpath::test {

struct PolicyPacket {
  IpAddress source;
  IpAddress destination;
  std::uint8_t protocol = 6;  // as in the IP header
  std::uint16_t port = 0;     // destination; of TCP, UDP and SCTP
};

class PolicyEvaluator {
 public:
  PolicyEvaluator(policy::PolicySet set, std::vector<policy::Endpoint> endpoints)
      : set_(std::move(set)), endpoints_(std::move(endpoints)) {}

  bool allows(const PolicyPacket& packet) const {
    const policy::Endpoint* from = endpoint_of(packet.source);
    const policy::Endpoint* to = endpoint_of(packet.destination);
    // "A Pod cannot block access to itself."
    if (from != nullptr && from == to) return true;
    return (from == nullptr || allows_egress(*from, packet)) &&
           (to == nullptr || allows_ingress(*to, packet));
  }

 private:
  const policy::Endpoint* endpoint_of(const IpAddress& address) const {
    for (const policy::Endpoint& endpoint : endpoints_) {
      for (const IpAddress& own : endpoint.addresses) {
        if (own == address) return &endpoint;
      }
    }
    return nullptr;
  }

  // "By default, a pod is non-isolated for ingress; all inbound connections are allowed. A pod is isolated
  // for ingress if there is any NetworkPolicy that both selects the pod and has Ingress in its policyTypes."
  bool allows_ingress(const policy::Endpoint& to, const PolicyPacket& packet) const {
    bool isolated = false;
    for (const policy::NetworkPolicy& policy : set_.policies) {
      if (!policy.isolates_ingress || !applies_to(policy, to)) continue;
      isolated = true;
      for (const policy::PolicyRule& rule : policy.ingress) {
        if (peers_match(policy, rule, packet.source) && ports_match(rule, packet, &to)) return true;
      }
    }
    return !isolated;
  }
  bool allows_egress(const policy::Endpoint& from, const PolicyPacket& packet) const {
    bool isolated = false;
    for (const policy::NetworkPolicy& policy : set_.policies) {
      if (!policy.isolates_egress || !applies_to(policy, from)) continue;
      isolated = true;
      for (const policy::PolicyRule& rule : policy.egress) {
        if (peers_match(policy, rule, packet.destination) &&
            ports_match(rule, packet, endpoint_of(packet.destination)))
          return true;
      }
    }
    return !isolated;
  }

  static bool applies_to(const policy::NetworkPolicy& policy, const policy::Endpoint& endpoint) {
    return policy.name_space == endpoint.name_space && selects(policy.pods, endpoint.labels);
  }

  static std::optional<std::string> value_of(const policy::Labels& labels, const std::string& key) {
    for (const auto& [name, value] : labels) {
      if (name == key) return value;
    }
    return std::nullopt;
  }
  static bool selects(const policy::Selector& selector, const policy::Labels& labels) {
    for (const auto& [key, value] : selector.match_labels) {
      if (value_of(labels, key) != value) return false;
    }
    for (const policy::Requirement& requirement : selector.match_expressions) {
      const auto value = value_of(labels, requirement.key);
      bool listed = false;
      for (const std::string& one : requirement.values) listed |= value == one;
      bool holds = false;
      if (requirement.op == policy::SelectorOperator::kIn) holds = listed;
      if (requirement.op == policy::SelectorOperator::kNotIn) holds = !listed;
      if (requirement.op == policy::SelectorOperator::kExists) holds = value.has_value();
      if (requirement.op == policy::SelectorOperator::kDoesNotExist) holds = !value.has_value();
      if (!holds) return false;
    }
    return true;
  }

  // "If this field is empty or missing, this rule matches all sources"
  bool peers_match(const policy::NetworkPolicy& policy, const policy::PolicyRule& rule,
                   const IpAddress& other) const {
    if (rule.peers.empty()) return true;
    for (const policy::PeerMatch& peer : rule.peers) {
      if (peer_matches(policy, peer, other)) return true;
    }
    return false;
  }
  bool peer_matches(const policy::NetworkPolicy& policy, const policy::PeerMatch& peer,
                    const IpAddress& other) const {
    if (const auto* block = std::get_if<policy::IpBlock>(&peer)) {
      if (!is_inside(other, block->cidr)) return false;
      for (const Prefix& except : block->except) {
        if (is_inside(other, except)) return false;
      }
      return true;
    }
    const auto& selector = std::get<policy::EndpointSelector>(peer);
    const policy::Endpoint* endpoint = endpoint_of(other);
    if (endpoint == nullptr) return false;
    if (selector.namespaces) {
      policy::Labels labels;
      for (const auto& [name, given] : set_.namespaces) {
        if (name == endpoint->name_space) labels = given;
      }
      labels["kubernetes.io/metadata.name"] = endpoint->name_space;
      if (!selects(*selector.namespaces, labels)) return false;
    } else if (endpoint->name_space != policy.name_space) {
      return false;
    }
    return !selector.pods || selects(*selector.pods, endpoint->labels);
  }
  static bool is_inside(const IpAddress& address, const Prefix& network) {
    if (address.family() != network.family()) return false;
    for (std::uint8_t bit = 0; bit < network.length(); ++bit) {
      if (address.bit(bit) != network.address().bit(bit)) return false;
    }
    return true;
  }

  // "If this field is empty or missing, this rule matches all ports (traffic not restricted by port)."
  static bool ports_match(const policy::PolicyRule& rule, const PolicyPacket& packet,
                          const policy::Endpoint* receiver) {
    if (rule.ports.empty()) return true;
    for (const policy::PortMatch& match : rule.ports) {
      if (packet.protocol != static_cast<std::uint8_t>(match.protocol)) continue;
      if (const auto* range = std::get_if<policy::PortRange>(&match.port)) {
        if (packet.port >= range->first && packet.port <= range->last) return true;
        continue;
      }
      if (receiver == nullptr) continue;
      for (const policy::NamedPort& named : receiver->ports) {
        if (named.name == std::get<std::string>(match.port) && named.protocol == match.protocol &&
            named.port == packet.port)
          return true;
      }
    }
    return false;
  }

  policy::PolicySet set_;
  std::vector<policy::Endpoint> endpoints_;
};

}  // namespace towpath::test
