#include "towpath/policy/compile.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "policy/chain_builder.h"

namespace towpath::policy {
namespace {

using NamedPorts = std::vector<NamedPort>;

// Endpoints of one namespace with the same labels: what selects one selects all.
struct Alike {
  const Endpoint* first = nullptr;
  std::vector<const Endpoint*> endpoints;
};

// A rule with its peers found.
struct ResolvedRule {
  const PolicyRule* rule = nullptr;
  bool everybody = false;
  std::vector<const Alike*> peers{};
  std::vector<AddressRange> networks{};
};

struct ResolvedPolicy {
  const NetworkPolicy* policy = nullptr;
  std::vector<ResolvedRule> ingress{};
  std::vector<ResolvedRule> egress{};
  bool is_resolved = false;
};

class Compiler {
 public:
  Compiler(const PolicySet& set, std::span<const Endpoint> endpoints) : set_(set) {
    std::map<std::pair<std::string_view, Labels>, Alike> alike;
    for (const Endpoint& endpoint : endpoints) {
      Alike& group = alike[{endpoint.name_space, endpoint.labels}];
      if (group.first == nullptr) group.first = &endpoint;
      group.endpoints.push_back(&endpoint);
    }
    for (auto& [key, group] : alike) alike_.push_back(std::move(group));
    for (const NetworkPolicy& policy : set.policies) policies_.push_back({.policy = &policy});
    // The order in which files give them means nothing.
    std::ranges::sort(policies_, {},
                      [](const ResolvedPolicy& p) { return std::tie(p.policy->name_space, p.policy->name); });
  }

  DesiredRuleset compile() {
    for (const Alike& group : alike_) {
      std::vector<ResolvedPolicy*> ingress, egress;
      for (ResolvedPolicy& one : policies_) {
        const NetworkPolicy& policy = *one.policy;
        if (policy.name_space != group.first->name_space || !policy.pods.matches(group.first->labels))
          continue;
        if (policy.isolates_ingress) ingress.push_back(&one);
        if (policy.isolates_egress) egress.push_back(&one);
      }
      for (const Endpoint* endpoint : group.endpoints) {
        if (endpoint->interface.empty()) continue;
        EndpointVerdict& verdict = out_.endpoints[endpoint->interface];
        if (!ingress.empty()) verdict.ingress = ingress_chain(ingress, *endpoint);
        if (!egress.empty()) verdict.egress = egress_chain(egress);
      }
    }
    return std::move(out_);
  }

 private:
  // Only policies that select somebody on this host need their peers.
  void resolve(ResolvedPolicy& one) {
    if (std::exchange(one.is_resolved, true)) return;
    for (const PolicyRule& rule : one.policy->ingress) one.ingress.push_back(resolve(*one.policy, rule));
    for (const PolicyRule& rule : one.policy->egress) one.egress.push_back(resolve(*one.policy, rule));
  }
  ResolvedRule resolve(const NetworkPolicy& policy, const PolicyRule& rule) {
    ResolvedRule resolved{.rule = &rule, .everybody = rule.peers.empty()};
    for (const PeerMatch& peer : rule.peers) {
      if (const auto* block = std::get_if<IpBlock>(&peer)) {
        const auto ranges = ranges_of(*block);
        resolved.networks.insert(resolved.networks.end(), ranges.begin(), ranges.end());
        continue;
      }
      const auto& selector = std::get<EndpointSelector>(peer);
      for (const Alike& group : alike_) {
        if (selects(policy, selector, *group.first)) resolved.peers.push_back(&group);
      }
    }
    return resolved;
  }
  bool selects(const NetworkPolicy& policy, const EndpointSelector& selector, const Endpoint& endpoint) {
    const bool in_namespace = selector.namespaces
                                  ? selector.namespaces->matches(labels_of(endpoint.name_space))
                                  : endpoint.name_space == policy.name_space;
    return in_namespace && (!selector.pods || selector.pods->matches(endpoint.labels));
  }
  const Labels& labels_of(const std::string& name_space) {
    const auto [entry, is_new] = namespace_labels_.try_emplace(name_space);
    if (is_new) entry->second = set_.labels_of(name_space);
    return entry->second;
  }

