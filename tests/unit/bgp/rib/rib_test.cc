#include "bgp/rib/rib.h"

#include <gtest/gtest.h>

#include "rib_fixture.h"

namespace towpath::bgp {
namespace {

constexpr Family kV4 = Family::kIpv4Unicast;

class RibTest : public testing::Test {
 protected:
  std::vector<RibDelta> changes() {
    std::vector<RibDelta> all;
    while (rib_.read_changes(2, all)) {
    }
    return all;
  }
  RouteRow only(const std::string& text) {
    const auto rows = rib_.find(prefix(text), at_second(1010));
    EXPECT_EQ(rows.size(), 1U);
    return rows.empty() ? RouteRow{} : rows[0];
  }

  Rib rib_{identity()};
  PeerId ext_ = rib_.add_peer(rib_peer("10.0.0.1", PeerKind::kExternal));
  PeerId int_ = rib_.add_peer(rib_peer("fd00::2", PeerKind::kInternal));
};

TEST_F(RibTest, TheFibHearsOfBestPathsOnly) {
  announce(rib_, ext_, "10.1.0.0/16", attributes({65001}));
  announce(rib_, int_, "10.1.0.0/16", attributes({65001, 65002}), "198.51.100.2");
  announce(rib_, int_, "2001:db8:5::/48", attributes({}));
  auto all = changes();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].prefix, prefix("10.1.0.0/16"));
  EXPECT_EQ(all[0].best, (FibPath{ext_, next_hop("198.51.100.1")}));
  EXPECT_EQ(all[1].best, (FibPath{int_, next_hop("2001:db8:1::1")}));
  withdraw(rib_, ext_, "10.1.0.0/16");
  all = changes();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].best, (FibPath{int_, next_hop("198.51.100.2")}));
  withdraw(rib_, int_, "10.1.0.0/16");
  all = changes();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_FALSE(all[0].best);
  EXPECT_EQ(rib_.prefix_count(kV4), 0U);
  EXPECT_FALSE(rib_.has_changes());
}

TEST_F(RibTest, TheSameRouteAgainChangesNothing) {
  announce(rib_, ext_, "10.1.0.0/16", attributes({65001}));
  changes();
  announce(rib_, ext_, "10.1.0.0/16", attributes({65001}));
  EXPECT_TRUE(changes().empty());
  EXPECT_EQ(only("10.1.0.0/16").age_seconds, 10U);
}

TEST_F(RibTest, AChangeThatIsTakenBackBeforeAnyoneLooksIsOneChange) {
  for (int i = 0; i < 100; ++i) {
    announce(rib_, ext_, "10.1.0.0/16", attributes({65001}));
    withdraw(rib_, ext_, "10.1.0.0/16");
  }
  EXPECT_EQ(changes().size(), 1U);
}

TEST_F(RibTest, WithdrawnAndAnnouncedInOneMessageIsAnnounced) {
  UpdateMessage update;
  update.unreach[0].nlri = {{prefix("10.1.0.0/16")}};
  update.reach[UpdateMessage::kNlriField].nlri = {{prefix("10.1.0.0/16")}};
  update.reach[UpdateMessage::kNlriField].next_hop = next_hop("198.51.100.1");
  rib_.apply(ext_, update, at_second(1));
  EXPECT_TRUE(only("10.1.0.0/16").best) << "RFC 4271 4.3";
}

struct Excluded {
  PathExclusion exclusion;
  PathAttributes attributes;
  const char* prefix;
  const char* next_hop;
};

