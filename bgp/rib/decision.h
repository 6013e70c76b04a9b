// The decision process: which of several paths of a prefix is best, and why (RFC 4271 section 9.1.2, RFC 4456
// section 9).
//
// Model
//   One ladder of rungs (DecisionRung). On each rung the paths that are worse than another one are out, and
//   the rest climb on. All rungs but one compare any two paths; kMed compares only paths of the same
//   neighbour AS, and therefore has to see all paths at once: comparing pairs in the order of their arrival
//   would let the result depend on that order.
//
// Pure functions.
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include "bgp/rib/attribute_table.h"
#include "bgp/rib/route.h"

namespace towpath::bgp {

struct Candidate {
  const AttributeKeys* keys = nullptr;
  const RibPeer* peer = nullptr;
  std::uint32_t path_id = 0;
  std::uint32_t path = kNoIndex;  // for the caller
  std::uint32_t cost = 0;         // of the way to the next hop
};

// less: `a` is preferred. equal also where the rung does not compare these two.
std::strong_ordering compare_at(DecisionRung rung, const Candidate& a, const Candidate& b);

struct Comparison {
  std::strong_ordering order;  // less: the first is preferred
  DecisionRung rung;           // that made the difference
};
// Of two paths that are alone with each other.
Comparison compare_paths(const Candidate& a, const Candidate& b);

// Leaves in `paths` those that are still in after all rungs before `end`, in no order.
void eliminate(std::vector<Candidate>& paths, DecisionRung end = DecisionRung::kSame);
// The best of at least one. Reorders and shortens `paths`.
Candidate select_best(std::vector<Candidate>& paths);
// On which rung `loser` went out, where `paths` has all paths, `loser` among them; kSame for the best one.
DecisionRung rung_of(std::vector<Candidate> paths, const Candidate& loser);

}  // namespace towpath::bgp
