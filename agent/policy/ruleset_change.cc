#include "agent/policy/ruleset_change.h"

#include <algorithm>
#include <iterator>

namespace towpath::agent {
namespace {

using policy::DesiredRuleset;
using policy::PolicyChain;

// Calls gone(key, value) for what `to` does not have so, and come(key, value) for what `from` does not.
template <class Map, class Gone, class Come>
void compare(const Map& from, const Map& to, Gone gone, Come come) {
  auto before = from.begin();
  auto after = to.begin();
  while (before != from.end() || after != to.end()) {
    const bool only_before = after == to.end() || (before != from.end() && before->first < after->first);
    const bool only_after = before == from.end() || (after != to.end() && after->first < before->first);
    if (!only_before && !only_after && before->second == after->second) {
      ++before;
      ++after;
      continue;
    }
    if (!only_after) {
      gone(before->first, before->second);
      ++before;
    }
    if (!only_before) {
      come(after->first, after->second);
      ++after;
    }
  }
}

netlink::PolicyPorts ports_of(const policy::PortSpan& span) {
  return {span.protocol, span.ports.first, span.ports.last};
}

// Every element of a chain, in order of each list.
netlink::PolicyElements elements_of(const DesiredRuleset& ruleset, const PolicyChain& chain) {
  netlink::PolicyElements out;
  for (const auto& [address, id] : chain.hosts) {
    if (id == policy::kAll) {
      out.hosts.push_back(address);
      continue;
    }
    for (const policy::PortSpan& span : ruleset.classes.at(id))
      out.host_ports.emplace_back(address, ports_of(span));
  }
  for (const auto& [range, id] : chain.networks) {
    const netlink::PolicyRange network{range.first, range.last};
    if (id == policy::kAll) {
      out.networks.push_back(network);
      continue;
    }
    for (const policy::PortSpan& span : ruleset.classes.at(id))
      out.network_ports.emplace_back(network, ports_of(span));
  }
  if (chain.others && chain.others != policy::kAll) {
    for (const policy::PortSpan& span : ruleset.classes.at(*chain.others))
      out.anybody.push_back(ports_of(span));
  }
  return out;
}

// What `list` of one has and that of the other has not.
netlink::PolicyElements only_in(const netlink::PolicyElements& one, const netlink::PolicyElements& other) {
  netlink::PolicyElements out;
  const auto difference = [&](auto list) {
    std::ranges::set_difference(one.*list, other.*list, std::back_inserter(out.*list));
  };
  difference(&netlink::PolicyElements::hosts);
  difference(&netlink::PolicyElements::host_ports);
  difference(&netlink::PolicyElements::networks);
  difference(&netlink::PolicyElements::network_ports);
  difference(&netlink::PolicyElements::anybody);
  return out;
}

bool anybody_may_all(const PolicyChain& chain) {
  return chain.others == policy::kAll;
}

}  // namespace

netlink::PolicyChange ruleset_change(const DesiredRuleset& from, const DesiredRuleset& to) {
  netlink::PolicyChange out;
  // A class has nearly always the same number in both.
  const bool same_numbers = std::ranges::none_of(from.classes, [&](const auto& one) {
    const auto found = to.classes.find(one.first);
    return found != to.classes.end() && found->second != one.second;
  });
  for (const auto& [name, chain] : to.chains) {
    const auto before = from.chains.find(name);
    const bool is_new = before == from.chains.end();
    if (is_new) out.add_chains.push_back(name);
    if (is_new || anybody_may_all(before->second) != anybody_may_all(chain))
      out.write_rules.emplace_back(name, anybody_may_all(chain));
    if (!is_new && same_numbers && before->second == chain) continue;
    const auto was = is_new ? netlink::PolicyElements() : elements_of(from, before->second);
    const auto is = elements_of(to, chain);
    auto removed = only_in(was, is);
    auto added = only_in(is, was);
    if (!removed.empty()) out.remove_elements.emplace(name, std::move(removed));
    if (!added.empty()) out.add_elements.emplace(name, std::move(added));
  }
  for (const auto& [name, chain] : from.chains) {
    if (!to.chains.contains(name)) out.remove_chains.push_back(name);
  }

  const auto interface = [](auto& list) {
    return [&list](const std::string& name, const policy::EndpointVerdict& verdict) {
      list.push_back({name, verdict.ingress, verdict.egress});
    };
  };
  compare(from.endpoints, to.endpoints, interface(out.remove_interfaces), interface(out.add_interfaces));
  return out;
}

}  // namespace towpath::agent
