// Next hops that this host reaches, or does not (RFC 4271 section 9.1.2): what becomes of the paths with
// them.
#include <gtest/gtest.h>

#include "rib_fixture.h"

namespace towpath::bgp {
namespace {

constexpr Family kV4 = Family::kIpv4Unicast;
constexpr Family kV6 = Family::kIpv6Unicast;
constexpr NextHopState kGone{.reachable = false};

PathAttributes preferred(std::uint32_t local_pref) {
  PathAttributes a = attributes({});
  a.local_pref = local_pref;
  return a;
}

class NextHopTest : public testing::Test {
 protected:
  std::vector<RibDelta> changes() {
    run_to_end(rib_);
    std::vector<RibDelta> all;
    while (rib_.read_changes(2, all)) {
    }
    return all;
  }
  void say(const std::string& hop, const NextHopState& state) { rib_.set_next_hop(address(hop), state); }
  // The next hop of the best path, "" where there is none.
  std::string best(const std::string& text) {
    for (const RouteRow& row : rib_.find(prefix(text), at_second(1010))) {
      if (row.best) return row.attributes.next_hop.address.to_string();
    }
    return "";
  }
  PathExclusion exclusion(const std::string& text, PeerId peer) {
    for (const RouteRow& row : rib_.find(prefix(text), at_second(1010))) {
      if (row.peer == peer) return row.exclusion;
    }
    ADD_FAILURE() << "no such path";
    return PathExclusion::kNone;
  }

