// A peer that announces more than it may (RFC 4486), and one that stays just below.
#include "session_fixture.h"

namespace towpath::bgp::test {
namespace {

using testing::Contains;
using testing::EndsWith;
using testing::HasSubstr;

class MaximumPrefixesTest : public SessionTest {
 protected:
  void establish(const MaximumPrefixes& maximum) {
    begin_raw_session();
    subject->peer_config("raw").maximum_prefixes = maximum;
    subject->apply();
    shake_hands();
  }
  void shake_hands() {
    raw->send(open_of(65002, "10.0.0.2"));
    raw->send(KeepaliveMessage{});
    ASSERT_TRUE(run_until([&] { return subject->established("raw"); }));
  }
  // Prefix number `number` of 10.65.0.0/16, or of fd00:65::/32.
  void announce(std::uint32_t number, bool ipv6 = false) {
    UpdateMessage update;
    update.attributes.as_path.prepend(AsNumber{65002});
    Reach& reach = update.reach[ipv6 ? UpdateMessage::kMpReach : UpdateMessage::kNlriField];
    reach.family = ipv6 ? Family::kIpv6Unicast : Family::kIpv4Unicast;
    reach.next_hop.address = address(ipv6 ? "2001:db8::2" : "198.51.100.2");
    reach.nlri.push_back({nth(number, ipv6)});
    raw->send(update);
  }
  static Prefix nth(std::uint32_t number, bool ipv6 = false) {
    return ipv6 ? *Prefix::make(address("fd00:65::").plus(number), 128)
                : *Prefix::make(address("10.65.0.0").plus(number), 32);
  }
  bool received(std::size_t count) {
    return run_until([&] { return subject->status("raw").prefixes_received == count; });
  }
  bool notified() {
    return run_until([&] {
      raw->poll();
      return !raw->notification.empty() && raw->closed();
    });
  }
};

TEST_F(MaximumPrefixesTest, TheLimitItselfIsAllowedAndOneMoreEndsTheSession) {
  establish({{3, 0}, 60s});
  for (std::uint32_t i = 0; i < 3; ++i) announce(i);
  announce(1);                                              // again
  for (std::uint32_t i = 0; i < 9; ++i) announce(i, true);  // the other family has no limit
  ASSERT_TRUE(received(12));
  EXPECT_TRUE(subject->established("raw"));
  announce(3);
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, EndsWith("00010100000003")) << raw->notification;
  EXPECT_THAT(raw->notification, HasSubstr("6/1"));
  EXPECT_THAT(subject->status("raw").last_error, HasSubstr("more than 3 ipv4-unicast prefixes"));
  EXPECT_TRUE(received(0));
  EXPECT_FALSE(subject->observer.routes.contains(nth(0)));
  raw->notification.clear();
  raw->connect(address("127.0.1.1"), subject->port());
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, HasSubstr("6/5")) << "it has to wait";
}

TEST_F(MaximumPrefixesTest, Ipv6HasItsOwnLimit) {
  establish({{0, 1}, 60s});
  for (std::uint32_t i = 0; i < 5; ++i) announce(i);
  announce(0, true);
  ASSERT_TRUE(received(6));
  announce(1, true);
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, EndsWith("00020100000001")) << raw->notification;
}

TEST_F(MaximumPrefixesTest, WhatIsFilteredCountsAndWhatIsWithdrawnDoesNot) {
  begin_raw_session();
  subject->peer_config("raw").maximum_prefixes = {{2, 0}, 60s};
  subject->peer_config("raw").import_policy = {};
  subject->apply();
  shake_hands();
  announce(0);
  announce(1);
  UpdateMessage gone;
  gone.unreach[UpdateMessage::kNlriField].nlri.push_back({nth(0)});
  raw->send(gone);
  announce(2);
  ASSERT_TRUE(received(2));
  run_for_turns(5);
  EXPECT_TRUE(subject->established("raw"));
  EXPECT_FALSE(subject->observer.routes.contains(nth(1)));
  announce(3);
  EXPECT_TRUE(notified());
}

TEST_F(MaximumPrefixesTest, AfterItsTimeThePeerMayTryAgain) {
  establish({{1, 0}, 1s});
  announce(0);
  announce(1);
  ASSERT_TRUE(notified());
  ASSERT_TRUE(run_until([&] {  // refused until then
    raw->poll();
    if (raw->closed()) {
      raw->connect(address("127.0.1.1"), subject->port());
      raw->send(open_of(65002, "10.0.0.2"));
      raw->send(KeepaliveMessage{});
    }
    return subject->established("raw");
  }));
}

TEST_F(MaximumPrefixesTest, ChangedLimitsCountAtOnce) {
  establish({{3, 0}, 0s});
  announce(0);
  announce(1);
  ASSERT_TRUE(received(2));
  subject->peer_config("raw").maximum_prefixes.limits[0] = 2;
  subject->apply();
  EXPECT_TRUE(subject->established("raw"));
  subject->peer_config("raw").maximum_prefixes.limits[0] = 1;
  subject->apply();
  ASSERT_TRUE(notified());
  // Without a restart time it is down until somebody allows it more.
  EXPECT_EQ(subject->status("raw").state, SessionState::kIdle);
  subject->peer_config("raw").maximum_prefixes.limits[0] = 2;
  subject->apply();
  raw->connect(address("127.0.1.1"), subject->port());
  shake_hands();
}

// RFC 8538: a peer that would keep our routes is told not to.
TEST_F(MaximumPrefixesTest, IsAHardResetWhereNotificationsAreSurvived) {
  begin_raw_session();
  subject->peer_config("raw").maximum_prefixes = {{1, 0}, 60s};
  subject->apply();
  OpenMessage open = open_of(65002, "10.0.0.2");
  GracefulRestart restart;
  restart.notification = true;
  restart.restart_time = 120s;
  restart.families[index(Family::kIpv4Unicast)] = GracefulRestart::FamilyState{true};
  open.capabilities.graceful_restart = restart;
  raw->send(open);
  raw->send(KeepaliveMessage{});
  announce(0);
  announce(1);
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, HasSubstr("6/9"));
  EXPECT_THAT(raw->notification, HasSubstr("6/1"));
  EXPECT_TRUE(received(0)) << "and its own are not kept";
}

}  // namespace
}  // namespace towpath::bgp::test
