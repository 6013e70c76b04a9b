// Two or more speakers that talk to each other.
#include <algorithm>

#include "session_fixture.h"

namespace towpath::bgp::test {
namespace {

using testing::Contains;
using testing::HasSubstr;

class TwoSpeakers : public SessionTest {
 protected:
  // One side connects; with `both` they do so at once, and a collision may replace a session that is just up.
  void begin(std::uint32_t as_a, std::uint32_t as_b, bool both = false) {
    a = std::make_unique<TestSpeaker>(loop, as_a, "127.0.2.1", "10.0.0.1");
    start_b(as_b);
    a->listen();
    a->config.originate = {prefix("10.64.1.0/26"), prefix("fd00:64:0:1::/122")};
    a->add_peer(peer_of(*a, *b, "b"));
    b->add_peer(peer_of(*b, *a, "a"));
    b->peer_config("a").passive = !both;
    // Both configurations are there before the loop turns.
    a->apply();
    b->apply();
  }
  void start_b(std::uint32_t as_b, SpeakerOptions options = {}) {
    b = std::make_unique<TestSpeaker>(loop, as_b, "127.0.2.2", "10.0.0.2", options);
    b->config.listen.front().port = b_port;
    b->config.originate = {prefix("10.64.2.0/26"), prefix("fd00:64:0:2::/122")};
    b->listen();
    b_port = b->port();
  }
  bool converged() const {
    return a->has("10.64.2.0/26") && a->has("fd00:64:0:2::/122") && b->has("10.64.1.0/26") &&
           b->has("fd00:64:0:1::/122") && !a->observer.synced.empty() && !b->observer.synced.empty();
  }

