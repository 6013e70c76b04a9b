#include "towpath/policy/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "towpath/policy/compile.h"

namespace towpath::policy {
namespace {

// The policy as if it had this rule alone, and looked in this direction only.
NetworkPolicy with_one_rule(const NetworkPolicy& policy, Direction direction, std::size_t rule) {
  NetworkPolicy alone{.name_space = policy.name_space, .name = policy.name, .pods = policy.pods};
  alone.isolates_ingress = direction == Direction::kIngress;
  alone.isolates_egress = direction == Direction::kEgress;
  if (alone.isolates_ingress) alone.ingress = {policy.ingress[rule]};
  if (alone.isolates_egress) alone.egress = {policy.egress[rule]};
  return alone;
}

}  // namespace

Explanation explain(const PolicySet& set, std::span<const Endpoint> endpoints, const DesiredRuleset& ruleset,
                    const FirstPacket& packet) {
  Explanation out{.judgement = judge(ruleset, packet)};
  // Nobody else matters to this flow.
  std::vector<Endpoint> ends;
  for (const Endpoint& endpoint : endpoints) {
    const auto has = [&](const IpAddress& address) {
      return std::ranges::find(endpoint.addresses, address) != endpoint.addresses.end();
    };
    if (has(packet.source) || has(packet.destination)) ends.push_back(endpoint);
  }
  const auto ask = [&](Direction direction, const std::optional<std::string>& chain, SideExplanation& side) {
    if (!chain) return;
    const bool is_ingress = direction == Direction::kIngress;
    side.policies = ruleset.chains.at(*chain).policies;
    for (const NetworkPolicy& policy : set.policies) {
      if (std::ranges::find(side.policies, policy.id()) == side.policies.end()) continue;
      const std::size_t rules = (is_ingress ? policy.ingress : policy.egress).size();
      for (std::size_t rule = 0; rule < rules; ++rule) {
        const PolicySet alone{{with_one_rule(policy, direction, rule)}, set.namespaces};
        // The other end as if nobody isolated it.
        FirstPacket one = packet;
        (is_ingress ? one.from : one.to).clear();
        if (judge(compile(alone, ends), one) == Judgement::kAllowed)
          side.allowing.push_back(
              fmt::format("{} {}[{}]", policy.id(), is_ingress ? "ingress" : "egress", rule));
      }
    }
  };
  const auto from = ruleset.endpoints.find(packet.from);
  if (from != ruleset.endpoints.end()) ask(Direction::kEgress, from->second.egress, out.egress);
  const auto to = ruleset.endpoints.find(packet.to);
  if (to != ruleset.endpoints.end()) ask(Direction::kIngress, to->second.ingress, out.ingress);
  return out;
}

}  // namespace towpath::policy
