// Peers that come out of a range of addresses.
#include "session_fixture.h"

namespace towpath::bgp::test {
namespace {

using testing::Contains;
using testing::HasSubstr;

class PeerRangeTest : public SessionTest {
 protected:
  PeerRangeTest() { start({.forget_after = 1s}); }
  void start(SpeakerOptions options) {
    hub = std::make_unique<TestSpeaker>(loop, 65001, "127.0.2.1", "10.0.0.1", options);
    hub->config.listen.front().port = port;
    hub->listen();
    port = hub->port();
    hub->config.ranges = {range("rack", "127.0.3.0/24")};
    hub->apply();
  }
  PeerRange range(const char* name, const char* text) const {
    PeerRange range;
    range.prefix = prefix(text);
    range.peer.name = name;
    range.peer.as = PeerAs::external();
    range.peer.of_range = range.peer.passive = true;
    range.peer.import_policy = PolicyPtr({accept_prefixes("all", {})});
    range.peer.next_hop_self = {address("198.51.100.1"), address("2001:db8::1")};
    return range;
  }
  // Somebody at `own` who connects to the hub and announces a block.
  std::unique_ptr<TestSpeaker> visitor(std::uint32_t as, const char* own, const char* router_id,
                                       const char* block, const char* md5 = nullptr) {
    auto one = std::make_unique<TestSpeaker>(loop, as, own, router_id);
    one->listen();
    one->config.originate = {prefix(block)};
    one->add_peer(peer_of(*one, *hub, "hub"));
    if (md5 != nullptr) one->config.peers.front().md5 = Md5Key{"/key", md5, ""};
    one->apply();
    return one;
  }