TEST_F(RibTest, WhatMayNotBeUsedIsKeptWithTheReason) {
  rib_.set_import_policy(
      ext_,
      PolicyPtr({accept_prefixes("", {{prefix("10.0.0.0/8"), 16, 24}, {prefix("2001:db8::/32"), 0, 128}})}),
      {});
  PathAttributes looped = attributes({65001, 65000});
  PathAttributes ours = attributes({65001});
  ours.originator_id = identity().router_id;
  PathAttributes cluster = attributes({65001});
  cluster.cluster_list = {{9}, identity().cluster_id};
  const PathAttributes plain = attributes({65001});
  const std::vector<Excluded> rows{{PathExclusion::kImportRules, plain, "11.0.0.0/16", "198.51.100.1"},
                                   {PathExclusion::kImportRules, plain, "10.0.0.0/15", "198.51.100.1"},
                                   {PathExclusion::kImportRules, plain, "10.0.0.0/25", "198.51.100.1"},
                                   {PathExclusion::kAsLoop, looped, "10.0.0.0/16", "198.51.100.1"},
                                   {PathExclusion::kOriginatorLoop, ours, "10.1.0.0/16", "198.51.100.1"},
                                   {PathExclusion::kClusterLoop, cluster, "10.2.0.0/16", "198.51.100.1"},
                                   {PathExclusion::kNextHop, plain, "10.3.0.0/16", "192.0.2.1"},
                                   {PathExclusion::kNextHop, plain, "10.4.0.0/16", "0.0.0.0"},
                                   {PathExclusion::kNextHop, plain, "10.5.0.0/16", "127.0.0.1"},
                                   {PathExclusion::kNextHop, plain, "10.6.0.0/16", "224.0.0.1"},
                                   {PathExclusion::kNextHop, plain, "2001:db8:1::/48", "2001:db8::1"},
                                   {PathExclusion::kNextHop, plain, "2001:db8:2::/48", "::1"},
                                   {PathExclusion::kNextHop, plain, "2001:db8:3::/48", "ff02::1"}};
  for (const Excluded& row : rows) {
    SCOPED_TRACE(row.prefix);
    announce(rib_, ext_, row.prefix, row.attributes, row.next_hop);
    EXPECT_EQ(only(row.prefix).exclusion, row.exclusion) << format(only(row.prefix).exclusion);
    EXPECT_FALSE(only(row.prefix).best);
    EXPECT_FALSE(rib_.explain(prefix(row.prefix), ext_, 0));
  }
  EXPECT_TRUE(changes().empty());
  const auto v4 = rib_.counters(ext_, kV4);
  EXPECT_EQ(v4.received, 10U);
  EXPECT_EQ(v4.accepted, 0U);
  for (const Excluded& row : rows) withdraw(rib_, ext_, row.prefix);
  EXPECT_EQ(rib_.prefix_count(kV4), 0U) << "nobody heard of them, so nobody has to hear that they are gone";
  EXPECT_EQ(rib_.attribute_set_count(), 0U);
}

TEST_F(RibTest, NewRulesNeedNoRefresh) {
  announce(rib_, ext_, "10.1.0.0/16", attributes({65001}));
  announce(rib_, ext_, "10.2.0.0/16", attributes({65000}));
  changes();
  rib_.set_import_policy(ext_, PolicyPtr({accept_prefixes("", {{prefix("11.0.0.0/8"), 0, 32}})}), {});
  run_to_end(rib_);
  EXPECT_FALSE(changes().at(0).best);
  EXPECT_EQ(only("10.1.0.0/16").exclusion, PathExclusion::kImportRules);
  EXPECT_EQ(only("10.2.0.0/16").exclusion, PathExclusion::kAsLoop) << "rules do not heal a loop";
  rib_.set_import_policy(ext_, accept_all(), {});
  run_to_end(rib_);
  EXPECT_TRUE(only("10.1.0.0/16").best);
  EXPECT_FALSE(only("10.2.0.0/16").best);
}

TEST_F(RibTest, APathThatDoesNotBeginWithThePeersAsIsKeptAndNotUsed) {
  announce(rib_, ext_, "10.1.0.0/16", attributes({65001, 65002}));
  announce(rib_, ext_, "10.2.0.0/16", attributes({65002, 65001}));
  announce(rib_, ext_, "2001:db8:2::/48", attributes({}), "2001:db8::9");
  rib_.set_import_policy(ext_, accept_all(), {}, {AsNumber{65001}});
  run_to_end(rib_);
  EXPECT_TRUE(only("10.1.0.0/16").best);
  EXPECT_EQ(only("10.2.0.0/16").exclusion, PathExclusion::kFirstAs);
  EXPECT_EQ(only("2001:db8:2::/48").exclusion, PathExclusion::kFirstAs);
  announce(rib_, ext_, "10.1.0.0/16", attributes({65002}));
  EXPECT_FALSE(only("10.1.0.0/16").best) << "it took the place of a good one";
  rib_.set_import_policy(ext_, accept_all(), {});
  run_to_end(rib_);
  EXPECT_TRUE(only("10.2.0.0/16").best);
}

