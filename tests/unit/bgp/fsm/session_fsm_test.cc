#include "bgp/fsm/session_fsm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "fsm_fixture.h"

namespace towpath::bgp::test {
namespace {

using namespace std::chrono_literals;

constexpr Identity kLocal{65001, 0x0A000001};
constexpr Identity kPeer{65002, 0x0A000002};

SessionFsm make() {
  return SessionFsm(settings(kLocal, kPeer), 1);
}

DecodeError error(NotificationCode code) {
  return {Disposition::kReset, code, {}, "broken"};
}

SessionEvent sample(EventKind kind) {
  switch (kind) {
    case EventKind::kStart: return Start{};
    case EventKind::kStartPassive: return StartPassive{};
    case EventKind::kStop: return Stop{NotificationMessage{kAdministrativeShutdown, {}}};
    case EventKind::kConnectRetryTimerExpires: return ConnectRetryTimerExpires{};
    case EventKind::kHoldTimerExpires: return HoldTimerExpires{};
    case EventKind::kKeepaliveTimerExpires: return KeepaliveTimerExpires{};
    case EventKind::kSendHoldTimerExpires: return SendHoldTimerExpires{};
    case EventKind::kTcpConnected: return TcpConnected{};
    case EventKind::kTcpConnectionFails: return TcpConnectionFails{};
    case EventKind::kOpenReceived: return OpenReceived{open_of(kPeer)};
    case EventKind::kMessageError: return MessageError{error(kBadMessageLength)};
    case EventKind::kOpenCollisionDump: return OpenCollisionDump{};
    case EventKind::kNotificationReceived: return NotificationReceived{{kAdministrativeReset, {}}};
    case EventKind::kKeepaliveReceived: return KeepaliveReceived{};
    case EventKind::kUpdateReceived: return UpdateReceived{};
    case EventKind::kRouteRefreshReceived: return RouteRefreshReceived{};
    case EventKind::kSuperseded: return Superseded{};
  }
  return Start{};
}

SessionFsm in_state(SessionState state, OpenMessage peer_open = open_of(kPeer)) {
  SessionFsm fsm = make();
  if (state == SessionState::kIdle) return fsm;
  fsm.step(state == SessionState::kActive ? SessionEvent(StartPassive{}) : SessionEvent(Start{}), kStart);
  if (state <= SessionState::kActive) return fsm;
  fsm.step(TcpConnected{}, kStart);
  if (state == SessionState::kOpenSent) return fsm;
  fsm.step(OpenReceived{std::move(peer_open)}, kStart);
  if (state == SessionState::kOpenConfirm) return fsm;
  fsm.step(KeepaliveReceived{}, kStart);
  return fsm;
}

// One row per event in the order of EventKind, one column per state: "next state: actions".
struct Row {
  EventKind event;
  std::array<const char*, 6> expected;  // Idle, Connect, Active, OpenSent, OpenConfirm, Established
};

const std::array<Row, kEventKindCount> kTable{{
    {EventKind::kStart,
     {"Connect: connect", "Connect: ", "Active: ", "OpenSent: ", "OpenConfirm: ", "Established: "}},
    {EventKind::kStartPassive,
     {"Active: ", "Connect: ", "Active: ", "OpenSent: ", "OpenConfirm: ", "Established: "}},
    {EventKind::kStop,
     {"Idle: ", "Idle: disconnect(stopped)", "Idle: disconnect(stopped)",
      "Idle: notification 6/2 disconnect(stopped)", "Idle: notification 6/2 disconnect(stopped)",
      "Idle: notification 6/2 disconnect(stopped) down(flush)"}},
    {EventKind::kConnectRetryTimerExpires,
     {"Idle: ", "Connect: disconnect(connect failed) connect", "Connect: connect",
      "Idle: notification 5/0 disconnect(protocol error)",
      "Idle: notification 5/0 disconnect(protocol error)",
      "Idle: notification 5/0 disconnect(protocol error) down(flush)"}},
    {EventKind::kHoldTimerExpires,
     {"Idle: ", "Idle: disconnect(connect failed)", "Idle: disconnect(connect failed)",
      "Idle: notification 4/0 disconnect(hold time expired)",
      "Idle: notification 4/0 disconnect(hold time expired)",
      "Idle: notification 4/0 disconnect(hold time expired) down(flush)"}},
    {EventKind::kKeepaliveTimerExpires,
     {"Idle: ", "Idle: disconnect(connect failed)", "Idle: disconnect(connect failed)",
      "Idle: notification 5/0 disconnect(protocol error)", "OpenConfirm: keepalive",
      "Established: keepalive"}},
    {EventKind::kSendHoldTimerExpires,
     {"Idle: ", "Idle: disconnect(connect failed)", "Idle: disconnect(connect failed)",
      "Idle: notification 5/0 disconnect(protocol error)",
      "Idle: notification 5/0 disconnect(protocol error)",
      "Idle: notification 8/0 disconnect(send hold time expired) down(flush)"}},
    {EventKind::kTcpConnected,
     {"Idle: ", "OpenSent: open", "OpenSent: open", "Idle: notification 5/0 disconnect(protocol error)",
      "Idle: notification 5/0 disconnect(protocol error)",
      "Idle: notification 5/0 disconnect(protocol error) down(flush)"}},
    {EventKind::kTcpConnectionFails,
     {"Idle: ", "Idle: disconnect(connect failed)", "Idle: disconnect(connect failed)",
      "Active: disconnect(connection lost)", "Idle: disconnect(connection lost)",
      "Idle: disconnect(connection lost) down(flush)"}},
    {EventKind::kOpenReceived,
     {"Idle: ", "Idle: disconnect(connect failed)", "Idle: disconnect(connect failed)",
      "OpenConfirm: keepalive", "Idle: notification 5/2[1] disconnect(protocol error)",
      "Idle: notification 5/3[1] disconnect(protocol error) down(flush)"}},
    {EventKind::kMessageError,
     {"Idle: ", "Idle: disconnect(connect failed)", "Idle: disconnect(connect failed)",
      "Idle: notification 1/2 disconnect(protocol error)",
      "Idle: notification 1/2 disconnect(protocol error)",
      "Idle: notification 1/2 disconnect(protocol error) down(flush)"}},
    {EventKind::kOpenCollisionDump,
     {"Idle: ", "Idle: disconnect(connect failed)", "Idle: disconnect(connect failed)",
      "Idle: notification 6/7 disconnect(connection collision)",
      "Idle: notification 6/7 disconnect(connection collision)",
      "Idle: notification 6/7 disconnect(connection collision) down(flush)"}},
    {EventKind::kNotificationReceived,
     {"Idle: ", "Idle: disconnect(connect failed)", "Idle: disconnect(connect failed)",
      "Idle: disconnect(NOTIFICATION received)", "Idle: disconnect(NOTIFICATION received)",
      "Idle: disconnect(NOTIFICATION received) down(flush)"}},
    {EventKind::kKeepaliveReceived,
     {"Idle: ", "Idle: disconnect(connect failed)", "Idle: disconnect(connect failed)",
      "Idle: notification 5/1[4] disconnect(protocol error)", "Established: up", "Established: "}},
    {EventKind::kUpdateReceived,
     {"Idle: ", "Idle: disconnect(connect failed)", "Idle: disconnect(connect failed)",
      "Idle: notification 5/1[2] disconnect(protocol error)",
      "Idle: notification 5/2[2] disconnect(protocol error)", "Established: deliver"}},
    {EventKind::kRouteRefreshReceived,
     {"Idle: ", "Idle: disconnect(connect failed)", "Idle: disconnect(connect failed)",
      "Idle: notification 5/1[5] disconnect(protocol error)",
      "Idle: notification 5/2[5] disconnect(protocol error)", "Established: deliver"}},
    {EventKind::kSuperseded,
     {"Idle: ", "Idle: disconnect(connect failed)", "Idle: disconnect(connect failed)",
      "Idle: disconnect(superseded by a new connection of the peer)",
      "Idle: disconnect(superseded by a new connection of the peer)",
      "Idle: disconnect(superseded by a new connection of the peer) down(flush)"}},
}};

TEST(SessionFsm, EveryStateMeetsEveryEvent) {
  for (std::size_t row = 0; row < kTable.size(); ++row) {
    ASSERT_EQ(static_cast<std::size_t>(kTable[row].event), row) << "the table has every event, in order";
    for (std::size_t column = 0; column < 6; ++column) {
      const auto state = static_cast<SessionState>(column);
      SessionFsm fsm = in_state(state);
      ASSERT_EQ(fsm.state(), state);
      const auto actions = fsm.step(sample(kTable[row].event), kStart + 1s);
      EXPECT_EQ(std::string(format(fsm.state())) + ": " + text(actions), kTable[row].expected[column])
          << format(kTable[row].event) << " in " << format(state);
    }
  }
}

TEST(SessionFsm, IdleHasNoTimerHoweverItWasReached) {
  for (const Row& row : kTable) {
    for (std::size_t column = 0; column < 6; ++column) {
      SessionFsm fsm = in_state(static_cast<SessionState>(column));
      fsm.step(sample(row.event), kStart + 1s);
      if (fsm.state() != SessionState::kIdle) continue;
      EXPECT_FALSE(fsm.next_deadline()) << format(row.event) << " in state " << column;
      EXPECT_FALSE(fsm.session());
      EXPECT_EQ(text(fsm.step(Start{}, kStart + 2s)), "connect") << "and can be started again";
    }
  }
}

TEST(SessionFsm, StopWithoutNotificationIsSilent) {
  for (auto state : {SessionState::kOpenSent, SessionState::kOpenConfirm}) {
    EXPECT_EQ(text(in_state(state).step(Stop{}, kStart)), "disconnect(stopped)");
  }
  EXPECT_EQ(text(in_state(SessionState::kEstablished).step(Stop{}, kStart)),
            "disconnect(stopped) down(flush)");
}

TEST(SessionFsm, DamagedMessagesOfTheWrongKindAreFsmErrors) {
  struct Case {
    SessionState state;
    NotificationCode code;
    const char* expected;
    const char* why;
  };
  for (const Case& c : std::initializer_list<Case>{
           {SessionState::kOpenSent, kUnsupportedVersion, "notification 2/1", "an OPEN is expected here"},
           {SessionState::kOpenSent, kMalformedAsPath, "notification 5/1[2]", "an UPDATE is not"},
           {SessionState::kOpenConfirm, kBadPeerAs, "notification 2/2", "Event 22 in OpenConfirm"},
           {SessionState::kOpenConfirm, kMalformedAsPath, "notification 5/2[2]", "Event 28 in OpenConfirm"},
           {SessionState::kOpenConfirm, kInvalidRouteRefreshLength, "notification 5/2[5]", "too early"},
           {SessionState::kEstablished, kBadPeerAs, "notification 5/3[1]", "Event 22 in Established"},
           {SessionState::kEstablished, kMalformedAsPath, "notification 3/11", "Event 28"},
           {SessionState::kEstablished, kInvalidRouteRefreshLength, "notification 7/1", "RFC 7313"},
           {SessionState::kEstablished, kBadMessageType, "notification 1/3", "Event 21"},
       }) {
    const auto actions = in_state(c.state).step(MessageError{error(c.code)}, kStart);
    EXPECT_THAT(text(actions), testing::StartsWith(std::string(c.expected) + " disconnect(protocol error)"))
        << c.why;
  }
}

TEST(SessionFsm, RoutesAreKeptOnlyWhenAPeerWithGracefulRestartFallsSilent) {
  struct Case {
    bool announced;
    SessionEvent event;
    const char* expected;
  };
  for (const Case& c : std::initializer_list<Case>{
           {true, TcpConnectionFails{}, "down(stale)"},
           {true, Superseded{}, "down(stale)"},
           {true, NotificationReceived{{kAdministrativeReset, {}}}, "down(flush)"},
           {true, HoldTimerExpires{}, "down(flush)"},  // we send a NOTIFICATION; RFC 8538 is not announced
           {true, Stop{}, "down(flush)"},
           {false, TcpConnectionFails{}, "down(flush)"},
           {false, Superseded{}, "down(flush)"},
       }) {
    const OpenMessage open = c.announced ? with_graceful_restart(open_of(kPeer)) : open_of(kPeer);
    SessionFsm fsm = in_state(SessionState::kEstablished, open);
    EXPECT_THAT(text(fsm.step(c.event, kStart)), testing::EndsWith(c.expected)) << format(kind_of(c.event));
  }
  OpenMessage helper_only = open_of(kPeer);
  helper_only.capabilities.graceful_restart = GracefulRestart{};
  SessionFsm fsm = in_state(SessionState::kEstablished, helper_only);
  EXPECT_THAT(text(fsm.step(TcpConnectionFails{}, kStart)), testing::EndsWith("down(flush)"));
}

TEST(SessionFsm, BetweenSpeakersThatAgreedOnItOnlyAHardResetFlushes) {
  // RFC 8538 section 4 and 5.
  struct Case {
    SessionEvent event;
    const char* expected;
  };
  for (const Case& c : std::initializer_list<Case>{
           {TcpConnectionFails{}, "down(stale)"},
           {HoldTimerExpires{}, "notification 6/9[4][0] disconnect(hold time expired) down(flush)"},
           {SendHoldTimerExpires{}, "down(stale)"},
           {MessageError{error(kMalformedAsPath)},
            "notification 3/11 disconnect(protocol error) down(stale)"},
           {NotificationReceived{{kAdministrativeReset, {}}}, "down(stale)"},
           {NotificationReceived{{kBfdDown, {}}}, "down(stale)"},
           {NotificationReceived{{kHardReset, {}}}, "down(flush)"},
           {Stop{}, "disconnect(stopped) down(flush)"},
           {Stop{NotificationMessage{kOtherConfigurationChange, {}}},
            "notification 6/6 disconnect(stopped) down(stale)"},
           {Stop{NotificationMessage{kAdministrativeShutdown, {std::byte{1}, std::byte{65}}}},
            "notification 6/9[6][2][1][65] disconnect(stopped) down(flush)"},
           {Stop{NotificationMessage{kPeerDeconfigured, {}}},
            "notification 6/9[6][3] disconnect(stopped) down(flush)"},
           {Stop{NotificationMessage{kMaximumPrefixesReached, {}}},
            "notification 6/9[6][1] disconnect(stopped) down(flush)"},
           {Stop{NotificationMessage{kBfdDown, {}}},
            "notification 6/9[6][10] disconnect(stopped) down(flush)"},
       }) {
    SessionSettings ours = settings(kLocal, kPeer);
    ours.open = with_graceful_restart(ours.open, true);
    SessionFsm fsm(ours, 1);
    fsm.step(Start{}, kStart);
    fsm.step(TcpConnected{}, kStart);
    fsm.step(OpenReceived{with_graceful_restart(open_of(kPeer), true)}, kStart);
    fsm.step(KeepaliveReceived{}, kStart);
    EXPECT_THAT(text(fsm.step(c.event, kStart)), testing::EndsWith(c.expected)) << format(kind_of(c.event));
  }
}

TEST(SessionFsm, OneSideAloneDoesNotKeepRoutesOverANotification) {
  SessionFsm fsm = in_state(SessionState::kEstablished, with_graceful_restart(open_of(kPeer), true));
  EXPECT_EQ(text(fsm.step(Stop{NotificationMessage{kAdministrativeShutdown, {}}}, kStart)),
            "notification 6/2 disconnect(stopped) down(flush)");
}

// --- timers

TEST(SessionFsm, APeerThatReadsNothingIsGivenUpAfterTheSendHoldTime) {
  SessionSettings ours = settings(kLocal, kPeer);
  ours.send_hold_time = 20s;
  SessionFsm fsm(ours, 1);
  fsm.step(Start{}, kStart);
  fsm.step(TcpConnected{}, kStart);
  fsm.step(OpenReceived{open_of(kPeer)}, kStart);
  fsm.step(KeepaliveReceived{}, kStart);
  fsm.sent(kStart + 5s);  // from here on everything is stuck
  TimePoint now = kStart;
  while (fsm.state() == SessionState::kEstablished) {
    now = *fsm.next_deadline();
    fsm.heard(now);  // it lives and talks: RFC 9687 is about just that
    fsm.sent(kStart + 5s);
    if (const auto event = fsm.due(now)) fsm.step(*event, now);
  }
  EXPECT_EQ(now, kStart + 25s);
}

TEST(SessionFsm, TheSendHoldTimeCanBeChangedAndSwitchedOffWhileItRuns) {
  SessionFsm fsm = in_state(SessionState::kEstablished, open_of(kPeer, 0));
  fsm.sent(kStart + 1s);
  EXPECT_FALSE(fsm.next_deadline()) << "RFC 9687 section 4: none where the hold time is 0";
  fsm = in_state(SessionState::kEstablished);
  SessionSettings changed = settings(kLocal, kPeer);
  changed.send_hold_time = 1s;
  fsm.set_settings(changed);
  fsm.sent(kStart);
  EXPECT_EQ(fsm.next_deadline(), kStart + 1s);
  changed.send_hold_time = 0s;
  fsm.set_settings(changed);
  fsm.sent(kStart);
  EXPECT_GT(*fsm.next_deadline(), kStart + 2s);
}

TEST(SessionFsm, ConnectRetryIsJitteredAndTriesAgain) {
  SessionFsm fsm = make();
  fsm.step(Start{}, kStart);
  ASSERT_TRUE(fsm.next_deadline());
  EXPECT_GE(*fsm.next_deadline(), kStart + 3750ms);
  EXPECT_LE(*fsm.next_deadline(), kStart + 5s);
  EXPECT_FALSE(fsm.due(kStart + 3s));
  const auto event = fsm.due(kStart + 5s);
  ASSERT_TRUE(event);
  EXPECT_EQ(kind_of(*event), EventKind::kConnectRetryTimerExpires);
  EXPECT_EQ(text(fsm.step(*event, kStart + 5s)), "disconnect(connect failed) connect");
  EXPECT_GE(*fsm.next_deadline(), kStart + 8750ms);
}

TEST(SessionFsm, PassiveWaitsForEver) {
  SessionFsm fsm = make();
  fsm.step(StartPassive{}, kStart);
  EXPECT_FALSE(fsm.next_deadline());
}

TEST(SessionFsm, ALostConnectionInOpenSentIsRetriedOnlyWhereWeConnect) {
  SessionFsm active = in_state(SessionState::kOpenSent);
  active.step(TcpConnectionFails{}, kStart);
  ASSERT_TRUE(active.due(kStart + 5s));
  EXPECT_EQ(text(active.step(*active.due(kStart + 5s), kStart + 5s)), "connect");

  SessionFsm passive = make();
  passive.step(StartPassive{}, kStart);
  passive.step(TcpConnected{}, kStart);
  passive.step(TcpConnectionFails{}, kStart);
  EXPECT_EQ(passive.state(), SessionState::kActive);
  EXPECT_FALSE(passive.next_deadline());
}

TEST(SessionFsm, OpenSentWaitsFourMinutes) {
  const SessionFsm fsm = in_state(SessionState::kOpenSent);
  EXPECT_EQ(fsm.next_deadline(), kStart + 240s);
  EXPECT_EQ(kind_of(*fsm.due(kStart + 240s)), EventKind::kHoldTimerExpires);
}

TEST(SessionFsm, KeepalivesGoOutAtAThirdAndSilenceEndsTheSession) {
  SessionFsm fsm = in_state(SessionState::kEstablished);
  TimePoint now = kStart;
  unsigned keepalives = 0;
  while (fsm.state() == SessionState::kEstablished) {
    now = *fsm.next_deadline();
    for (const auto& action : fsm.step(*fsm.due(now), now)) keepalives += text(action) == "keepalive" ? 1 : 0;
  }
  EXPECT_EQ(now, kStart + 9s);
  EXPECT_GE(keepalives, 2U);  // every 2.25 to 3 s
  EXPECT_LE(keepalives, 4U);
}

TEST(SessionFsm, WhateverThePeerSendsRestartsTheHoldTimer) {
  for (const auto& event : {SessionEvent(KeepaliveReceived{}), SessionEvent(UpdateReceived{}),
                            SessionEvent(RouteRefreshReceived{})}) {
    SessionFsm fsm = in_state(SessionState::kEstablished);
    fsm.step(event, kStart + 8s);
    while (kind_of(*fsm.due(kStart + 1h)) != EventKind::kHoldTimerExpires) {
      fsm.step(KeepaliveTimerExpires{}, *fsm.next_deadline());
    }
    EXPECT_EQ(fsm.next_deadline(), kStart + 17s) << format(kind_of(event));
  }
}

TEST(SessionFsm, WhatWaitsToBeProcessedIsNoSilence) {
  SessionFsm fsm = in_state(SessionState::kEstablished);
  fsm.heard(kStart + 8s);
  fsm.step(KeepaliveTimerExpires{}, kStart + 16s);
  EXPECT_FALSE(fsm.due(kStart + 16s));
  EXPECT_EQ(fsm.next_deadline(), kStart + 17s);
  fsm.heard(kStart + 1s);  // older than what is known
  EXPECT_EQ(fsm.next_deadline(), kStart + 17s);
}

TEST(SessionFsm, HoldTimeZeroMeansNoTimers) {
  SessionFsm fsm = in_state(SessionState::kEstablished, open_of(kPeer, 0));
  EXPECT_FALSE(fsm.next_deadline());
  fsm.step(UpdateReceived{}, kStart + 1s);
  fsm.step(KeepaliveReceived{}, kStart + 1s);
  EXPECT_FALSE(fsm.next_deadline());
}

TEST(Jitter, StaysWithin75And100Percent) {
  Duration least = 1h;
  Duration most = 0s;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Jitter jitter(seed);
    for (int i = 0; i < 20; ++i) {
      const Duration value = jitter.apply(1000s);
      least = std::min(least, value);
      most = std::max(most, value);
    }
  }
  EXPECT_GE(least, 750s);
  EXPECT_LT(least, 760s);
  EXPECT_LE(most, 1000s);
  EXPECT_GT(most, 990s);
}

// --- negotiation

TEST(NegotiateSession, RefusesWithTheRightNotification) {
  struct Case {
    const char* why;
    void (*change)(OpenMessage&);
    const char* expected;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"another AS than configured", [](OpenMessage& o) { o.as = AsNumber{65003}; }, "notification 2/2"},
           {"hold time of 1 s", [](OpenMessage& o) { o.hold_time = 1; }, "notification 2/6"},
           {"hold time of 2 s", [](OpenMessage& o) { o.hold_time = 2; }, "notification 2/6"},
           {"no family in common; data: what we need",
            [](OpenMessage& o) {
              o.capabilities.multiprotocol = {false, false};
              o.capabilities.other.push_back({1, {std::byte{0}, std::byte{25}, std::byte{0}, std::byte{65}}});
            },
            "notification 2/7[1][4][0][1][0][1][1][4][0][2][0][1]"},
       }) {
    OpenMessage open = open_of(kPeer);
    c.change(open);
    SessionFsm fsm = in_state(SessionState::kOpenSent);
    EXPECT_EQ(text(fsm.step(OpenReceived{open}, kStart)),
              std::string(c.expected) + " disconnect(protocol error)")
        << c.why;
  }
}