  Rib rib_{identity()};
  PeerId a_ = rib_.add_peer(rib_peer("10.0.0.1", PeerKind::kInternal));
  PeerId b_ = rib_.add_peer(rib_peer("10.0.0.2", PeerKind::kInternal));
};

TEST_F(NextHopTest, OneThatIsKnownToBeOutOfReachIsNeverUsed) {
  say("198.51.100.1", kGone);
  announce(rib_, a_, "10.1.0.0/16", preferred(200), "198.51.100.1");
  announce(rib_, b_, "10.1.0.0/16", preferred(100), "198.51.100.2");
  EXPECT_FALSE(rib_.work(1)) << "what is said in time costs no look at the table";
  EXPECT_EQ(best("10.1.0.0/16"), "198.51.100.2");
  EXPECT_EQ(exclusion("10.1.0.0/16", a_), PathExclusion::kUnreachable);
  EXPECT_EQ(rib_.counters(a_, kV4).received, 1U);
  EXPECT_EQ(rib_.counters(a_, kV4).accepted, 0U);
}

TEST_F(NextHopTest, OneOfWhichNothingIsKnownIsUsed) {
  announce(rib_, a_, "10.1.0.0/16", preferred(200), "198.51.100.1");
  EXPECT_EQ(best("10.1.0.0/16"), "198.51.100.1");
  EXPECT_FALSE(rib_.knows_next_hop(address("198.51.100.1")));
  EXPECT_EQ(rib_.take_untold_next_hops(), std::vector{address("198.51.100.1")});
  EXPECT_TRUE(rib_.take_untold_next_hops().empty()) << "each once";
}

TEST_F(NextHopTest, ItsPrefixesAreDecidedAnewWhenItComesAndGoes) {
  for (const char* text : {"10.1.0.0/16", "2001:db8:1::/48"}) {
    const bool v4 = std::string(text).starts_with("10.");
    const std::string bad = v4 ? "198.51.100.1" : "2001:db8:f::1";
    const std::string good = v4 ? "198.51.100.2" : "2001:db8:f::2";
    announce(rib_, a_, text, preferred(200), bad);
    announce(rib_, b_, text, preferred(100), good);
    ASSERT_EQ(changes().size(), 1U);
    say(bad, kGone);
    auto delta = changes();
    ASSERT_EQ(delta.size(), 1U) << text;
    EXPECT_EQ(delta[0].best, (FibPath{b_, next_hop(good)}));
    EXPECT_EQ(exclusion(text, a_), PathExclusion::kUnreachable);
    say(good, kGone);
    delta = changes();
    ASSERT_EQ(delta.size(), 1U);
    EXPECT_FALSE(delta[0].best) << "better no way than a wrong one";
    say(bad, {});
    delta = changes();
    ASSERT_EQ(delta.size(), 1U);
    EXPECT_EQ(delta[0].best, (FibPath{a_, next_hop(bad)}));
    EXPECT_EQ(rib_.counters(a_, v4 ? kV4 : kV6).accepted, 1U);
    EXPECT_EQ(rib_.counters(b_, v4 ? kV4 : kV6).accepted, 0U);
  }
}

TEST_F(NextHopTest, WhatIsTakenBackBeforeTheTableWasLookedAtChangesNothing) {
  announce(rib_, a_, "10.1.0.0/16", preferred(200), "198.51.100.1");
  changes();
  say("198.51.100.1", kGone);
  say("198.51.100.1", {});
  EXPECT_TRUE(changes().empty());
}

TEST_F(NextHopTest, NewsThatComesWhileTheTableIsLookedAtIsNotMissed) {
  for (int i = 0; i < 64; ++i) {
    const std::string text = "10." + std::to_string(i) + ".0.0/16";
    announce(rib_, a_, text, preferred(200), "198.51.100.1");
    announce(rib_, b_, text, preferred(100), "198.51.100.2");
  }
  changes();
  say("198.51.100.1", kGone);
  rib_.work(10);
  say("198.51.100.2", kGone);
  rib_.work(10);
  say("198.51.100.1", {});
  changes();
  for (int i = 0; i < 64; ++i) {
    const std::string text = "10." + std::to_string(i) + ".0.0/16";
    EXPECT_EQ(best(text), "198.51.100.1") << text;
    EXPECT_EQ(exclusion(text, b_), PathExclusion::kUnreachable) << text;
  }
}

TEST_F(NextHopTest, AnotherReasonStays) {
  PathAttributes looped = preferred(200);
  looped.as_path = as_path({65000});
  announce(rib_, a_, "10.1.0.0/16", looped, "198.51.100.1");
  announce(rib_, a_, "10.2.0.0/16", preferred(200), "198.51.100.1");
  say("198.51.100.1", kGone);
  changes();
  EXPECT_EQ(exclusion("10.1.0.0/16", a_), PathExclusion::kAsLoop);
  say("198.51.100.1", {});
  changes();
  EXPECT_EQ(exclusion("10.1.0.0/16", a_), PathExclusion::kAsLoop);
  EXPECT_EQ(exclusion("10.2.0.0/16", a_), PathExclusion::kNone);
}

TEST_F(NextHopTest, APathWithoutAWayIsNotPassedOn) {
  const PeerId out = rib_.add_peer(rib_peer("10.0.0.9", PeerKind::kExternal));
  const ExportTarget to = target(PeerKind::kExternal);
  Receiver receiver(to);
  rib_.open_output(out, to);
  announce(rib_, a_, "10.1.0.0/16", preferred(200), "198.51.100.1");
  announce(rib_, a_, "10.2.0.0/16", preferred(200), "198.51.100.2");
  receiver.pull_all(rib_, out);
  ASSERT_EQ(receiver.routes.size(), 2U);
  say("198.51.100.1", kGone);
  run_to_end(rib_);
  receiver.pull_all(rib_, out);
  ASSERT_EQ(receiver.routes.size(), 1U);
  EXPECT_TRUE(receiver.routes.contains(prefix("10.2.0.0/16")));
  EXPECT_EQ(receiver.withdrawn_in_vain, 0U);
}

TEST_F(NextHopTest, WhereSeveralPathsAreToldThoseWithoutAWayAreNot) {
  const PeerId out = rib_.add_peer(rib_peer("10.0.0.9", PeerKind::kClient));
  ExportTarget to = target(PeerKind::kClient);
  for (auto& family : to.session.families) family.add_path_send = true;
  Receiver receiver(to);
  rib_.open_output(out, to);
  announce(rib_, a_, "10.1.0.0/16", preferred(100), "198.51.100.1");
  announce(rib_, b_, "10.1.0.0/16", preferred(100), "198.51.100.2");
  receiver.pull_all(rib_, out);
  ASSERT_EQ(receiver.paths[prefix("10.1.0.0/16")].size(), 2U);
  say("198.51.100.2", kGone);
  run_to_end(rib_);
  receiver.pull_all(rib_, out);
  ASSERT_EQ(receiver.paths[prefix("10.1.0.0/16")].size(), 1U);
  EXPECT_EQ(receiver.paths[prefix("10.1.0.0/16")].begin()->second.next_hop, next_hop("198.51.100.1"));
}

TEST_F(NextHopTest, TheCheaperWayIsBetterAndIsNoEqualOfTheOther) {
  rib_.set_multipath({4, 4});
  announce(rib_, a_, "10.1.0.0/16", preferred(100), "198.51.100.1");
  announce(rib_, b_, "10.1.0.0/16", preferred(100), "198.51.100.2");
  auto delta = changes();
  ASSERT_EQ(delta.size(), 1U);
  EXPECT_EQ(delta[0].others.size(), 1U);
  say("198.51.100.1", {.cost = 20});
  delta = changes();
  ASSERT_EQ(delta.size(), 1U);
  EXPECT_EQ(delta[0].best, (FibPath{b_, next_hop("198.51.100.2")}));
  EXPECT_TRUE(delta[0].others.empty());
  EXPECT_EQ(rib_.explain(prefix("10.1.0.0/16"), a_, 0), DecisionRung::kIgpMetric);
  say("198.51.100.2", {.cost = 20});
  delta = changes();
  ASSERT_EQ(delta.size(), 1U);
  EXPECT_EQ(delta[0].others.size(), 1U) << "as far as each other";
}

TEST_F(NextHopTest, OneThatIsOutOfReachIsNoEqual) {
  rib_.set_multipath({4, 4});
  announce(rib_, a_, "10.1.0.0/16", preferred(100), "198.51.100.1");
  announce(rib_, b_, "10.1.0.0/16", preferred(100), "198.51.100.2");
  changes();
  say("198.51.100.2", kGone);
  const auto delta = changes();
  ASSERT_EQ(delta.size(), 1U);
  EXPECT_EQ(delta[0].best, (FibPath{a_, next_hop("198.51.100.1")}));
  EXPECT_TRUE(delta[0].others.empty());
}

TEST_F(NextHopTest, AnIpv4RouteMayHaveAnIpv6NextHop) {
  say("2001:db8:f::1", kGone);
  announce(rib_, a_, "10.1.0.0/16", preferred(100), "2001:db8:f::1");
  EXPECT_EQ(exclusion("10.1.0.0/16", a_), PathExclusion::kUnreachable) << "RFC 8950";
  say("2001:db8:f::1", {});
  EXPECT_EQ(changes().size(), 1U);
  EXPECT_EQ(best("10.1.0.0/16"), "2001:db8:f::1");
}

TEST_F(NextHopTest, WherePacketsEndHereNoNextHopIsNeeded) {
  RouteRule blackhole = accept_prefixes("blackhole", {{prefix("10.0.0.0/8"), 8, 32}});
  blackhole.verdict = Verdict::kBlackhole;
  rib_.set_import_policy(a_, PolicyPtr({blackhole}), {});
  run_to_end(rib_);
  say("198.51.100.1", kGone);
  announce(rib_, a_, "10.1.0.1/32", preferred(100), "198.51.100.1");
  const auto delta = changes();
  ASSERT_EQ(delta.size(), 1U);
  ASSERT_TRUE(delta[0].best);
  EXPECT_TRUE(delta[0].best->discard);
}

TEST_F(NextHopTest, TheOneThatARuleSetCounts) {
  RouteRule other_way = accept_prefixes("other way", {{prefix("10.0.0.0/8"), 8, 32}});
  other_way.changes.next_hop = NextHopRule::kAddress;
  other_way.changes.next_hop_address = address("198.51.100.77");
  rib_.set_import_policy(a_, PolicyPtr({other_way}), {});
  run_to_end(rib_);
  say("198.51.100.1", kGone);
  announce(rib_, a_, "10.1.0.0/16", preferred(100), "198.51.100.1");
  EXPECT_EQ(best("10.1.0.0/16"), "198.51.100.77");
  EXPECT_EQ(rib_.take_untold_next_hops(), std::vector{address("198.51.100.77")});
  changes();
  say("198.51.100.77", kGone);
  EXPECT_EQ(changes().size(), 1U);
  EXPECT_EQ(exclusion("10.1.0.0/16", a_), PathExclusion::kUnreachable);
}

TEST_F(NextHopTest, NewRulesDoNotHealIt) {
  say("198.51.100.1", kGone);
  announce(rib_, a_, "10.1.0.0/16", preferred(100), "198.51.100.1");
  rib_.set_import_policy(a_, PolicyPtr({accept_prefixes("others", {{prefix("192.168.0.0/16"), 16, 32}})}),
                         {});
  run_to_end(rib_);
  EXPECT_EQ(exclusion("10.1.0.0/16", a_), PathExclusion::kImportRules);
  rib_.set_import_policy(a_, accept_all(), {});
  run_to_end(rib_);
  EXPECT_EQ(exclusion("10.1.0.0/16", a_), PathExclusion::kUnreachable);
}

TEST_F(NextHopTest, OwnPrefixesNeedNone) {
  rib_.originate(prefix("10.9.0.0/16"), {}, at_second(1));
  say("0.0.0.0", kGone);
  changes();
  EXPECT_EQ(exclusion("10.9.0.0/16", kLocalPeer), PathExclusion::kNone);
}

TEST_F(NextHopTest, OnlyThoseInUseAreListedAndKept) {
  say("198.51.100.1", {.cost = 7});
  announce(rib_, a_, "10.1.0.0/16", preferred(100), "198.51.100.1");
  announce(rib_, a_, "10.2.0.0/16", preferred(100), "198.51.100.1");
  rib_.originate(prefix("10.9.0.0/16"), {}, at_second(1));
  PathAttributes looped = preferred(100);
  looped.as_path = as_path({65000});
  announce(rib_, a_, "10.3.0.0/16", looped, "198.51.100.3");
  auto rows = rib_.next_hops();
  ASSERT_EQ(rows.size(), 1U) << "not our own, not of what is not taken anyway";
  EXPECT_EQ(rows[0].address, address("198.51.100.1"));
  EXPECT_EQ(rows[0].state.cost, 7U);
  withdraw(rib_, a_, "10.1.0.0/16");
  EXPECT_EQ(rib_.next_hops().size(), 1U);
  withdraw(rib_, a_, "10.2.0.0/16");
  changes();
  EXPECT_TRUE(rib_.next_hops().empty());
  EXPECT_FALSE(rib_.knows_next_hop(address("198.51.100.1"))) << "old news is worth nothing";
}

TEST_F(NextHopTest, ATrialSaysSo) {
  say("198.51.100.1", kGone);
  PathAttributes a = preferred(100);
  a.next_hop = next_hop("198.51.100.1");
  const ImportTrial trial = rib_.try_import(a_, prefix("10.1.0.0/16"), a);
  EXPECT_EQ(trial.exclusion, PathExclusion::kUnreachable);
  EXPECT_EQ(trial.decided_by, "all") << "the rules took it";
}

}  // namespace
}  // namespace towpath::bgp