TEST_F(RibTest, ThePolicyMayChangeWhatIsUsedAndTheAdjRibInKeepsWhatCame) {
  RouteRule prefer = accept_prefixes("prefer", {{prefix("10.1.0.0/16"), 0, 32}});
  prefer.changes.local_pref = 200;
  prefer.changes.add_communities = {*CommunityPattern::parse_exact("65000:5")};
  rib_.set_import_policy(ext_, PolicyPtr({prefer, accept_prefixes("rest", {})}), {});
  announce(rib_, ext_, "10.1.2.0/24", attributes({65001}));
  announce(rib_, ext_, "10.2.2.0/24", attributes({65001}));
  EXPECT_EQ(only("10.1.2.0/24").attributes.local_pref, 200U);
  EXPECT_FALSE(only("10.2.2.0/24").attributes.local_pref);
  WalkCursor cursor;
  std::vector<RouteRow> rows;
  rib_.walk_adj_rib_in(ext_, cursor, 10, at_second(1001), rows);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_FALSE(rows[0].attributes.local_pref);
  EXPECT_TRUE(rows[0].attributes.communities.empty());
  rib_.set_import_policy(ext_, accept_all(), {});
  run_to_end(rib_);
  EXPECT_FALSE(only("10.1.2.0/24").attributes.local_pref)
      << "applied to what came, not to what was made of it";
  EXPECT_EQ(rib_.attribute_set_count(), 1U);
}

TEST_F(RibTest, WhatAPeerMayNotOriginateIsNotUsedWhateverThePolicySays) {
  RouteRule others = accept_prefixes("pools", {{prefix("10.64.0.0/16"), 16, 32}});
  others.verdict = Verdict::kReject;
  rib_.set_import_policy(ext_, accept_all(),
                         PolicyPtr({accept_prefixes("blocks", {{prefix("10.64.1.0/24"), 24, 32}}), others}));
  announce(rib_, ext_, "10.64.1.7/32", attributes({65001}));
  announce(rib_, ext_, "10.64.2.7/32", attributes({65001}));
  announce(rib_, ext_, "192.0.2.0/24", attributes({65001}));
  EXPECT_TRUE(only("10.64.1.7/32").best);
  EXPECT_EQ(only("10.64.2.7/32").exclusion, PathExclusion::kNotAuthorised);
  EXPECT_TRUE(only("192.0.2.0/24").best) << "outside the pools it says nothing";
}

TEST_F(RibTest, ARouteThatWasForCustomersOnlyIsALeak) {
  // RFC 9234 section 5. The AS that marked it, our role toward the sender (65001), is it a leak?
  struct Row {
    Role role;
    std::uint32_t marked_by;
    bool leak;
  };
  for (const Row& row :
       {Row{Role::kProvider, 65009, true}, Row{Role::kProvider, 65001, true},
        Row{Role::kRouteServer, 65009, true}, Row{Role::kPeer, 65009, true}, Row{Role::kPeer, 65001, false},
        Row{Role::kCustomer, 65009, false}, Row{Role::kRouteServerClient, 65009, false}}) {
    SCOPED_TRACE(std::string(format(row.role)) + " " + std::to_string(row.marked_by));
    RibPeer other = rib_peer("192.0.2.77", PeerKind::kExternal);
    other.role = row.role;
    const PeerId peer = rib_.add_peer(other);
    rib_.set_peer_identity(peer, RouterId{77}, AsNumber{65001});
    PathAttributes marked = attributes({65001});
    marked.only_to_customer = AsNumber{row.marked_by};
    announce(rib_, peer, "10.1.0.0/16", marked);
    announce(rib_, peer, "10.2.0.0/16", attributes({65001}));
    EXPECT_EQ(only("10.1.0.0/16").exclusion, row.leak ? PathExclusion::kRouteLeak : PathExclusion::kNone);
    EXPECT_EQ(only("10.2.0.0/16").exclusion, PathExclusion::kNone);
    rib_.remove_peer(peer);
    run_to_end(rib_);
  }
}

TEST_F(RibTest, APeerThatIsAboutToGoIsUsedLast) {
  PathAttributes leaving = attributes({65001});
  leaving.communities = {kGracefulShutdown};
  announce(rib_, ext_, "10.1.0.0/16", leaving);
  announce(rib_, int_, "10.1.0.0/16", attributes({65001, 65002}), "198.51.100.2");
  const auto rows = rib_.find(prefix("10.1.0.0/16"), at_second(1001));
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].peer, int_);
  EXPECT_EQ(rows[1].attributes.local_pref, 0U) << "RFC 8326 section 4";
  PathAttributes inside = attributes({});
  inside.communities = {kGracefulShutdown};
  announce(rib_, int_, "10.3.0.0/16", inside, "198.51.100.2");
  EXPECT_FALSE(only("10.3.0.0/16").attributes.local_pref) << "inside the AS it was done at the border";
}

