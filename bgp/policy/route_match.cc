#include "bgp/policy/route_match.h"

#include <algorithm>

namespace towpath::bgp {
namespace {

template <class T>
bool lists(const std::vector<T>& values, const T& value) {
  return values.empty() || std::ranges::find(values, value) != values.end();
}

bool lists(const std::vector<AsNumber>& values, const std::optional<AsNumber>& value) {
  return values.empty() || (value && std::ranges::find(values, *value) != values.end());
}

}  // namespace

std::string_view first_mismatch(const RouteMatch& match, const PolicyRoute& route, bool prefix_fits) {
  const PathAttributes& a = route.attributes;
  if (!prefix_fits && !match.prefixes.empty() &&
      std::ranges::none_of(match.prefixes, [&](const PrefixRange& r) { return r.contains(route.prefix); })) {
    return "prefix";
  }
  if (!lists(match.sources, route.source)) return "source";
  if (!lists(match.origins, a.origin)) return "origin";
  if (!match.communities.empty() &&
      std::ranges::none_of(match.communities, [&](const CommunityPattern& c) { return c.matches(a); })) {
    return "community";
  }
  if (!match.as_path_contains.empty() &&
      std::ranges::none_of(match.as_path_contains, [&](AsNumber as) { return a.as_path.contains(as); })) {
    return "as_path.contains";
  }
  if (!lists(match.as_path_origins, a.as_path.origin_as())) return "as_path.origin";
  if (!lists(match.as_path_firsts, a.as_path.first_as())) return "as_path.first";
  if (match.as_path_min_length && a.as_path.length() < *match.as_path_min_length) return "as_path.min_length";
  if (match.as_path_max_length && a.as_path.length() > *match.as_path_max_length) return "as_path.max_length";
  if (!match.next_hops.empty() && std::ranges::none_of(match.next_hops, [&](const Prefix& p) {
        return p.contains(a.next_hop.address);
      })) {
    return "next_hop";
  }
  return {};
}

bool reads_attributes(const RouteMatch& match) {
  RouteMatch others = match;
  others.prefixes.clear();
  others.sources.clear();
  return others != RouteMatch{};
}

}  // namespace towpath::bgp
