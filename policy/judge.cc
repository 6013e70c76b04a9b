#include <algorithm>

#include "towpath/policy/ruleset.h"

namespace towpath::policy {
namespace {

bool class_allows(const DesiredRuleset& ruleset, ClassId id, const FirstPacket& packet) {
  if (id == kAll) return true;
  return std::ranges::any_of(ruleset.classes.at(id), [&](const PortSpan& span) {
    return span.protocol == packet.protocol && packet.port >= span.ports.first &&
           packet.port <= span.ports.last;
  });
}

bool chain_allows(const DesiredRuleset& ruleset, const std::optional<std::string>& name,
                  const FirstPacket& packet) {
  if (!name) return true;
  const PolicyChain& chain = ruleset.chains.at(*name);
  const IpAddress& other = chain.direction == Direction::kIngress ? packet.source : packet.destination;
  if (const auto host = chain.hosts.find(other); host != chain.hosts.end())
    return class_allows(ruleset, host->second, packet);
  // The last range that begins at or before it; IPv6 addresses come behind all of IPv4.
  const auto behind = chain.networks.upper_bound({other, Prefix::default_route(AddressFamily::kIpv6).last()});
  if (behind != chain.networks.begin()) {
    const auto& [range, id] = *std::prev(behind);
    if (range.last.family() == other.family() && other <= range.last)
      return class_allows(ruleset, id, packet);
  }
  return chain.others && class_allows(ruleset, *chain.others, packet);
}

}  // namespace

Judgement judge(const DesiredRuleset& ruleset, const FirstPacket& packet) {
  const bool from_container = packet.from.starts_with(kContainerPrefix);
  const bool to_container = packet.to.starts_with(kContainerPrefix);
  if (from_container && packet.from == packet.to && ruleset.endpoints.contains(packet.from))
    return Judgement::kAllowed;  // nobody is kept from itself
  if (from_container) {
    const auto endpoint = ruleset.endpoints.find(packet.from);
    if (endpoint == ruleset.endpoints.end()) return Judgement::kUnknownInterface;
    if (!chain_allows(ruleset, endpoint->second.egress, packet)) return Judgement::kEgressDenied;
  }
  if (to_container) {
    const auto endpoint = ruleset.endpoints.find(packet.to);
    if (endpoint == ruleset.endpoints.end()) return Judgement::kUnknownInterface;
    if (!chain_allows(ruleset, endpoint->second.ingress, packet)) return Judgement::kIngressDenied;
  }
  return Judgement::kAllowed;
}

}  // namespace towpath::policy