TEST_F(RibTest, ABlackholeReachesTheFibAsOne) {
  RouteRule blackhole;
  blackhole.match.communities = {CommunityPattern::of(kBlackholeCommunity)};
  blackhole.verdict = Verdict::kBlackhole;
  rib_.set_import_policy(ext_, PolicyPtr({blackhole, accept_prefixes("rest", {})}), {});
  PathAttributes tagged = attributes({65001});
  tagged.communities = {kBlackholeCommunity};
  announce(rib_, ext_, "10.1.2.3/32", tagged);
  announce(rib_, ext_, "10.1.2.4/32", attributes({65001}));
  const auto all = changes();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_TRUE(all[0].best->discard);
  EXPECT_FALSE(all[1].best->discard);
}

TEST_F(RibTest, StaleRoutesAreUsedUntilTheyAreSwept) {
  for (const char* p : {"10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"})
    announce(rib_, ext_, p, attributes({65001}));
  announce(rib_, int_, "10.1.0.0/16", attributes({65001, 65002}));
  changes();
  rib_.mark_stale(ext_, kV4);
  EXPECT_TRUE(changes().empty()) << "RFC 4724 4.2: they are forwarded to as before";
  EXPECT_EQ(rib_.counters(ext_, kV4).stale, 3U);
  EXPECT_TRUE(only("10.2.0.0/16").stale);
  announce(rib_, ext_, "10.2.0.0/16", attributes({65001}));
  EXPECT_FALSE(only("10.2.0.0/16").stale);
  rib_.sweep_stale(ext_, kV4);
  EXPECT_TRUE(rib_.work(1));
  run_to_end(rib_);
  EXPECT_EQ(rib_.counters(ext_, kV4).received, 1U);
  EXPECT_EQ(only("10.1.0.0/16").peer, int_);
  EXPECT_EQ(changes().size(), 2U);
}

TEST_F(RibTest, WhatIsAnnouncedWhileAClearIsUnderWayStays) {
  for (int i = 0; i < 50; ++i)
    announce(rib_, ext_, "10." + std::to_string(i) + ".0.0/16", attributes({65001}));
  rib_.clear_peer(ext_, kV4);
  rib_.work(10);
  announce(rib_, ext_, "10.2.0.0/16", attributes({65001}));
  announce(rib_, ext_, "10.40.0.0/16", attributes({65001}));
  announce(rib_, ext_, "10.60.0.0/16", attributes({65001}));
  rib_.mark_stale(ext_, kV4);
  announce(rib_, ext_, "10.61.0.0/16", attributes({65001}));
  run_to_end(rib_);
  EXPECT_EQ(rib_.counters(ext_, kV4).received, 4U)
      << "the older clear must not take what became stale after it";
  EXPECT_EQ(rib_.counters(ext_, kV4).stale, 3U);
}

TEST_F(RibTest, AnyNumberOfRestartsWithoutASweep) {
  announce(rib_, ext_, "10.1.0.0/16", attributes({65001}));
  for (int i = 0; i < 1000; ++i) {
    rib_.mark_stale(ext_, kV4);
    announce(rib_, ext_, "10.2.0.0/16", attributes({65001}));
    for (const RouteRow& row : rib_.find(prefix("10.1.0.0/16"), {})) ASSERT_TRUE(row.stale) << i;
    ASSERT_FALSE(only("10.2.0.0/16").stale);
  }
}

TEST_F(RibTest, ARemovedPeerLeavesNothing) {
  announce(rib_, ext_, "10.1.0.0/16", attributes({65001}));
  announce(rib_, ext_, "2001:db8:1::/48", attributes({65001}));
  rib_.remove_peer(ext_);
  const PeerId other = rib_.add_peer(rib_peer("10.0.0.3", PeerKind::kExternal));
  EXPECT_NE(other, ext_) << "the number is taken as long as routes are left";
  run_to_end(rib_);
  EXPECT_EQ(rib_.path_count(), 0U);
  EXPECT_EQ(changes().size(), 2U);
  EXPECT_EQ(rib_.add_peer(rib_peer("10.0.0.4", PeerKind::kExternal)), ext_);
}