TEST(NegotiateSession, TheIdentifierMustDifferInsideAnAsOnly) {
  const Identity same_as{kLocal.as, kLocal.router_id};
  const auto internal = negotiate_session(settings(kLocal, same_as), open_of(same_as));
  ASSERT_FALSE(internal);
  EXPECT_EQ(internal.error().code, kBadBgpIdentifier);
  const Identity other_as{kPeer.as, kLocal.router_id};
  EXPECT_TRUE(negotiate_session(settings(kLocal, other_as), open_of(other_as)));
}

TEST(NegotiateSession, TakesTheSmallerHoldTime) {
  struct Case {
    std::uint16_t ours, theirs;
    std::chrono::seconds agreed;
  };
  for (const Case& c : std::initializer_list<Case>{
           {9, 90, 9s}, {90, 9, 9s}, {9, 3, 3s}, {9, 0, 0s}, {0, 9, 0s}, {0, 0, 0s}}) {
    SessionSettings ours = settings(kLocal, kPeer);
    ours.open.hold_time = c.ours;
    const auto session = negotiate_session(ours, open_of(kPeer, c.theirs));
    ASSERT_TRUE(session);
    EXPECT_EQ(session->hold_time, c.agreed) << c.ours << " and " << c.theirs;
    EXPECT_EQ(session->keepalive_time(), std::chrono::milliseconds(c.agreed) / 3);
  }
}

TEST(NegotiateSession, KnowsThePeer) {
  const auto session = negotiate_session(settings(kLocal, kPeer), with_graceful_restart(open_of(kPeer)));
  ASSERT_TRUE(session);
  EXPECT_EQ(session->peer_as.value, kPeer.as);
  EXPECT_EQ(session->peer_id.value, kPeer.router_id);
  EXPECT_TRUE(session->route_refresh);
  EXPECT_TRUE(session->graceful_restart);
  EXPECT_EQ(session->parameters.peer_type, PeerType::kExternal);
  EXPECT_TRUE(session->parameters.of(Family::kIpv6Unicast).enabled);
}

}  // namespace
}  // namespace towpath::bgp::test
