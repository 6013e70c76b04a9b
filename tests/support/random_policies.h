// Random policies, endpoints and packets, close enough to each other to meet. One seed, one world,
// everywhere.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

#include "tests/support/policy_evaluator.h"
#include "towpath/policy/endpoint.h"
#include "towpath/policy/network_policy.h"

namespace towpath::test {

class RandomPolicies {
 public:
  explicit RandomPolicies(std::uint64_t seed) : random_(seed) {}

  // Each with one address of both families: 10.64.0.N and fd00:64::N, N from 1.
  std::vector<policy::Endpoint> endpoints(std::size_t count) {
    std::vector<policy::Endpoint> out;
    for (std::size_t i = 1; i <= count; ++i) {
      policy::Endpoint endpoint{fmt::format("tp{:02}", i), pick(kNamespaces), labels(), {}, {}};
      endpoint.addresses = {endpoint_address(AddressFamily::kIpv4, i),
                            endpoint_address(AddressFamily::kIpv6, i)};
      if (chance(2)) endpoint.ports.push_back({"http", pick(kProtocols), port()});
      if (chance(3)) endpoint.ports.push_back({"http", pick(kProtocols), port()});
      if (chance(3)) endpoint.ports.push_back({"dns", pick(kProtocols), port()});
      out.push_back(std::move(endpoint));
    }
    return out;
  }

  policy::PolicySet policies(std::size_t most) {
    policy::PolicySet set;
    if (chance(2)) set.namespaces["a"] = labels();
    if (chance(2)) set.namespaces["b"] = labels();
    const std::size_t count = below(most + 1);
    for (std::size_t i = 0; i < count; ++i) {
      policy::NetworkPolicy policy;
      policy.name_space = pick(kNamespaces);
      policy.name = fmt::format("p{}", i);
      if (!chance(3)) policy.pods = selector();
      policy.isolates_ingress = !chance(3);
      policy.isolates_egress = !policy.isolates_ingress || chance(2);
      policy.ingress = rules();
      policy.egress = rules();
      set.policies.push_back(std::move(policy));
    }
    return set;
  }

  // Between endpoints and others, of one family.
  PolicyPacket packet(const std::vector<policy::Endpoint>& endpoints) {
    const AddressFamily family = chance(2) ? AddressFamily::kIpv4 : AddressFamily::kIpv6;
    PolicyPacket packet;
    packet.source = address(family, endpoints.size());
    packet.destination = address(family, endpoints.size());
    packet.protocol = static_cast<std::uint8_t>(pick(kProtocols));
    if (chance(8)) packet.protocol = family == AddressFamily::kIpv4 ? 1 : 58;
    const bool is_icmp = packet.protocol == 1 || packet.protocol == 58;
    if (!is_icmp) packet.port = static_cast<std::uint16_t>(port() + below(3) - 1);
    return packet;
  }

  static IpAddress endpoint_address(AddressFamily family, std::size_t number) {
    return family == AddressFamily::kIpv4 ? IpAddress::v4(0x0A400000).plus(number)
                                          : IpAddress::v6(0xFD00006400000000, 0).plus(number);
  }
  // Of nobody here: 10.65.0.N and fd00:65::N.
  static IpAddress away_address(AddressFamily family, std::size_t number) {
    return family == AddressFamily::kIpv4 ? IpAddress::v4(0x0A410000).plus(number)
                                          : IpAddress::v6(0xFD00006500000000, 0).plus(number);
  }
  static constexpr std::size_t kAwayAddresses = 24;  // 1 to this

  std::size_t below(std::size_t limit) { return random_() % limit; }

 private:
  static constexpr std::array<const char*, 2> kNamespaces{"a", "b"};
  static constexpr std::array<const char*, 2> kKeys{"app", "tier"};
  static constexpr std::array<const char*, 3> kValues{"x", "y", ""};
  static constexpr std::array<const char*, 2> kPortNames{"http", "dns"};
  static constexpr std::array<policy::Protocol, 3> kProtocols{policy::Protocol::kTcp, policy::Protocol::kUdp,
                                                              policy::Protocol::kSctp};
  // Borders of ports and of what lies between them.
  static constexpr std::array<std::uint16_t, 6> kPorts{1, 80, 81, 443, 1024, 65534};

  bool chance(std::size_t of) { return below(of) == 0; }
  template <class T, std::size_t kSize>
  T pick(const std::array<T, kSize>& array) {
    return array[below(kSize)];
  }
  std::uint16_t port() { return pick(kPorts); }

  policy::Labels labels() {
    policy::Labels labels;
    for (const char* key : kKeys) {
      if (!chance(3)) labels[key] = pick(kValues);
    }
    return labels;
  }
  policy::Selector selector() {
    using policy::SelectorOperator;
    policy::Selector selector;
    if (chance(2)) selector.match_labels[pick(kKeys)] = pick(kValues);
    if (chance(2)) {
      policy::Requirement requirement{
          pick(kKeys), pick(std::array{SelectorOperator::kIn, SelectorOperator::kNotIn,
                                       SelectorOperator::kExists, SelectorOperator::kDoesNotExist})};
      const bool has_values =
          requirement.op == SelectorOperator::kIn || requirement.op == SelectorOperator::kNotIn;
      if (has_values) requirement.values = {pick(kValues), pick(kValues)};
      selector.match_expressions.push_back(std::move(requirement));
    }
    return selector;
  }
  Prefix prefix(AddressFamily family, std::uint8_t shortest) {
    const IpAddress inside = address(family, 8);
    const auto length = static_cast<std::uint8_t>(chance(4) ? shortest + below(inside.bits() + 1U - shortest)
                                                            : inside.bits() - below(6));
    return *Prefix::make(inside, std::max(length, shortest));
  }
  policy::PeerMatch peer() {
    if (!chance(3)) {
      policy::EndpointSelector selected;
      if (chance(2)) selected.pods = selector();
      if (!selected.pods || chance(2)) selected.namespaces = selector();
      return selected;
    }
    const AddressFamily family = chance(2) ? AddressFamily::kIpv4 : AddressFamily::kIpv6;
    policy::IpBlock block{prefix(family, 0), {}};
    for (std::size_t i = below(4); i > 0; --i) {
      const auto longer = static_cast<std::uint8_t>(block.cidr.length() + 1);
      if (longer > address_bits(family)) break;
      const Prefix except = prefix(family, longer);
      if (block.cidr.contains(except)) block.except.push_back(except);
    }
    return block;
  }
  policy::PortMatch port_match() {
    policy::PortMatch match{pick(kProtocols), policy::PortRange{}};
    if (chance(4)) return match;
    if (chance(4)) {
      match.port = std::string(pick(kPortNames));
      return match;
    }
    const std::uint16_t first = port();
    match.port = policy::PortRange{first, chance(2) ? first : std::max(first, port())};
    return match;
  }
  std::vector<policy::PolicyRule> rules() {
    std::vector<policy::PolicyRule> rules(below(4));
    for (policy::PolicyRule& rule : rules) {
      for (std::size_t i = below(4); i > 0; --i) rule.peers.push_back(peer());
      for (std::size_t i = below(4); i > 0; --i) rule.ports.push_back(port_match());
    }
    return rules;
  }
  IpAddress address(AddressFamily family, std::size_t endpoints) {
    return chance(3) ? away_address(family, 1 + below(kAwayAddresses))
                     : endpoint_address(family, 1 + below(endpoints));
  }

  std::mt19937_64 random_;
};

}  // namespace towpath::test
