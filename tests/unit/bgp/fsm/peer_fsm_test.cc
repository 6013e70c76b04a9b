#include "bgp/fsm/peer_fsm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fsm_fixture.h"

namespace towpath::bgp::test {
namespace {

using namespace std::chrono_literals;

constexpr Identity kLow{65001, 0x0A000001};
constexpr Identity kHigh{65002, 0x0A000002};

struct Peer {
  explicit Peer(Identity local, Identity remote, bool passive = false, bool graceful = false)
      : fsm(settings(local, remote), passive, 1), remote_open(open_of(remote)) {
    if (graceful) remote_open = with_graceful_restart(remote_open);
  }
  std::string step(Slot slot, const SessionEvent& event) { return text(fsm.step(slot, event, now)); }
  // As bgp/session does it for a new incoming connection.
  std::string accept() {
    auto verdict = fsm.accept(now);
    if (!verdict.accepted) return "refused " + text(SendNotification{verdict.refusal});
    const std::string before = text(verdict.actions);
    const std::string after = text(fsm.step(Slot::kIncoming, TcpConnected{}, now));
    return before.empty() ? after : before + "; " + after;
  }
  void establish(Slot slot) {
    if (slot == Slot::kIncoming) accept();
    if (slot == Slot::kOutgoing) step(slot, TcpConnected{});
    step(slot, OpenReceived{remote_open});
    step(slot, KeepaliveReceived{});
    ASSERT_EQ(fsm.state(slot), SessionState::kEstablished);
  }