TEST_F(RibTest, OwnRoutesComeFirst) {
  announce(rib_, ext_, "10.1.0.0/16", attributes({}));
  rib_.originate(prefix("10.1.0.0/16"), {}, at_second(1005));
  EXPECT_EQ(changes().at(0).best->peer, kLocalPeer);
  EXPECT_EQ(rib_.explain(prefix("10.1.0.0/16"), ext_, 0), DecisionRung::kLocal);
  rib_.unoriginate(prefix("10.1.0.0/16"));
  EXPECT_EQ(changes().at(0).best->peer, ext_);
}

TEST_F(RibTest, MultipathEndsWhereTieBreakersBegin) {
  rib_.set_multipath({8, 8});
  const PeerId ext2 = rib_.add_peer(rib_peer("10.0.0.7", PeerKind::kExternal));
  announce(rib_, ext2, "10.1.0.0/16", attributes({65002}), "198.51.100.7");
  announce(rib_, ext_, "10.1.0.0/16", attributes({65001}));
  announce(rib_, int_, "10.1.0.0/16", attributes({65001}), "198.51.100.9");
  const auto all = changes();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].best->peer, ext_);
  EXPECT_EQ(all[0].others, std::vector{(FibPath{ext2, next_hop("198.51.100.7")})})
      << "the internal one is worse by a rung before the tie-breakers";
}

TEST_F(RibTest, MultipathFollowsEveryPathInUse) {
  rib_.set_multipath({2, 2});
  const PeerId ext2 = rib_.add_peer(rib_peer("10.0.0.7", PeerKind::kExternal));
  const PeerId ext3 = rib_.add_peer(rib_peer("10.0.0.8", PeerKind::kExternal));
  for (const char* p : {"10.1.0.0/16", "2001:db8:1::/48"}) {
    SCOPED_TRACE(p);
    const bool v4 = std::string_view(p).find(':') == std::string_view::npos;
    const std::string first = v4 ? "198.51.100.1" : "2001:db8:9::1";
    const std::string second = v4 ? "198.51.100.2" : "2001:db8:9::2";
    const std::string third = v4 ? "198.51.100.3" : "2001:db8:9::3";
    announce(rib_, ext_, p, attributes({65001}), first);
    EXPECT_TRUE(changes().at(0).others.empty());
    announce(rib_, ext2, p, attributes({65002}), first);
    EXPECT_TRUE(changes().at(0).others.empty()) << "one next hop is one path";
    announce(rib_, ext3, p, attributes({65003}), third);
    EXPECT_EQ(changes().at(0).others.at(0).next_hop, next_hop(third));
    announce(rib_, ext2, p, attributes({65002}), second);
    const auto two = changes();
    EXPECT_EQ(two.at(0).best->next_hop, next_hop(first)) << "the best stays";
    ASSERT_EQ(two.at(0).others.size(), 1U) << "no more than configured";
    EXPECT_EQ(two.at(0).others[0].next_hop, next_hop(second)) << "in the order of preference";
    withdraw(rib_, ext2, p);
    EXPECT_EQ(changes().at(0).others.at(0).next_hop, next_hop(third));
    withdraw(rib_, ext3, p);
    EXPECT_TRUE(changes().at(0).others.empty());
  }
}

TEST_F(RibTest, MultipathCanBeSwitchedWhileRoutesAreThere) {
  const PeerId ext2 = rib_.add_peer(rib_peer("10.0.0.7", PeerKind::kExternal));
  announce(rib_, ext_, "10.1.0.0/16", attributes({65001}));
  announce(rib_, ext2, "10.1.0.0/16", attributes({65002}), "198.51.100.7");
  announce(rib_, ext2, "10.2.0.0/16", attributes({65002}), "198.51.100.7");
  EXPECT_TRUE(changes().at(0).others.empty());
  rib_.set_multipath({4, 1});
  run_to_end(rib_);
  auto all = changes();
  ASSERT_EQ(all.size(), 1U) << "a prefix with one path is as it was";
  EXPECT_EQ(all[0].others.size(), 1U);
  rib_.set_multipath({1, 1});
  run_to_end(rib_);
  all = changes();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_TRUE(all[0].others.empty());
}

