// One speaker with two peers whose configuration changes: only what changed may be touched.
#include "session_fixture.h"

namespace towpath::bgp::test {
namespace {

using testing::Contains;
using testing::HasSubstr;

class Reconfiguration : public SessionTest {
 protected:
  void SetUp() override {
    a = std::make_unique<TestSpeaker>(loop, 65001, "127.0.3.1", "10.0.0.1");
    b = std::make_unique<TestSpeaker>(loop, 65002, "127.0.3.2", "10.0.0.2");
    c = std::make_unique<TestSpeaker>(loop, 65003, "127.0.3.3", "10.0.0.3");
    for (auto* speaker : {a.get(), b.get(), c.get()}) speaker->listen();
    a->config.originate = {prefix("10.64.1.0/26")};
    b->config.originate = {prefix("10.64.2.0/26"), prefix("10.99.0.0/16")};
    c->config.originate = {prefix("10.64.3.0/26")};
    a->add_peer(peer_of(*a, *b, "b"));
    a->add_peer(peer_of(*a, *c, "c"));
    b->add_peer(peer_of(*b, *a, "a"));
    c->add_peer(peer_of(*c, *a, "a"));
    // So that no collision replaces a session: the tests count them.
    b->peer_config("a").passive = true;
    c->peer_config("a").passive = true;
    for (auto* speaker : {a.get(), b.get(), c.get()}) speaker->apply();
    ASSERT_TRUE(run_until(
        [&] { return a->observer.routes.size() == 4 && b->has("10.64.1.0/26") && c->has("10.64.1.0/26"); }));
    ASSERT_TRUE(run_until([&] { return a->speaker->in_sync(); }));
  }

  std::unique_ptr<TestSpeaker> a, b, c;
};

TEST_F(Reconfiguration, TheSameAgainTouchesNothing) {
  const auto before = a->observer.log;
  a->apply();
  run_for_turns(50);
  EXPECT_EQ(a->observer.log, before);
  EXPECT_EQ(a->observer.withdrawals, 0U);
}

TEST_F(Reconfiguration, AChangedPeerAloneIsReset) {
  a->peer_config("c").hold_time = 30s;
  a->apply();
  ASSERT_TRUE(run_until([&] { return c->status("a").connections == 2 && a->has("10.64.3.0/26"); }));
  EXPECT_THAT(c->observer.log, Contains(HasSubstr("6/6")));
  EXPECT_EQ(b->status("a").connections, 1U);
  EXPECT_TRUE(a->established("b"));
}

TEST_F(Reconfiguration, ARemovedPeerIsToldAndItsRoutesGo) {
  a->config.peers.pop_back();
  a->apply();
  ASSERT_TRUE(run_until([&] { return !a->has("10.64.3.0/26"); }));
  ASSERT_TRUE(run_until([&] { return !c->has("10.64.1.0/26"); }));
  EXPECT_THAT(c->observer.log, Contains(HasSubstr("6/3")));
  EXPECT_EQ(b->status("a").connections, 1U);
  EXPECT_EQ(a->speaker->peers().size(), 1U);
}

TEST_F(Reconfiguration, TheImportPolicyChangesWithinTheSession) {
  PolicyPtr& policy = a->peer_config("b").import_policy;
  const PolicyPtr all = policy;
  policy = PolicyPtr({accept_prefixes("", {{prefix("10.64.0.0/16"), 0, 32}})});
  a->apply();
  ASSERT_TRUE(run_until([&] { return !a->has("10.99.0.0/16"); }));
  EXPECT_TRUE(a->has("10.64.2.0/26"));
  EXPECT_EQ(a->status("b").prefixes_received, 2U);
  EXPECT_EQ(a->status("b").prefixes_accepted, 1U);
  policy = all;
  a->apply();
  ASSERT_TRUE(run_until([&] { return a->has("10.99.0.0/16"); }));
  EXPECT_EQ(b->status("a").connections, 1U);
}

TEST_F(Reconfiguration, ExportScopeChangesWithinTheSession) {
  a->peer_config("c").export_scope = ExportScope::kAll;
  a->apply();
  ASSERT_TRUE(run_until([&] { return c->has("10.64.2.0/26") && c->has("10.99.0.0/16"); }));
  EXPECT_FALSE(b->has("10.64.3.0/26"));
  a->peer_config("c").export_scope = ExportScope::kOwn;
  a->apply();
  ASSERT_TRUE(run_until([&] { return !c->has("10.64.2.0/26") && !c->has("10.99.0.0/16"); }));
  EXPECT_TRUE(c->has("10.64.1.0/26"));
  EXPECT_EQ(c->status("a").connections, 1U);
}

TEST_F(Reconfiguration, OurNextHopChangesWithinTheSession) {
  a->peer_config("c").next_hop_self[0] = address("198.51.100.99");
  a->apply();
  ASSERT_TRUE(run_until([&] {
    return c->observer.routes.at(prefix("10.64.1.0/26")).next_hop.address == address("198.51.100.99");
  }));
  EXPECT_EQ(b->observer.routes.at(prefix("10.64.1.0/26")).next_hop.address, address("198.51.100.1"));
  EXPECT_EQ(c->status("a").connections, 1U);
}

TEST_F(Reconfiguration, AnAddressThatCannotBeBoundChangesNothing) {
  const SpeakerConfig before = a->config;
  a->config.listen.push_back({address("203.0.113.7"), 0});
  a->config.peers.clear();
  const Status status = a->speaker->configure(a->config);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("203.0.113.7"));
  run_for_turns(20);
  EXPECT_EQ(a->speaker->peers().size(), 2U);
  EXPECT_EQ(a->speaker->listening().size(), 1U);
  EXPECT_TRUE(a->established("b"));
}

TEST_F(Reconfiguration, TwoPeersWithOneAddressAreRefused) {
  PeerConfig twin = a->config.peers.front();
  twin.name = "twin";
  a->config.peers.push_back(twin);
  const Status status = a->speaker->configure(a->config);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("127.0.3.2"));
}

TEST_F(Reconfiguration, AListenAddressIsAddedAndRemovedAlone) {
  a->config.listen.push_back({address("127.0.3.11"), 0});
  a->apply();
  ASSERT_EQ(a->speaker->listening().size(), 2U);
  a->config.listen.pop_back();
  a->apply();
  EXPECT_EQ(a->speaker->listening().size(), 1U);
  run_for_turns(20);
  EXPECT_TRUE(a->established("b"));
}

}  // namespace
}  // namespace towpath::bgp::test