  PeerFsm fsm;
  OpenMessage remote_open;
  TimePoint now = kStart;
};

TEST(SurvivingConnection, IsTheOneOfTheHigherIdentifierThenOfTheHigherAs) {
  const auto side = [](Identity who) { return CollisionSide{RouterId{who.router_id}, AsNumber{who.as}}; };
  EXPECT_EQ(surviving_connection(side(kLow), side(kHigh)), Slot::kIncoming);
  EXPECT_EQ(surviving_connection(side(kHigh), side(kLow)), Slot::kOutgoing);
  // Compared as numbers: 9.x is below 10.x, whatever the text says.
  EXPECT_EQ(surviving_connection(side({1, 0x0A000000}), side({1, 0x09FFFFFF})), Slot::kOutgoing);
  EXPECT_EQ(surviving_connection(side({1, 0xFFFFFFFF}), side({1, 1})), Slot::kOutgoing);
  // RFC 6286 section 2.3.
  EXPECT_EQ(surviving_connection(side({1, 7}), side({2, 7})), Slot::kIncoming);
  EXPECT_EQ(surviving_connection(side({2, 7}), side({1, 7})), Slot::kOutgoing);
}

TEST(PeerFsm, ConnectsAtOnceAndAPassiveOneWaits) {
  Peer active(kLow, kHigh);
  EXPECT_EQ(text(active.fsm.start(kStart)), "out: connect");
  EXPECT_EQ(active.fsm.state(), SessionState::kConnect);
  Peer passive(kLow, kHigh, true);
  EXPECT_EQ(text(passive.fsm.start(kStart)), "");
  EXPECT_EQ(passive.fsm.state(), SessionState::kActive);
  EXPECT_FALSE(passive.fsm.next_deadline());
  passive.establish(Slot::kIncoming);
  EXPECT_EQ(passive.fsm.state(), SessionState::kEstablished);
}

TEST(PeerFsm, RefusesWhileNotStarted) {
  Peer peer(kLow, kHigh);
  EXPECT_EQ(peer.accept(), "refused notification 6/5");
}

// Both connections are in OpenSent; the peer's OPEN comes on the one, then on the other.
TEST(PeerFsm, CollisionIsSettledByTheSecondOpen) {
  struct Case {
    Identity local, remote;
    Slot second;
    const char* expected;
    Slot left;
  };
  for (const Case& c : std::initializer_list<Case>{
           {kLow, kHigh, Slot::kIncoming,
            "out: notification 6/7; out: disconnect(connection collision); in: keepalive", Slot::kIncoming},
           {kLow, kHigh, Slot::kOutgoing, "out: notification 6/7; out: disconnect(connection collision)",
            Slot::kIncoming},
           {kHigh, kLow, Slot::kIncoming, "in: notification 6/7; in: disconnect(connection collision)",
            Slot::kOutgoing},
           {kHigh, kLow, Slot::kOutgoing,
            "in: notification 6/7; in: disconnect(connection collision); out: keepalive", Slot::kOutgoing},
       }) {
    Peer peer(c.local, c.remote);
    peer.fsm.start(kStart);
    EXPECT_EQ(peer.accept(), "in: open");
    EXPECT_EQ(peer.step(Slot::kOutgoing, TcpConnected{}), "out: open");
    peer.step(other(c.second), OpenReceived{peer.remote_open});
    EXPECT_EQ(peer.step(c.second, OpenReceived{peer.remote_open}), c.expected);
    EXPECT_EQ(peer.fsm.state(c.left), SessionState::kOpenConfirm);
    EXPECT_EQ(peer.fsm.state(other(c.left)), SessionState::kIdle);
    EXPECT_EQ(peer.fsm.failures(), 0U);
  }
}

TEST(PeerFsm, AnOpenThatIsRefusedAnywayDumpsNothing) {
  Peer peer(kLow, kHigh);
  peer.fsm.start(kStart);
  peer.accept();
  peer.step(Slot::kOutgoing, TcpConnected{});
  peer.step(Slot::kOutgoing, OpenReceived{peer.remote_open});
  peer.remote_open.as = AsNumber{65099};
  EXPECT_EQ(peer.step(Slot::kIncoming, OpenReceived{peer.remote_open}),
            "in: notification 2/2; in: disconnect(protocol error)");
  EXPECT_EQ(peer.fsm.state(Slot::kOutgoing), SessionState::kOpenConfirm);
}

TEST(PeerFsm, AConnectionBegunDuringTheHandshakeIsStillCompared) {
  Peer peer(kLow, kHigh);
  peer.fsm.start(kStart);
  peer.accept();
  peer.step(Slot::kOutgoing, TcpConnected{});
  peer.now += 1s;
  peer.step(Slot::kOutgoing, OpenReceived{peer.remote_open});
  EXPECT_EQ(peer.step(Slot::kOutgoing, KeepaliveReceived{}), "out: up");
  EXPECT_EQ(peer.step(Slot::kIncoming, OpenReceived{peer.remote_open}),
            "out: notification 6/7; out: disconnect(connection collision); out: down(flush); in: keepalive");
}

TEST(PeerFsm, EstablishedWinsAgainstALaterConnection) {
  for (bool graceful : {false, true}) {
    Peer peer(kLow, kHigh, false, graceful);
    peer.fsm.start(kStart);
    peer.establish(Slot::kOutgoing);
    peer.now += 1s;
    EXPECT_EQ(peer.accept(), "refused notification 6/7");
    EXPECT_EQ(peer.fsm.state(), SessionState::kEstablished);
  }
}

TEST(PeerFsm, ANewConnectionOfARestartedPeerSupersedesTheOldOne) {
  for (Slot slot : kAllSlots) {
    Peer peer(kHigh, kLow, false, true);
    peer.fsm.start(kStart);
    peer.establish(slot);
    peer.now += 10s;
    const std::string old = slot == Slot::kOutgoing ? "out" : "in";
    EXPECT_EQ(peer.accept(), old + ": disconnect(superseded by a new connection of the peer); " + old +
                                 ": down(stale); in: open");
    peer.step(Slot::kIncoming, OpenReceived{peer.remote_open});
    EXPECT_EQ(peer.step(Slot::kIncoming, KeepaliveReceived{}), "in: up");
  }
  Peer plain(kHigh, kLow);
  plain.fsm.start(kStart);
  plain.establish(Slot::kOutgoing);
  plain.now += 10s;
  EXPECT_EQ(plain.accept(), "refused notification 6/7")
      << "without graceful restart RFC 4271 section 6.8 holds";
}

TEST(PeerFsm, ASecondIncomingConnectionReplacesTheFirst) {
  Peer peer(kLow, kHigh, true);
  peer.fsm.start(kStart);
  EXPECT_EQ(peer.accept(), "in: open");
  EXPECT_EQ(peer.accept(), "in: disconnect(superseded by a new connection of the peer); in: open");
}

TEST(PeerFsm, TheOwnAttemptEndsWhenThePeersConnectionIsEstablished) {
  Peer peer(kLow, kHigh);
  peer.fsm.start(kStart);
  ASSERT_EQ(peer.fsm.state(Slot::kOutgoing), SessionState::kConnect);
  peer.accept();
  EXPECT_EQ(peer.step(Slot::kIncoming, OpenReceived{peer.remote_open}), "in: keepalive");
  EXPECT_EQ(peer.fsm.state(Slot::kOutgoing), SessionState::kConnect) << "it may still win";
  EXPECT_EQ(peer.step(Slot::kIncoming, KeepaliveReceived{}), "in: up; out: disconnect(stopped)");
  // Nothing but the timers of the session runs.
  peer.now += 8s;
  EXPECT_EQ(text(peer.fsm.expire(peer.now)), "in: keepalive");
}

TEST(PeerFsm, TriesAgainAtOnceAfterALostSession) {
  for (Slot slot : kAllSlots) {
    Peer peer(kLow, kHigh);
    peer.fsm.start(kStart);
    peer.establish(slot);
    peer.now += 20s;
    peer.step(slot, TcpConnectionFails{});
    EXPECT_EQ(peer.fsm.next_deadline(), peer.now);
    EXPECT_EQ(text(peer.fsm.expire(peer.now)), "out: connect");
  }
}

TEST(PeerFsm, TriesAgainAfterTheRetryTimeWhenAConnectFails) {
  Peer peer(kLow, kHigh);
  peer.fsm.start(kStart);
  for (int attempt = 0; attempt < 5; ++attempt) {
    peer.step(Slot::kOutgoing, TcpConnectionFails{});
    EXPECT_EQ(peer.fsm.state(Slot::kOutgoing), SessionState::kIdle);
    EXPECT_GE(*peer.fsm.next_deadline(), peer.now + 3750ms);
    EXPECT_LE(*peer.fsm.next_deadline(), peer.now + 5s);
    EXPECT_EQ(peer.accept(), "in: open") << "the peer may connect all the time";
    peer.step(Slot::kIncoming, TcpConnectionFails{});
    peer.now = *peer.fsm.next_deadline();
    EXPECT_EQ(text(peer.fsm.expire(peer.now)), "out: connect");
  }
}

TEST(PeerFsm, HoldsOffAPeerThatFailsAgainAndAgain) {
  Peer peer(kLow, kHigh);
  peer.fsm.start(kStart);
  std::chrono::seconds full = 1s;
  for (unsigned failure = 1; failure <= 9; ++failure) {
    peer.step(Slot::kOutgoing, TcpConnected{});
    peer.step(Slot::kOutgoing, MessageError{{Disposition::kReset, kUnsupportedVersion, {}, "version 3"}});
    EXPECT_EQ(peer.fsm.failures(), failure);
    EXPECT_GE(*peer.fsm.next_deadline(), peer.now + full * 3 / 4);
    EXPECT_LE(*peer.fsm.next_deadline(), peer.now + full);
    EXPECT_EQ(peer.accept(), "refused notification 6/5");
    full = std::min(full * 2, 60s);
    peer.now = *peer.fsm.next_deadline();
    EXPECT_EQ(text(peer.fsm.expire(peer.now)), "out: connect");
  }
  // A session that lasts clears the record; one that ends at once does not.
  peer.establish(Slot::kOutgoing);
  peer.now += 1s;
  peer.step(Slot::kOutgoing, NotificationReceived{{kAdministrativeReset, {}}});
  EXPECT_EQ(peer.fsm.failures(), 10U);
  peer.now = *peer.fsm.next_deadline();
  peer.fsm.expire(peer.now);
  peer.establish(Slot::kOutgoing);
  peer.now += 60s;
  peer.step(Slot::kOutgoing, NotificationReceived{{kAdministrativeReset, {}}});
  EXPECT_EQ(peer.fsm.failures(), 1U);
}

TEST(PeerFsm, HoldsOffForTwiceAsLongEachTimeUntilASessionLasts) {
  Peer peer(kLow, kHigh);
  peer.fsm.start(kStart);
  const Stop stop{NotificationMessage{kMaximumPrefixesReached, {}}, "too much"};
  for (const std::chrono::seconds full : {100s, 200s, 400s}) {
    peer.establish(Slot::kOutgoing);
    EXPECT_EQ(text(peer.fsm.hold_off(stop, 100s, peer.now)),
              "out: notification 6/1; out: disconnect(stopped); out: down(flush)");
    EXPECT_GE(*peer.fsm.next_deadline(), peer.now + full * 3 / 4);
    EXPECT_LE(*peer.fsm.next_deadline(), peer.now + full);
    EXPECT_EQ(peer.accept(), "refused notification 6/5");
    peer.now = *peer.fsm.next_deadline();
    EXPECT_EQ(text(peer.fsm.expire(peer.now)), "out: connect");
  }
  peer.establish(Slot::kOutgoing);
  peer.now += 60s;
  peer.fsm.hold_off(stop, 100s, peer.now);
  EXPECT_LE(*peer.fsm.next_deadline(), peer.now + 100s);
}

TEST(PeerFsm, HoldsOffForGoodWhereNoTimeIsGiven) {
  Peer peer(kLow, kHigh);
  peer.fsm.start(kStart);
  peer.establish(Slot::kOutgoing);
  peer.fsm.hold_off({NotificationMessage{kMaximumPrefixesReached, {}}}, {}, peer.now);
  EXPECT_FALSE(peer.fsm.next_deadline());
  EXPECT_EQ(peer.accept(), "refused notification 6/5");
  EXPECT_EQ(text(peer.fsm.start(peer.now)), "out: connect");
}

TEST(PeerFsm, AStartDuringTheTimeEndsIt) {
  Peer peer(kLow, kHigh);
  peer.fsm.start(kStart);
  peer.establish(Slot::kOutgoing);
  peer.fsm.hold_off({NotificationMessage{kMaximumPrefixesReached, {}}}, 100s, peer.now);
  EXPECT_EQ(text(peer.fsm.start(peer.now)), "out: connect");
}

TEST(PeerFsm, StopEndsAllAndStartBeginsAnew) {
  Peer peer(kLow, kHigh);
  peer.fsm.start(kStart);
  peer.accept();
  peer.step(Slot::kOutgoing, TcpConnected{});
  EXPECT_EQ(text(peer.fsm.stop(NotificationMessage{kPeerDeconfigured, {}}, peer.now)),
            "out: notification 6/3; out: disconnect(stopped); in: notification 6/3; in: disconnect(stopped)");
  EXPECT_FALSE(peer.fsm.next_deadline());
  EXPECT_EQ(peer.fsm.state(), SessionState::kIdle);
  EXPECT_EQ(text(peer.fsm.start(peer.now)), "out: connect");
}

}  // namespace
}  // namespace towpath::bgp::test
