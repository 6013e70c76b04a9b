#include "bgp/rib/decision.h"

#include <algorithm>
#include <tuple>

#include "towpath/base/check.h"

namespace towpath::bgp {
namespace {

DecisionRung next(DecisionRung rung) {
  return static_cast<DecisionRung>(static_cast<std::uint8_t>(rung) + 1);
}

// RFC 4456 section 9: ORIGINATOR_ID stands in for the identifier of the peer that reflected the route.
std::uint32_t router_id(const Candidate& c) {
  return c.keys->originator_id != 0 ? c.keys->originator_id : c.peer->router_id.value;
}

// RFC 4271 section 9.1.2.2 c: of each neighbour AS only the paths with its lowest MED stay.
void eliminate_by_med(std::vector<Candidate>& paths) {
  std::ranges::sort(paths, {},
                    [](const Candidate& c) { return std::pair(c.keys->neighbour_as, c.keys->med); });
  const AttributeKeys* lowest = nullptr;
  std::erase_if(paths, [&lowest](const Candidate& c) {
    if (lowest == nullptr || lowest->neighbour_as != c.keys->neighbour_as) lowest = c.keys;
    return c.keys->med != lowest->med;
  });
}

void eliminate_at(DecisionRung rung, std::vector<Candidate>& paths) {
  if (rung == DecisionRung::kMed) {
    eliminate_by_med(paths);
    return;
  }
  const Candidate best = *std::ranges::min_element(
      paths, [rung](const auto& a, const auto& b) { return compare_at(rung, a, b) < 0; });
  std::erase_if(paths, [&](const Candidate& c) { return compare_at(rung, best, c) < 0; });
}

}  // namespace

// The ladder. `less` prefers `a`.
std::strong_ordering compare_at(DecisionRung rung, const Candidate& a, const Candidate& b) {
  const AttributeKeys& x = *a.keys;
  const AttributeKeys& y = *b.keys;
  switch (rung) {
    // 1. What we originate ourselves, before anything learned.
    case DecisionRung::kLocal:
      return (a.peer->kind != PeerKind::kLocal) <=> (b.peer->kind != PeerKind::kLocal);
    // 2. Higher LOCAL_PREF (RFC 4271 section 9.1.2).
    case DecisionRung::kLocalPref: return y.local_pref <=> x.local_pref;
    // 3. Shorter AS_PATH (section 9.1.2.2 a).
    case DecisionRung::kAsPathLength: return x.as_path_length <=> y.as_path_length;
    // 4. Lower ORIGIN (b).
    case DecisionRung::kOrigin: return x.origin <=> y.origin;
    // 5. Lower MED, of one neighbour AS (c).
    case DecisionRung::kMed:
      return x.neighbour_as == y.neighbour_as ? x.med <=> y.med : std::strong_ordering::equal;
    // 6. eBGP before iBGP (d).
    case DecisionRung::kExternal: return is_internal(a.peer->kind) <=> is_internal(b.peer->kind);
    // 7. Lower cost of the way to the next hop (e).
    case DecisionRung::kIgpMetric: return a.cost <=> b.cost;
    // 8. Lower BGP identifier (f), or originator (RFC 4456 section 9).
    case DecisionRung::kRouterId: return router_id(a) <=> router_id(b);
    // 9. Shorter CLUSTER_LIST (RFC 4456 section 9).
    case DecisionRung::kClusterListLength: return x.cluster_list_length <=> y.cluster_list_length;
    // 10. Lower peer address (g).
    case DecisionRung::kPeerAddress: return a.peer->address <=> b.peer->address;
    // 11. Two paths of one peer (RFC 7911): the lower path identifier, so that the choice is stable.
    case DecisionRung::kPathId: return a.path_id <=> b.path_id;
    case DecisionRung::kSame: return std::strong_ordering::equal;
  }
  return std::strong_ordering::equal;
}

Comparison compare_paths(const Candidate& a, const Candidate& b) {
  for (DecisionRung rung = DecisionRung::kLocal; rung != DecisionRung::kSame; rung = next(rung)) {
    if (const auto order = compare_at(rung, a, b); order != 0) return {order, rung};
  }
  return {std::strong_ordering::equal, DecisionRung::kSame};
}

void eliminate(std::vector<Candidate>& paths, DecisionRung end) {
  for (DecisionRung rung = DecisionRung::kLocal; rung != end && paths.size() > 1; rung = next(rung)) {
    eliminate_at(rung, paths);
  }
}

Candidate select_best(std::vector<Candidate>& paths) {
  TOWPATH_CHECK(!paths.empty());
  if (paths.size() == 2) return compare_paths(paths[0], paths[1]).order <= 0 ? paths[0] : paths[1];
  eliminate(paths);
  return paths.front();
}

DecisionRung rung_of(std::vector<Candidate> paths, const Candidate& loser) {
  for (DecisionRung rung = DecisionRung::kLocal; rung != DecisionRung::kSame; rung = next(rung)) {
    eliminate_at(rung, paths);
    if (std::ranges::none_of(paths, [&](const Candidate& c) { return c.path == loser.path; })) return rung;
  }
  return DecisionRung::kSame;
}

}  // namespace towpath::bgp
