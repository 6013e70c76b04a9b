#include "agent/config/read_rule.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "agent/config/scalars.h"
#include "towpath/bgp/community_pattern.h"

namespace towpath::agent {
namespace {

using bgp::CommunityPattern;
using bgp::NextHopRule;
using bgp::Origin;
using bgp::PrefixRange;
using bgp::RouteChanges;
using bgp::RouteMatch;
using bgp::RouteSource;
using bgp::Verdict;

constexpr std::array<std::pair<std::string_view, Verdict>, 3> kActions{
    {{"accept", Verdict::kAccept}, {"reject", Verdict::kReject}, {"blackhole", Verdict::kBlackhole}}};
constexpr std::array<std::pair<std::string_view, Verdict>, 2> kShortActions{
    {{"accept", Verdict::kAccept}, {"reject", Verdict::kReject}}};
constexpr std::array<std::pair<std::string_view, Origin>, 3> kOrigins{
    {{"igp", Origin::kIgp}, {"egp", Origin::kEgp}, {"incomplete", Origin::kIncomplete}}};
constexpr std::array<std::pair<std::string_view, RouteSource>, 3> kSources{
    {{"own", RouteSource::kOwn}, {"external", RouteSource::kExternal}, {"internal", RouteSource::kInternal}}};

// One value, or a list of them.
template <class T, class Parse>
void read_several(Section& section, std::string_view key, std::vector<T>& out, Parse parse) {
  const auto value = section.get(key);
  if (!value) return;
  const bool list = value->node().IsSequence();
  if (list && value->node().size() == 0) value->refuse("must not be empty");
  for (const Value& item : list ? value->items() : std::vector{*value}) {
    T parsed{};
    if (item.read(parsed, parse)) out.push_back(std::move(parsed));
  }
}

// min_length and max_length of `range.within`.
void read_lengths(Section& section, PrefixRange& range) {
  const std::uint8_t shortest = range.within.length();
  const std::uint8_t longest = range.within.address().bits();
  range.min_length = shortest;
  section.read("min_length", range.min_length, number_between(shortest, longest));
  range.max_length = longest;
  section.read("max_length", range.max_length, number_between(range.min_length, longest));
}

PrefixRange read_range(Section& section) {
  PrefixRange range;
  section.read_required("prefix", range.within, Prefix::parse);
  read_lengths(section, range);
  return range;
}

// "10.0.0.0/8", or {prefix, min_length, max_length}, or a list of these.
void read_prefixes(const Value& value, std::vector<PrefixRange>& out) {
  const bool list = value.node().IsSequence();
  if (list && value.node().size() == 0) value.refuse("must not be empty");
  for (const Value& item : list ? value.items() : std::vector{value}) {
    if (item.node().IsMap()) {
      Section section(item);
      out.push_back(read_range(section));
      section.finish();
      continue;
    }
    PrefixRange range;
    if (!item.read(range.within, Prefix::parse)) continue;
    range.min_length = range.within.length();
    range.max_length = range.within.address().bits();
    out.push_back(range);
  }
}

void read_as_path(const Value& value, RouteMatch& match) {
  Section section(value);
  read_several(section, "contains", match.as_path_contains, AsNumber::parse);
  read_several(section, "origin", match.as_path_origins, AsNumber::parse);
  read_several(section, "first", match.as_path_firsts, AsNumber::parse);
  std::uint16_t length = 0;
  if (section.read("min_length", length, number_between<std::uint16_t>(0, 1000))) {
    match.as_path_min_length = length;
  }
  if (section.read("max_length", length,
                   number_between<std::uint16_t>(match.as_path_min_length.value_or(0), 1000))) {
    match.as_path_max_length = length;
  }
  if (const auto empty = section.get("empty")) {
    bool wanted = false;
    if (match.as_path_min_length || match.as_path_max_length) {
      empty->refuse("cannot stand beside min_length and max_length");
    } else if (empty->read(wanted, parse_bool)) {
      (wanted ? match.as_path_max_length : match.as_path_min_length) = wanted ? 0 : 1;
    }
  }
  section.finish();
}

RouteMatch read_match(const Value& value) {
  Section section(value);
  RouteMatch match;
  if (const auto prefix = section.get("prefix")) {
    read_prefixes(*prefix, match.prefixes);
    if (prefix->node().IsScalar() && !match.prefixes.empty()) read_lengths(section, match.prefixes[0]);
  }
  read_several(section, "source", match.sources, one_of(kSources));
  read_several(section, "origin", match.origins, one_of(kOrigins));
  read_several(section, "community", match.communities, CommunityPattern::parse);
  if (const auto as_path = section.get("as_path")) read_as_path(*as_path, match);
  read_several(section, "next_hop", match.next_hops, [](std::string_view text) -> Result<Prefix> {
    if (const auto address = IpAddress::parse(text)) return Prefix::host(*address);
    return Prefix::parse(text);
  });
  section.finish();
  return match;
}

void read_next_hop(const Value& value, RouteChanges& changes) {
  const auto text = value.scalar();
  if (!text) return;
  if (*text == "self") {
    changes.next_hop = NextHopRule::kSelf;
  } else if (*text == "unchanged") {
    changes.next_hop = NextHopRule::kUnchanged;
  } else if (const auto address = parse_session_address(*text)) {
    changes.next_hop = NextHopRule::kAddress;
    changes.next_hop_address = *address;
  } else {
    value.refuse("must be self, unchanged or an address");
  }
}

void read_then(const Value& value, bgp::RouteRule& rule) {
  Section section(value);
  RouteChanges& changes = rule.changes;
  rule.verdict.reset();
  Verdict verdict{};
  if (section.read("action", verdict, one_of(kActions))) rule.verdict = verdict;
  const auto metric = number_between<std::uint32_t>(0, UINT32_MAX);
  std::uint32_t number = 0;
  if (section.read("local_pref", number, metric)) changes.local_pref = number;
  if (const auto med = section.get("med")) {
    changes.remove_med = med->node().IsScalar() && med->node().Scalar() == "none";
    if (!changes.remove_med && med->read(number, metric)) changes.med = number;
  }
  changes.clear_communities = section.get("set_community").has_value();
  read_several(section, "set_community", changes.add_communities, CommunityPattern::parse_exact);
  read_several(section, "delete_community", changes.delete_communities, CommunityPattern::parse);
  read_several(section, "add_community", changes.add_communities, CommunityPattern::parse_exact);
  section.read("prepend", changes.prepend, number_between<std::uint8_t>(1, 32));
  if (const auto next_hop = section.get("next_hop")) read_next_hop(*next_hop, changes);
  section.finish();
  if (!rule.verdict && !changes.any()) value.refuse("does nothing: no action and no change");
}

}  // namespace

bgp::RouteRule read_rule(const Value& item, std::string name) {
  bgp::RouteRule rule;
  rule.name = std::move(name);
  rule.verdict = Verdict::kAccept;
  Section section(item);
  if (const auto policy = section.get("policy")) policy->refuse("the rules of a policy cannot name another");
  const auto match = section.get("match");
  const auto then = section.get("then");
  if (match || then) {
    if (match) rule.match = read_match(*match);
    if (then) read_then(*then, rule);
  } else {
    rule.match.prefixes.push_back(read_range(section));
    section.read("action", *rule.verdict, one_of(kShortActions));
  }
  section.finish();
  return rule;
}

void check_direction(const Value& item, const bgp::RouteRule& rule, std::string_view direction) {
  const RouteChanges& c = rule.changes;
  const auto complain = [&](std::string_view key, std::string_view only) {
    item.diagnostics().add(item.line(), fmt::format("{}.then.{}", item.path(), key), std::nullopt,
                           fmt::format("has a meaning on {} only", only));
  };
  if (direction == kImport) {
    if (c.prepend != 0) complain("prepend", kExport);
    if (c.next_hop && *c.next_hop != NextHopRule::kAddress) complain("next_hop", kExport);
  } else if (rule.verdict == Verdict::kBlackhole) {
    complain("action blackhole", kImport);
  }
}

}  // namespace towpath::agent
