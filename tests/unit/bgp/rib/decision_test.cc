#include "bgp/rib/decision.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "rib_fixture.h"

namespace towpath::bgp {
namespace {

// One path of a peer of its own.
struct Path {
  PathAttributes attributes = bgp::attributes({65001, 65009});
  RibPeer peer = rib_peer("10.0.0.9", PeerKind::kExternal);
  std::uint32_t path_id = 0;
};

struct Built {
  explicit Built(const Path& p) : keys(AttributeKeys::of(p.attributes)), peer(p.peer), path_id(p.path_id) {}
  Candidate candidate(std::uint32_t number = 0) const { return {&keys, &peer, path_id, number}; }
  AttributeKeys keys;
  RibPeer peer;
  std::uint32_t path_id;
};

struct Rung {
  DecisionRung rung;
  const char* reason;
  std::function<void(Path&)> better;  // of two equal paths, what this is done to wins on this rung
};

const std::vector<Rung>& ladder() {
  static const std::vector<Rung> rungs{
      {DecisionRung::kLocal, "what we originate comes before what we learn",
       [](Path& p) { p.peer.kind = PeerKind::kLocal; }},
      {DecisionRung::kLocalPref, "RFC 4271 9.1.2: the highest degree of preference",
       [](Path& p) { p.attributes.local_pref = 101; }},
      {DecisionRung::kAsPathLength, "RFC 4271 9.1.2.2 a: the fewest AS numbers",
       [](Path& p) { p.attributes.as_path = as_path({65001}); }},
      {DecisionRung::kAsPathLength, "RFC 4271 9.1.2.2 a: an AS_SET of any size counts one",
       [](Path& p) { p.attributes.as_path.segments = {{SegmentType::kSet, {{1}, {2}, {3}, {4}}}}; }},
      {DecisionRung::kOrigin, "RFC 4271 9.1.2.2 b: the lowest origin",
       [](Path& p) { p.attributes.origin = Origin::kIgp; }},
      {DecisionRung::kMed, "RFC 4271 9.1.2.2 c: the lowest MED of one neighbour AS",
       [](Path& p) { p.attributes.med = 6; }},
      {DecisionRung::kMed, "RFC 4271 9.1.2.2 c: no MED counts as the lowest",
       [](Path& p) { p.attributes.med.reset(); }},
      {DecisionRung::kExternal, "RFC 4271 9.1.2.2 d: external before internal",
       [](Path& p) { p.peer.kind = PeerKind::kExternal; }},
      {DecisionRung::kRouterId, "RFC 4271 9.1.2.2 f: the lowest BGP identifier, as a number",
       [](Path& p) { p.peer.router_id = {0x09FFFFFF}; }},
      {DecisionRung::kRouterId, "RFC 4456 9: ORIGINATOR_ID in place of the identifier",
       [](Path& p) { p.attributes.originator_id = RouterId{0x09FFFFFF}; }},
      {DecisionRung::kClusterListLength, "RFC 4456 9: the shorter CLUSTER_LIST",
       [](Path& p) { p.attributes.cluster_list.pop_back(); }},
      {DecisionRung::kPeerAddress, "RFC 4271 9.1.2.2 g: the lowest peer address",
       [](Path& p) { p.peer.address = address("9.255.255.255"); }},
      {DecisionRung::kPathId, "RFC 7911: the lowest path identifier, so that the choice is stable",
       [](Path& p) { p.path_id = 3; }}};
  return rungs;
}

// Two of these are equal on every rung.
Path middling() {
  Path p;
  p.attributes.origin = Origin::kEgp;
  p.attributes.med = 7;
  p.attributes.cluster_list = {{1}, {2}};
  p.peer.kind = PeerKind::kInternal;
  p.path_id = 4;
  return p;
}

TEST(Decision, EachRungDecidesBothWays) {
  for (const Rung& rung : ladder()) {
    SCOPED_TRACE(rung.reason);
    Path better = middling();
    rung.better(better);
    const Built a(better);
    const Built b(middling());
    const Comparison forward = compare_paths(a.candidate(), b.candidate());
    EXPECT_EQ(forward.order, std::strong_ordering::less);
    EXPECT_EQ(forward.rung, rung.rung) << format(forward.rung);
    const Comparison backward = compare_paths(b.candidate(), a.candidate());
    EXPECT_EQ(backward.order, std::strong_ordering::greater);
    EXPECT_EQ(backward.rung, rung.rung) << format(backward.rung);
  }
}

// A path that wins on one rung loses to one that wins on any earlier rung.
TEST(Decision, TheRungsStandInThisOrder) {
  for (const Rung& earlier : ladder()) {
    for (const Rung& later : ladder()) {
      if (earlier.rung >= later.rung) continue;
      // A local path has no neighbour AS to speak of; AS_SET first has none either, so MED does not compare.
      if (later.rung == DecisionRung::kMed && earlier.rung == DecisionRung::kAsPathLength) continue;
      SCOPED_TRACE(std::string(earlier.reason) + " / " + later.reason);
      Path a = middling();
      Path b = middling();
      earlier.better(a);
      later.better(b);
      const Comparison c = compare_paths(Built(a).candidate(), Built(b).candidate());
      EXPECT_EQ(c.order, std::strong_ordering::less);
      EXPECT_EQ(c.rung, earlier.rung);
    }
  }
}

TEST(Decision, EqualPathsAreEqual) {
  const Built a(middling());
  EXPECT_EQ(compare_paths(a.candidate(), a.candidate()).rung, DecisionRung::kSame);
}

TEST(Decision, MedOfDifferentNeighboursIsNotCompared) {
  Path a = middling();
  Path b = middling();
  a.attributes.med = 1;
  b.attributes.med = 1000;
  b.attributes.as_path = as_path({65002, 65009});
  b.peer.router_id = {1};
  EXPECT_EQ(compare_paths(Built(b).candidate(), Built(a).candidate()).rung, DecisionRung::kRouterId);
  EXPECT_EQ(compare_paths(Built(b).candidate(), Built(a).candidate()).order, std::strong_ordering::less);
}

struct Choice {
  const char* reason;
  std::vector<Path> paths;
  std::size_t best;
  std::vector<DecisionRung> rungs;  // where each path goes out; kSame for the best
};

Path via(std::uint32_t as, std::uint32_t med, std::uint32_t router_id, PeerKind kind = PeerKind::kExternal) {
  Path p;
  p.attributes.as_path = as_path({as, 65009});
  p.attributes.med = med;
  p.peer.kind = kind;
  p.peer.router_id = {router_id};
  p.peer.address = IpAddress::v4(0x0A000000 + router_id);
  return p;
}

std::vector<Choice> choices() {
  using enum DecisionRung;
  Path three_long = via(65001, 0, 1);
  three_long.attributes.as_path = as_path({65001, 65002, 65009});
  return {
      {"A beats B by identifier, B beats C by identifier, C beats A by MED: A is out, because C is there",
       {via(1, 10, 1), via(2, 0, 2), via(1, 5, 3)},
       1,
       {kMed, kSame, kRouterId}},
      {"the same with the MED of A and C equal: A stays and wins",
       {via(1, 5, 1), via(2, 0, 2), via(1, 5, 3)},
       0,
       {kSame, kRouterId, kRouterId}},
      {"the path with the lowest MED goes out later; the ones that it put out do not come back",
       {via(1, 10, 1), via(1, 0, 2, PeerKind::kInternal), via(2, 7, 9)},
       2,
       {kMed, kExternal, kSame}},
      {"two neighbours, each with its own lowest MED",
       {via(1, 3, 4), via(1, 2, 3), via(2, 200, 2), via(2, 100, 8)},
       1,
       {kMed, kSame, kMed, kRouterId}},
      {"a path that is out for its length does not take part in MED",
       {via(65001, 9, 2), three_long, via(2, 0, 3)},
       0,
       {kSame, kAsPathLength, kRouterId}},
      {"one path alone", {via(1, 1, 1)}, 0, {kSame}},
      {"five of one neighbour",
       {via(1, 4, 5), via(1, 3, 4), via(1, 3, 3), via(1, 4, 2), via(1, 9, 1)},
       2,
       {kMed, kRouterId, kSame, kMed, kMed}},
  };
}

TEST(Decision, TheResultDoesNotDependOnTheOrderOfArrival) {
  for (const Choice& choice : choices()) {
    SCOPED_TRACE(choice.reason);
    std::vector<Built> built(choice.paths.begin(), choice.paths.end());
    std::vector<std::uint32_t> order(built.size());
    std::iota(order.begin(), order.end(), 0U);
    do {
      std::vector<Candidate> candidates;
      for (const std::uint32_t i : order) candidates.push_back(built[i].candidate(i));
      for (const std::uint32_t i : order)
        EXPECT_EQ(rung_of(candidates, built[i].candidate(i)), choice.rungs[i]);
      EXPECT_EQ(select_best(candidates).path, choice.best);
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

// The same through announce() and withdraw(): every order of arrival, with and without a path that comes and
// goes.
TEST(Decision, EveryInsertionOrderThroughTheRib) {
  for (const Choice& choice : choices()) {
    SCOPED_TRACE(choice.reason);
    std::vector<std::uint32_t> order(choice.paths.size());
    std::iota(order.begin(), order.end(), 0U);
    do {
      Rib rib(identity());
      std::vector<PeerId> ids;
      for (const Path& p : choice.paths) ids.push_back(rib.add_peer(p.peer));
      const PeerId guest = rib.add_peer(rib_peer("10.0.0.77", PeerKind::kExternal));
      PathAttributes strong = choice.paths[0].attributes;
      strong.as_path = as_path({1});
      strong.med = 0;
      announce(rib, guest, "10.1.0.0/16", strong);
      for (const std::uint32_t i : order) announce(rib, ids[i], "10.1.0.0/16", choice.paths[i].attributes);
      withdraw(rib, guest, "10.1.0.0/16");
      const auto rows = rib.find(prefix("10.1.0.0/16"), at_second(2000));
      ASSERT_EQ(rows.size(), choice.paths.size());
      EXPECT_EQ(rows[0].peer, ids[choice.best]);
      EXPECT_TRUE(rows[0].best);
      for (const std::uint32_t i : order) {
        const auto rung = rib.explain(prefix("10.1.0.0/16"), ids[i], 0);
        EXPECT_EQ(rung.value_or(DecisionRung::kSame), choice.rungs[i]);
      }
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

TEST(Decision, EveryRungHasAName) {
  for (int i = 0; i <= static_cast<int>(DecisionRung::kSame); ++i) {
    EXPECT_NE(format(static_cast<DecisionRung>(i)), "unknown");
  }
}

}  // namespace
}  // namespace towpath::bgp