  std::unique_ptr<TestSpeaker> hub;
  std::uint16_t port = 0;
};

TEST_F(PeerRangeTest, WhoConnectsIsAPeerAndIsForgottenAfterwards) {
  auto a = visitor(65002, "127.0.3.2", "10.0.0.2", "10.64.2.0/26");
  auto b = visitor(65003, "127.0.3.3", "10.0.0.3", "fd00:64:0:3::/122");
  ASSERT_TRUE(run_until([&] { return hub->has("10.64.2.0/26") && hub->has("fd00:64:0:3::/122"); }));
  EXPECT_TRUE(hub->established("rack/127.0.3.2"));
  EXPECT_TRUE(hub->established("rack/127.0.3.3"));
  EXPECT_EQ(hub->speaker->peers().size(), 2U);
  EXPECT_EQ(hub->status("rack/127.0.3.3").as.value, 65003U);
  a->speaker->shutdown("");
  ASSERT_TRUE(run_until([&] { return !hub->has("10.64.2.0/26"); }));
  EXPECT_EQ(hub->speaker->peers().size(), 2U) << "its back-off is still known";
  ASSERT_TRUE(run_until([&] { return hub->speaker->peers().size() == 1; }));
  EXPECT_TRUE(hub->established("rack/127.0.3.3"));
}

TEST_F(PeerRangeTest, WhatIsKeptForAPeerThatRestartsIsKeptInARangeToo) {
  auto a = visitor(65002, "127.0.3.2", "10.0.0.2", "10.64.2.0/26");
  ASSERT_TRUE(run_until([&] { return hub->has("10.64.2.0/26"); }));
  a->speaker->stop();
  ASSERT_TRUE(run_until([&] { return hub->status("rack/127.0.3.2").prefixes_stale == 1; }));
  EXPECT_FALSE(run_until([&] { return hub->speaker->peers().empty(); }, 3s))
      << "longer than it is remembered without";
  EXPECT_TRUE(hub->has("10.64.2.0/26"));
  a.reset();
  a = visitor(65002, "127.0.3.2", "10.0.0.2", "10.64.2.0/26");
  ASSERT_TRUE(run_until([&] { return hub->established("rack/127.0.3.2"); }));
  EXPECT_TRUE(hub->has("10.64.2.0/26"));
}

TEST_F(PeerRangeTest, StrangersAndOneTooManyAreRefused) {
  hub->config.ranges.front().limit = 1;
  hub->apply();
  auto a = visitor(65002, "127.0.3.2", "10.0.0.2", "10.64.2.0/26");
  ASSERT_TRUE(run_until([&] { return hub->has("10.64.2.0/26"); }));
  auto b = visitor(65003, "127.0.3.3", "10.0.0.3", "10.64.3.0/26");
  auto c = visitor(65004, "127.0.4.2", "10.0.0.4", "10.64.4.0/26");
  ASSERT_TRUE(run_until([&] { return hub->observer.log.size() >= 4; }));
  ASSERT_TRUE(run_until([&] {
    return std::ranges::any_of(hub->observer.log,
                               [](const auto& line) { return line.contains("127.0.4.2"); });
  }));
  EXPECT_THAT(hub->observer.log, Contains(HasSubstr("peer rack: the range has its 1 peers already")));
  EXPECT_THAT(hub->observer.log, Contains(HasSubstr("no such peer is configured")));
  EXPECT_EQ(hub->speaker->peers().size(), 1U);
}

TEST_F(PeerRangeTest, TheMostSpecificOneCountsAndAPeerByItsAddressBeforeAll) {
  hub->config.ranges.push_back(range("shelf", "127.0.3.2/31"));
  hub->apply();
  auto a = visitor(65002, "127.0.3.2", "10.0.0.2", "10.64.2.0/26");
  auto b = visitor(65003, "127.0.3.4", "10.0.0.3", "10.64.3.0/26");
  ASSERT_TRUE(run_until([&] { return hub->has("10.64.2.0/26") && hub->has("10.64.3.0/26"); }));
  EXPECT_TRUE(hub->established("shelf/127.0.3.2"));
  EXPECT_TRUE(hub->established("rack/127.0.3.4"));
  // Its own name is no reason for a new session.
  PeerConfig own = range("", "127.0.3.0/24").peer;
  own.name = "a";
  own.address = address("127.0.3.2");
  hub->add_peer(own);
  hub->apply();
  EXPECT_TRUE(hub->established("a"));
  EXPECT_EQ(hub->status("a").connections, 1U);
  EXPECT_TRUE(hub->established("rack/127.0.3.4"));
}

TEST_F(PeerRangeTest, AChangedRangeTouchesItsPeersAlone) {
  hub->config.ranges.push_back(range("hall", "127.0.4.0/24"));
  hub->apply();
  auto a = visitor(65002, "127.0.3.2", "10.0.0.2", "10.64.2.0/26");
  auto b = visitor(65003, "127.0.4.2", "10.0.0.3", "10.64.3.0/26");
  ASSERT_TRUE(run_until([&] { return hub->has("10.64.2.0/26") && hub->has("10.64.3.0/26"); }));
  hub->config.ranges.erase(hub->config.ranges.begin());
  hub->apply();
  ASSERT_TRUE(run_until([&] { return !hub->has("10.64.2.0/26"); }));
  EXPECT_EQ(hub->speaker->peers().size(), 1U);
  EXPECT_EQ(hub->status("hall/127.0.4.2").connections, 1U);
  ASSERT_TRUE(run_until([&] { return !a->established("hub"); }));
  EXPECT_THAT(a->observer.log, Contains(HasSubstr("Peer De-configured")));
}

TEST_F(PeerRangeTest, OneKeyIsForAllOfARange) {
  hub->config.ranges.front().peer.md5 = Md5Key{"/key", "secret", ""};
  hub->apply();
  auto a = visitor(65002, "127.0.3.2", "10.0.0.2", "10.64.2.0/26", "secret");
  auto b = visitor(65003, "127.0.3.3", "10.0.0.3", "10.64.3.0/26", "secret");
  auto c = visitor(65004, "127.0.3.4", "10.0.0.4", "10.64.4.0/26");
  auto d = visitor(65005, "127.0.3.5", "10.0.0.5", "10.64.5.0/26", "other");
  ASSERT_TRUE(run_until([&] { return hub->has("10.64.2.0/26") && hub->has("10.64.3.0/26"); }));
  EXPECT_EQ(hub->speaker->peers().size(), 2U);
}

TEST_F(PeerRangeTest, WithoutItsKeyNobodyGetsIn) {
  hub->config.ranges.front().peer.md5 = Md5Key{"/key", "", "open /key: No such file or directory"};
  hub->apply();
  auto a = visitor(65002, "127.0.3.2", "10.0.0.2", "10.64.2.0/26");
  ASSERT_TRUE(run_until([&] { return !hub->observer.log.empty(); }));
  ASSERT_TRUE(run_until([&] {
    return std::ranges::any_of(hub->observer.log,
                               [](const auto& line) { return line.contains("it is kept down"); });
  }));
  EXPECT_TRUE(hub->speaker->peers().empty());
}

TEST_F(PeerRangeTest, AfterARestartTheDeferralIsWaitedForBecauseSomeoneMayStillCome) {
  EXPECT_TRUE(hub->speaker->in_sync() || run_until([&] { return hub->speaker->in_sync(); }))
      << "at a first start there is nothing to keep";
  hub.reset();
  hub = nullptr;
  start({.forwarding_preserved = true});
  hub->config.restart_deferral = 2s;
  hub->apply();
  auto a = visitor(65002, "127.0.3.2", "10.0.0.2", "10.64.2.0/26");
  ASSERT_TRUE(run_until([&] { return hub->status("rack/127.0.3.2").in_sync; }));
  run_for_turns(20);
  EXPECT_FALSE(hub->speaker->in_sync());
  ASSERT_TRUE(run_until([&] { return hub->speaker->in_sync(); }));
}

}  // namespace
}  // namespace towpath::bgp::test
