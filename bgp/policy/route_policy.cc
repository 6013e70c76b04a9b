#include "towpath/bgp/route_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "bgp/policy/route_match.h"
#include "towpath/base/check.h"
#include "towpath/bgp/family.h"

namespace towpath::bgp {
namespace {

void change(PolicyRoute& route, const RouteChanges& changes, AsNumber own_as, PolicyOutcome& outcome) {
  PathAttributes& a = route.attributes;
  if (changes.local_pref) a.local_pref = changes.local_pref;
  if (changes.med || changes.remove_med) {
    a.med = changes.med;
    outcome.med_set = true;
  }
  if (changes.clear_communities) {
    a.communities.clear();
    a.extended_communities.clear();
    a.large_communities.clear();
  }
  for (const CommunityPattern& c : changes.delete_communities) delete_communities(a, c);
  for (const CommunityPattern& c : changes.add_communities) add_community(a, c);
  if (changes.prepend != 0) a.as_path.prepend(own_as, changes.prepend);
  if (changes.next_hop) {
    // A rule about the next hop of one family leaves the routes of the other alone.
    const bool fits = *changes.next_hop != NextHopRule::kAddress ||
                      changes.next_hop_address->family() == route.prefix.family();
    if (fits) outcome.next_hop = changes.next_hop;
    if (fits && *changes.next_hop == NextHopRule::kAddress) a.next_hop = {*changes.next_hop_address, {}};
  }
}

// RFC 7999 section 3.2: it should not leave the AS.
void make_blackhole(PathAttributes& attributes) {
  attributes.discard = true;
  if (!attributes.has(kNoExport) && !attributes.has(kNoAdvertise)) {
    add_community(attributes, CommunityPattern::of(kNoExport));
  }
}

std::string join(std::string_view what, const std::vector<CommunityPattern>& communities) {
  std::string text;
  for (const CommunityPattern& c : communities)
    fmt::format_to(std::back_inserter(text), " {}", c.to_string());
  return fmt::format("{}{}", what, text);
}

std::string describe(const RouteRule& rule) {
  const RouteChanges& c = rule.changes;
  std::vector<std::string> parts;
  if (c.local_pref) parts.push_back(fmt::format("local_pref {}", *c.local_pref));
  if (c.med) parts.push_back(fmt::format("med {}", *c.med));
  if (c.remove_med) parts.emplace_back("med none");
  if (c.clear_communities) parts.emplace_back("all communities deleted");
  if (!c.delete_communities.empty()) parts.push_back(join("deleted", c.delete_communities));
  if (!c.add_communities.empty()) parts.push_back(join("added", c.add_communities));
  if (c.prepend != 0) parts.push_back(fmt::format("prepend {}", c.prepend));
  if (c.next_hop) {
    parts.push_back("next_hop " + (*c.next_hop == NextHopRule::kAddress ? c.next_hop_address->to_string()
                                   : *c.next_hop == NextHopRule::kSelf  ? "self"
                                                                        : "unchanged"));
  }
  parts.emplace_back(rule.verdict ? format(*rule.verdict) : "goes on");
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace

std::string_view format(RouteSource source) {
  switch (source) {
    case RouteSource::kOwn: return "own";
    case RouteSource::kExternal: return "external";
    case RouteSource::kInternal: return "internal";
  }
  return "?";
}

std::string_view format(Verdict verdict) {
  switch (verdict) {
    case Verdict::kAccept: return "accept";
    case Verdict::kReject: return "reject";
    case Verdict::kBlackhole: return "blackhole";
  }
  return "?";
}

RoutePolicy::RoutePolicy(std::vector<RouteRule> rules) : rules_(std::move(rules)) {
  std::size_t ranges = 0;
  for (const RouteRule& rule : rules_) {
    reads_attributes_ |= towpath::bgp::reads_attributes(rule.match);
    changes_attributes_ |= rule.changes.any() || rule.verdict == Verdict::kBlackhole;
    ranges += rule.match.prefixes.size();
  }
  indexed_ = ranges > kLinear;
  if (!indexed_) return;
  for (std::uint32_t i = 0; i < rules_.size(); ++i) {
    const auto& prefixes = rules_[i].match.prefixes;
    if (prefixes.empty()) unbounded_.push_back(i);
    for (const PrefixRange& range : prefixes) {
      entries_.try_insert(range.within).first->push_back({range.min_length, range.max_length, i});
      lengths_[index(unicast(range.within.family()))].push_back(range.within.length());
    }
  }
  for (auto& lengths : lengths_) {
    std::ranges::sort(lengths);
    lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
  }
}

// Puts the numbers of the rules whose prefixes fit into candidates_, in their order.
void RoutePolicy::find_candidates(const Prefix& prefix) const {
  candidates_ = unbounded_;
  for (const std::uint8_t length : lengths_[index(unicast(prefix.family()))]) {
    if (length > prefix.length()) break;
    const auto covering = Prefix::make(prefix.address(), length);
    const auto* entries = entries_.find(*covering);
    if (entries == nullptr) continue;
    for (const Entry& entry : *entries) {
      const bool fits = prefix.length() >= entry.min_length && prefix.length() <= entry.max_length;
      if (fits) candidates_.push_back(entry.rule);
    }
  }
  std::ranges::sort(candidates_);
  candidates_.erase(std::unique(candidates_.begin(), candidates_.end()), candidates_.end());
}

// Calls f(rule, prefix_fits) in the order of the rules until it returns false; rules that cannot fit may be
// left out.
template <class F>
void RoutePolicy::for_each_candidate(const Prefix& prefix, F&& f) const {
  if (!indexed_) {
    for (const RouteRule& rule : rules_) {
      if (!f(rule, false)) return;
    }
    return;
  }
  find_candidates(prefix);
  for (const std::uint32_t i : candidates_) {
    if (!f(rules_[i], true)) return;
  }
}

PolicyOutcome RoutePolicy::apply(PolicyRoute& route, AsNumber own_as) const {
  PolicyOutcome outcome;
  for_each_candidate(route.prefix, [&](const RouteRule& rule, bool prefix_fits) {
    if (!first_mismatch(rule.match, route, prefix_fits).empty()) return true;
    if (rule.verdict == Verdict::kReject) {
      outcome.verdict = Verdict::kReject;
      return false;
    }
    if (rule.changes.any()) {
      change(route, rule.changes, own_as, outcome);
      outcome.changed = true;
    }
    if (rule.verdict == Verdict::kBlackhole) {
      make_blackhole(route.attributes);
      outcome.changed = true;
    }
    outcome.verdict = rule.verdict;
    return !rule.verdict;
  });
  return outcome;
}

PolicyOutcome RoutePolicy::apply(PolicyRoute& route, AsNumber own_as,
                                 std::vector<RuleReport>& reports) const {
  PolicyRoute traced = route;
  for (const RouteRule& rule : rules_) {
    const std::string_view mismatch = first_mismatch(rule.match, traced, false);
    reports.push_back(
        {rule.name, mismatch.empty(), mismatch.empty() ? describe(rule) : std::string(mismatch)});
    if (!mismatch.empty()) continue;
    PolicyOutcome ignored;
    change(traced, rule.changes, own_as, ignored);
    if (rule.verdict) break;
  }
  return apply(route, own_as);
}

std::strong_ordering operator<=>(const PolicyPtr& a, const PolicyPtr& b) {
  if (a.policy_ == b.policy_) return std::strong_ordering::equal;
  if (!a || !b) return static_cast<bool>(a) <=> static_cast<bool>(b);
  return a->rules() <=> b->rules();
}

RouteRule accept_prefixes(std::string name, std::vector<PrefixRange> prefixes) {
  RouteRule rule;
  rule.name = std::move(name);
  rule.match.prefixes = std::move(prefixes);
  rule.verdict = Verdict::kAccept;
  return rule;
}

}  // namespace towpath::bgp