  static PortSet ports_of(const PolicyRule& rule, const NamedPorts& named) {
    if (rule.ports.empty()) return PortSet::everything();
    PortClass spans;
    for (const PortMatch& match : rule.ports) {
      const auto protocol = static_cast<std::uint8_t>(match.protocol);
      if (const auto* range = std::get_if<PortRange>(&match.port)) {
        spans.push_back({protocol, *range});
        continue;
      }
      for (const NamedPort& port : named) {
        if (port.name == std::get<std::string>(match.port) && port.protocol == match.protocol)
          spans.push_back({protocol, {port.port, port.port}});
      }
    }
    return PortSet::of(std::move(spans));
  }
  static bool names_ports(const PolicyRule& rule) {
    return std::ranges::any_of(
        rule.ports, [](const PortMatch& m) { return std::holds_alternative<std::string>(m.port); });
  }

  // Endpoints share a chain if the named ports in its rules are the same ones of both.
  std::string ingress_chain(const std::vector<ResolvedPolicy*>& policies, const Endpoint& endpoint) {
    std::string meaning = meaning_of(policies);
    const bool by_name = std::ranges::any_of(policies, [](const ResolvedPolicy* p) {
      return std::ranges::any_of(p->policy->ingress, names_ports);
    });
    const NamedPorts named = by_name ? endpoint.ports : NamedPorts();
    for (const NamedPort& port : named)
      meaning += fmt::format("{}:{}={} ", static_cast<unsigned>(port.protocol), port.name, port.port);
    const std::string name = names_.chain("i_", meaning);
    if (out_.chains.contains(name)) return name;
    ChainBuilder builder(Direction::kIngress);
    for (ResolvedPolicy* policy : policies) {
      resolve(*policy);
      for (const ResolvedRule& rule : policy->ingress) add_rule(builder, rule, ports_of(*rule.rule, named));
    }
    return add_chain(name, policies, builder);
  }

  std::string egress_chain(const std::vector<ResolvedPolicy*>& policies) {
    const std::string name = names_.chain("e_", meaning_of(policies));
    if (out_.chains.contains(name)) return name;
    ChainBuilder builder(Direction::kEgress);
    for (ResolvedPolicy* policy : policies) {
      resolve(*policy);
      for (const ResolvedRule& rule : policy->egress) {
        add_rule(builder, rule, ports_of(*rule.rule, {}));
        if (names_ports(*rule.rule)) add_named_ports(builder, rule);
      }
    }
    return add_chain(name, policies, builder);
  }

  static void add_rule(ChainBuilder& builder, const ResolvedRule& rule, const PortSet& ports) {
    if (rule.everybody) builder.allow_everybody(ports);
    for (const AddressRange& range : rule.networks) builder.allow_network(range, ports);
    for (const Alike* group : rule.peers) {
      for (const Endpoint* peer : group->endpoints) {
        for (const IpAddress& address : peer->addresses) builder.allow_host(address, ports);
      }
    }
  }
  // The names are those of each endpoint that the rule lets be reached, by selector or by address.
  void add_named_ports(ChainBuilder& builder, const ResolvedRule& rule) {
    for (const Alike& group : alike_) {
      const bool selected = rule.everybody || std::ranges::find(rule.peers, &group) != rule.peers.end();
      for (const Endpoint* peer : group.endpoints) {
        if (peer->ports.empty()) continue;
        const PortSet ports = ports_of(*rule.rule, peer->ports);
        for (const IpAddress& address : peer->addresses) {
          const bool in_network = std::ranges::any_of(rule.networks, [&](const AddressRange& range) {
            return range.first.family() == address.family() && range.first <= address &&
                   address <= range.last;
          });
          if (selected || in_network) builder.allow_host(address, ports);
        }
      }
    }
  }

  static std::string meaning_of(const std::vector<ResolvedPolicy*>& policies) {
    std::string meaning;
    for (const ResolvedPolicy* policy : policies) meaning += policy->policy->id() + ' ';
    return meaning;
  }
  std::string add_chain(const std::string& name, const std::vector<ResolvedPolicy*>& policies,
                        ChainBuilder& builder) {
    PolicyChain chain = builder.build(out_.classes, names_);
    for (const ResolvedPolicy* policy : policies) chain.policies.push_back(policy->policy->id());
    out_.chains.emplace(name, std::move(chain));
    return name;
  }

  const PolicySet& set_;
  std::vector<Alike> alike_;
  std::vector<ResolvedPolicy> policies_;
  std::map<std::string, Labels, std::less<>> namespace_labels_;
  Names names_;
  DesiredRuleset out_;
};

}  // namespace

DesiredRuleset compile(const PolicySet& set, std::span<const Endpoint> endpoints) {
  return Compiler(set, endpoints).compile();
}

}  // namespace towpath::policy