TEST_F(RibTest, TwoPathsOfOnePeer) {
  announce(rib_, ext_, "10.1.0.0/16", attributes({65001}), "198.51.100.7", 7);
  announce(rib_, ext_, "10.1.0.0/16", attributes({65001}), "198.51.100.3", 3);
  EXPECT_EQ(rib_.find(prefix("10.1.0.0/16"), {}).at(0).path_id, 3U);
  EXPECT_EQ(rib_.explain(prefix("10.1.0.0/16"), ext_, 7), DecisionRung::kPathId);
  withdraw(rib_, ext_, "10.1.0.0/16", 3);
  EXPECT_EQ(only("10.1.0.0/16").path_id, 7U);
}

TEST_F(RibTest, AnIdentifierDoesNotOutliveItsPath) {
  announce(rib_, ext_, "10.1.0.0/16", attributes({65001}), "198.51.100.7", 7);
  withdraw(rib_, ext_, "10.1.0.0/16", 7);
  // The freed entry is the next one to be used.
  announce(rib_, int_, "10.1.0.0/16", attributes({}));
  EXPECT_EQ(only("10.1.0.0/16").path_id, 0U);
}

TEST_F(RibTest, PathsOfOnePeerMayBeUsedTogether) {
  rib_.set_multipath({4, 1});
  announce(rib_, ext_, "10.1.0.0/16", attributes({65001}), "198.51.100.7", 1);
  announce(rib_, ext_, "10.1.0.0/16", attributes({65001}), "198.51.100.8", 2);
  EXPECT_EQ(changes().at(0).others.size(), 1U);
}

// RFC 7911 section 8: no peer may fill our memory with one prefix.
TEST_F(RibTest, ThePathsOfOnePrefixFromOnePeerAreBounded) {
  std::vector<NlriEntry> nlri;
  for (std::uint32_t id = 1; id <= 300; ++id) nlri.push_back({prefix("10.1.0.0/16"), id});
  const auto announce_all = [&](PeerId peer) {
    return rib_.announce(peer, Family::kIpv4Unicast, next_hop("198.51.100.1"), nlri, attributes({65001}), {});
  };
  EXPECT_EQ(announce_all(ext_), 300 - Rib::kMaxPathsOfPeer);
  EXPECT_EQ(announce_all(ext_), 300 - Rib::kMaxPathsOfPeer) << "those that are there may be repeated";
  EXPECT_EQ(announce_all(int_), 300 - Rib::kMaxPathsOfPeer) << "each peer has its own";
  EXPECT_EQ(rib_.path_count(), 2 * Rib::kMaxPathsOfPeer);
  withdraw(rib_, ext_, "10.1.0.0/16", 1);
  EXPECT_EQ(announce_all(ext_), 300 - Rib::kMaxPathsOfPeer);
  EXPECT_EQ(rib_.counters(ext_, Family::kIpv4Unicast).received, Rib::kMaxPathsOfPeer);
}

TEST_F(RibTest, WalksKeepToAPrefixAndGoOnAfterChanges) {
  for (int i = 0; i < 20; ++i)
    announce(rib_, ext_, "10." + std::to_string(i) + ".0.0/16", attributes({65001}));
  announce(rib_, ext_, "2001:db8:1::/48", attributes({65001}));
  announce(rib_, int_, "2001:db8:2::/48", attributes({}));
  std::vector<RouteRow> rows;
  WalkCursor inside = WalkCursor::inside(prefix("10.4.0.0/14"));
  while (!inside.done) rib_.walk_loc_rib(inside, 1, {}, rows);
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows.front().prefix, prefix("10.4.0.0/16"));
  rows.clear();
  WalkCursor all;
  while (!all.done) {
    rib_.walk_adj_rib_in(ext_, all, 3, {}, rows);
    withdraw(rib_, ext_, rows.back().prefix.to_string());
    withdraw(rib_, ext_, all.next.to_string());
  }
  EXPECT_TRUE(std::ranges::is_sorted(rows, {}, &RouteRow::prefix));
  EXPECT_EQ(rows.back().prefix, prefix("2001:db8:1::/48"));
  WalkCursor none = WalkCursor::inside(prefix("192.0.2.0/24"));
  rows.clear();
  rib_.walk_loc_rib(none, 10, {}, rows);
  EXPECT_TRUE(none.done && rows.empty());
}

}  // namespace
}  // namespace towpath::bgp
