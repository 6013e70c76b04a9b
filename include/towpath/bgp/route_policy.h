// Route policy: rules that say which routes a peer may send us or be told, and with which attributes.
//
// Model
//   A policy is a list of rules, tried in order. A rule whose match fits the route makes its changes; if it
//   has a verdict, that is the end, else the next rule goes on with the changed route. What no rule decides
//   is left to the caller's default.
//
//   A match holds where each of its parts holds, and a part that lists several values holds where one of
//   them fits. Prefixes of all rules lie in one PrefixMap, so a list of thousands costs a route no more than
//   the prefixes that cover it.
//
// Ownership: immutable; peers with equal rules share one policy (PolicyPtr). A null PolicyPtr has no rules.
// Threading: one thread, as the look-up keeps a scratch list.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/base/address.h"
#include "towpath/base/ids.h"
#include "towpath/base/prefix.h"
#include "towpath/base/prefix_map.h"
#include "towpath/bgp/community_pattern.h"
#include "towpath/bgp/path_attributes.h"

namespace towpath::bgp {

// Where a route came from: this host, a peer in another AS, a peer in ours.
enum class RouteSource : std::uint8_t { kOwn, kExternal, kInternal };
std::string_view format(RouteSource source);

// Prefixes inside `within` whose length is in [min_length, max_length].
struct PrefixRange {
  Prefix within;
  std::uint8_t min_length = 0;
  std::uint8_t max_length = 128;
  bool contains(const Prefix& prefix) const {
    return prefix.length() >= min_length && prefix.length() <= max_length && within.contains(prefix);
  }
  friend auto operator<=>(const PrefixRange&, const PrefixRange&) = default;
};

struct RouteMatch {
  std::vector<PrefixRange> prefixes;
  std::vector<Origin> origins;
  std::vector<CommunityPattern> communities;
  std::vector<AsNumber> as_path_contains;
  std::vector<AsNumber> as_path_origins;  // the AS that originated the route
  std::vector<AsNumber> as_path_firsts;   // the neighbour AS
  std::optional<std::uint16_t> as_path_min_length;
  std::optional<std::uint16_t> as_path_max_length;
  std::vector<Prefix> next_hops;
  std::vector<RouteSource> sources;
  friend auto operator<=>(const RouteMatch&, const RouteMatch&) = default;
};

enum class NextHopRule : std::uint8_t { kSelf, kUnchanged, kAddress };

// What is absent stays as it is.
struct RouteChanges {
  std::optional<std::uint32_t> local_pref;
  std::optional<std::uint32_t> med;
  bool remove_med = false;
  // In this order: all go, those that match go, these are added.
  bool clear_communities = false;
  std::vector<CommunityPattern> delete_communities;
  std::vector<CommunityPattern> add_communities;
  std::uint8_t prepend = 0;  // our own AS, so many times
  std::optional<NextHopRule> next_hop;
  std::optional<IpAddress> next_hop_address;  // with kAddress
  bool any() const { return *this != RouteChanges{}; }
  friend auto operator<=>(const RouteChanges&, const RouteChanges&) = default;
};

// kBlackhole: accepted, but packets end here, and no other AS hears of the route (RFC 7999).
enum class Verdict : std::uint8_t { kAccept, kReject, kBlackhole };
std::string_view format(Verdict verdict);

struct RouteRule {
  std::string name;  // for people: "import[2]"
  RouteMatch match;
  RouteChanges changes;
  std::optional<Verdict> verdict;
  friend auto operator<=>(const RouteRule&, const RouteRule&) = default;
};

// A route on its way through a policy.
struct PolicyRoute {
  Prefix prefix;
  RouteSource source = RouteSource::kExternal;
  PathAttributes attributes;  // next_hop is that of the route
};

struct PolicyOutcome {
  std::optional<Verdict> verdict;  // none: no rule decided
  bool changed = false;            // attributes or one of the following
  // On export these take the place of what BGP itself would do.
  bool med_set = false;
  std::optional<NextHopRule> next_hop;
};

// What became of one rule, for people.
struct RuleReport {
  std::string rule;
  bool matched = false;
  std::string text;  // the part of the match that does not hold, or what the rule did
};

class RoutePolicy {
 public:
  explicit RoutePolicy(std::vector<RouteRule> rules);

  const std::vector<RouteRule>& rules() const { return rules_; }
  // Whether apply() looks at more than prefix and source; else `attributes` need not be filled in.
  bool reads_attributes() const { return reads_attributes_; }
  bool changes_attributes() const { return changes_attributes_; }

  // `own_as` is what `prepend` puts in front.
  PolicyOutcome apply(PolicyRoute& route, AsNumber own_as) const;
  // The same, and what each rule up to the deciding one said.
  PolicyOutcome apply(PolicyRoute& route, AsNumber own_as, std::vector<RuleReport>& reports) const;

  friend bool operator==(const RoutePolicy& a, const RoutePolicy& b) { return a.rules_ == b.rules_; }
  friend auto operator<=>(const RoutePolicy& a, const RoutePolicy& b) { return a.rules_ <=> b.rules_; }

 private:
  struct Entry {
    std::uint8_t min_length = 0;
    std::uint8_t max_length = 0;
    std::uint32_t rule = 0;
  };
  // Up to so many prefixes are faster compared one by one.
  static constexpr std::size_t kLinear = 16;

  template <class F>
  void for_each_candidate(const Prefix& prefix, F&& f) const;
  void find_candidates(const Prefix& prefix) const;

  std::vector<RouteRule> rules_;
  bool reads_attributes_ = false;
  bool changes_attributes_ = false;
  bool indexed_ = false;
  PrefixMap<std::vector<Entry>> entries_;
  std::array<std::vector<std::uint8_t>, 2> lengths_;  // of the prefixes in entries_, by family
  std::vector<std::uint32_t> unbounded_;              // rules that have no prefixes
  mutable std::vector<std::uint32_t> candidates_;
};

// Shared, and compared by value.
class PolicyPtr {
 public:
  PolicyPtr() = default;
  // No rules: null.
  explicit PolicyPtr(std::vector<RouteRule> rules)
      : policy_(rules.empty() ? nullptr : std::make_shared<const RoutePolicy>(std::move(rules))) {}

  explicit operator bool() const { return policy_ != nullptr; }
  const RoutePolicy& operator*() const { return *policy_; }
  const RoutePolicy* operator->() const { return policy_.get(); }

  friend bool operator==(const PolicyPtr& a, const PolicyPtr& b) { return (a <=> b) == 0; }
  friend std::strong_ordering operator<=>(const PolicyPtr& a, const PolicyPtr& b);

 private:
  std::shared_ptr<const RoutePolicy> policy_;
};

// A rule that accepts these prefixes and looks at nothing else.
RouteRule accept_prefixes(std::string name, std::vector<PrefixRange> prefixes);

}  // namespace towpath::bgp