  std::unique_ptr<TestSpeaker> a;
  std::unique_ptr<TestSpeaker> b;
  std::uint16_t b_port = 0;  // the same after a restart
};

class BothKinds : public TwoSpeakers, public testing::WithParamInterface<std::uint32_t> {};

TEST_P(BothKinds, ConvergeInBothFamilies) {
  begin(65001, GetParam());
  ASSERT_TRUE(run_until([&] { return converged(); }));
  // Each route has the sender's own address as next hop, of its own family.
  EXPECT_EQ(a->observer.routes.at(prefix("10.64.2.0/26")).next_hop.address, address("198.51.100.2"));
  EXPECT_EQ(a->observer.routes.at(prefix("fd00:64:0:2::/122")).next_hop.address, address("2001:db8::2"));
  EXPECT_EQ(b->observer.routes.at(prefix("10.64.1.0/26")).next_hop.address, address("198.51.100.1"));
  ASSERT_TRUE(run_until([&] { return a->speaker->in_sync() && b->speaker->in_sync(); }));
  EXPECT_EQ(a->observer.speaker_syncs, 1);
  EXPECT_EQ(a->observer.synced, std::vector<std::string>{"b"});

  const PeerStatus row = a->status("b");
  EXPECT_EQ(row.state, SessionState::kEstablished);
  EXPECT_EQ(row.families.size(), 2U);
  EXPECT_EQ(row.router_id, *RouterId::parse("10.0.0.2"));
  EXPECT_EQ(row.hold_time, 9s);
  EXPECT_TRUE(row.in_sync);
  EXPECT_EQ(row.prefixes_received, 2U);
  EXPECT_EQ(row.prefixes_accepted, 2U);
  EXPECT_EQ(row.prefixes_sent, 2U);
  EXPECT_GE(row.messages_received, 5U);  // OPEN, KEEPALIVE, two families and their End-of-RIBs
  EXPECT_GE(row.messages_sent, 5U);

  std::vector<RouteRow> rows;
  WalkCursor cursor;
  a->speaker->walk(RibView::kAdjRibIn, *a->speaker->find_peer("b"), cursor, 1000, rows);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_TRUE(cursor.done);
  EXPECT_EQ(a->speaker->peer_name(rows.front().peer), "b");
  EXPECT_EQ(rows.front().attributes.as_path.to_string(), GetParam() == 65001 ? "" : "65002");
}

INSTANTIATE_TEST_SUITE_P(IbgpAndEbgp, BothKinds, testing::Values(65001U, 65002U));

TEST_F(TwoSpeakers, SimultaneousConnectsLeaveOneSession) {
  for (int round = 0; round < 20; ++round) {
    begin(65001, 65002, true);
    ASSERT_TRUE(run_until([&] { return converged(); })) << "round " << round;
    run_for_turns(20);
    ASSERT_TRUE(run_until([&] { return a->established("b") && b->established("a"); })) << "round " << round;
    a.reset();
    b.reset();
    b_port = 0;
  }
}

TEST_F(TwoSpeakers, ARestartWithoutCeaseDropsNoRoute) {
  begin(65001, 65002);
  ASSERT_TRUE(run_until([&] { return converged() && a->speaker->in_sync(); }));
  b->speaker->stop();
  ASSERT_TRUE(run_until([&] { return !a->established("b"); }));
  ASSERT_TRUE(run_until([&] { return a->status("b").prefixes_stale == 2; }));
  EXPECT_TRUE(a->has("10.64.2.0/26"));

  b.reset();
  start_b(65002, {.forwarding_preserved = true});
  b->config.originate = {prefix("10.64.2.0/26")};  // the IPv6 block did not come back
  b->add_peer(peer_of(*b, *a, "a"));
  b->apply();
  ASSERT_TRUE(run_until([&] { return a->status("b").in_sync && !a->has("fd00:64:0:2::/122"); }));
  EXPECT_TRUE(a->has("10.64.2.0/26"));
  EXPECT_EQ(a->status("b").prefixes_stale, 0U);
  EXPECT_EQ(a->observer.withdrawals, 1U) << "what stayed was never taken back";
  EXPECT_EQ(a->status("b").connections, 2U);
}

TEST_F(TwoSpeakers, APeerThatLostItsForwardingStateLosesItsStaleRoutes) {
  begin(65001, 65002);
  ASSERT_TRUE(run_until([&] { return converged(); }));
  b.reset();
  ASSERT_TRUE(run_until([&] { return a->status("b").prefixes_stale == 2; }));
  start_b(65002);  // a fresh host: nothing in its kernel
  b->config.originate.clear();
  b->add_peer(peer_of(*b, *a, "a"));
  b->apply();
  ASSERT_TRUE(run_until([&] { return a->observer.routes.size() == 2; }));  // its own
}

TEST_F(TwoSpeakers, ShutdownSaysSoAndRoutesGo) {
  begin(65001, 65002);
  ASSERT_TRUE(run_until([&] { return converged(); }));
  b->speaker->shutdown("moving to the other rack");
  ASSERT_TRUE(run_until([&] { return !a->has("10.64.2.0/26") && !a->has("fd00:64:0:2::/122"); }));
  EXPECT_THAT(a->observer.log, Contains(HasSubstr("Administrative Shutdown")));
  EXPECT_THAT(a->status("b").last_error, HasSubstr("moving to the other rack"));
}

TEST_F(TwoSpeakers, OwnPrefixesComeAndGoWithinTheSession) {
  begin(65001, 65002);
  ASSERT_TRUE(run_until([&] { return converged(); }));
  a->config.originate = {prefix("10.64.1.0/26"), prefix("10.64.9.0/26")};
  a->apply();
  ASSERT_TRUE(run_until([&] { return b->has("10.64.9.0/26") && !b->has("fd00:64:0:1::/122"); }));
  EXPECT_TRUE(b->has("10.64.1.0/26"));
  EXPECT_EQ(b->status("a").connections, 1U);
}

TEST_F(TwoSpeakers, WrongAsIsRefusedByBothWithBadPeerAs) {
  a = std::make_unique<TestSpeaker>(loop, 65001, "127.0.2.1", "10.0.0.1");
  start_b(65002);
  a->listen();
  PeerConfig wrong = peer_of(*a, *b, "b");
  wrong.as = AsNumber{65099};
  a->add_peer(wrong);
  a->apply();
  PeerConfig passive = peer_of(*b, *a, "a");
  passive.passive = true;
  b->add_peer(passive);
  b->apply();
  ASSERT_TRUE(run_until([&] { return !b->status("a").last_error.empty(); }));
  EXPECT_THAT(a->status("b").last_error, HasSubstr("2/2"));
  EXPECT_THAT(b->status("a").last_error, HasSubstr("NOTIFICATION received: 2/2"));
  EXPECT_FALSE(a->established("b"));
}

TEST_F(TwoSpeakers, NoPeersMeansInSyncAtOnce) {
  a = std::make_unique<TestSpeaker>(loop, 65001, "127.0.2.1", "10.0.0.1");
  a->apply();
  ASSERT_TRUE(run_until([&] { return a->observer.speaker_syncs == 1; }));
}

TEST_F(TwoSpeakers, ADeadPeerHoldsUpTheSyncNoLongerThanTheDeferral) {
  a = std::make_unique<TestSpeaker>(loop, 65001, "127.0.2.1", "10.0.0.1");
  a->config.restart_deferral = 1s;
  PeerConfig dead;
  dead.name = "dead";
  dead.address = address("127.0.2.9");
  dead.as = AsNumber{65002};
  dead.port = 1;
  a->add_peer(dead);
  const auto begun = std::chrono::steady_clock::now();
  a->apply();
  ASSERT_TRUE(run_until([&] { return a->speaker->in_sync(); }));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 1s);
  EXPECT_THAT(a->status("dead").last_error, HasSubstr("connect failed: Connection refused"));
}

TEST_F(TwoSpeakers, ManyRoutesArriveAndLeave) {
  a = std::make_unique<TestSpeaker>(loop, 65001, "127.0.2.1", "10.0.0.1");
  for (std::uint32_t i = 0; i < 20000; ++i) {
    a->config.originate.push_back(*Prefix::make(IpAddress::v4(0x0A000000 + (i << 6)), 26));
  }
  start_b(65002);
  a->listen();
  a->add_peer(peer_of(*a, *b, "b"));
  b->add_peer(peer_of(*b, *a, "a"));
  a->apply();
  b->apply();
  ASSERT_TRUE(run_until([&] { return b->observer.routes.size() == 20002; }));
  a->speaker->shutdown("done");
  ASSERT_TRUE(run_until([&] { return b->observer.routes.size() == 2; }));
}

// So many that a round of output takes long, and rests: what changes meanwhile is told by the next round.
TEST_F(TwoSpeakers, ManyPeersHearOfEachChange) {
  constexpr unsigned kPeers = 60;
  a = std::make_unique<TestSpeaker>(loop, 65001, "127.0.2.1", "10.0.0.1");
  a->listen();
  std::vector<std::unique_ptr<TestSpeaker>> leaves;
  const auto own = [](unsigned i, unsigned version) {
    return *Prefix::make(IpAddress::v4(0x0A400000 + (i << 12) + (version << 6)), 26);
  };
  for (unsigned i = 0; i < kPeers; ++i) {
    const std::string number = std::to_string(i + 1);
    leaves.push_back(std::make_unique<TestSpeaker>(loop, 65100 + i, ("127.0.3." + number).c_str(),
                                                   ("10.0.1." + number).c_str()));
    TestSpeaker& leaf = *leaves.back();
    leaf.config.originate = {own(i, 0)};
    leaf.listen();
    PeerConfig of_hub = peer_of(*a, leaf, ("leaf" + number).c_str());
    of_hub.passive = true;
    of_hub.export_scope = ExportScope::kAll;
    a->add_peer(std::move(of_hub));
    leaf.add_peer(peer_of(leaf, *a, "hub"));
  }
  a->apply();
  for (const auto& leaf : leaves) leaf->apply();
  const auto all_have = [&](unsigned version) {
    return std::ranges::all_of(leaves, [&](const auto& leaf) {
      for (unsigned i = 0; i < kPeers; ++i) {
        if (!leaf->observer.routes.contains(own(i, version))) return false;
      }
      return leaf->observer.routes.size() == kPeers;
    });
  };
  ASSERT_TRUE(run_until([&] { return all_have(0); }));
  for (unsigned version = 1; version <= 3; ++version) {
    for (unsigned i = 0; i < kPeers; ++i) {
      leaves[i]->config.originate = {own(i, version)};
      leaves[i]->apply();
      loop.poll_one();  // while others are at their output
    }
    ASSERT_TRUE(run_until([&] { return all_have(version); })) << version;
  }
}

}  // namespace
}  // namespace towpath::bgp::test
