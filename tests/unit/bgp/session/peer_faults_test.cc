// A speaker and a peer that is driven byte by byte, and mostly misbehaves; beside it, where it matters, a
// sound session that must not notice.
#include "bgp/wire/encode.h"
#include "session_fixture.h"

namespace towpath::bgp::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

class PeerFaults : public SessionTest {
 protected:
  // A second, sound session of the subject.
  void add_neighbour() {
    subject = std::make_unique<TestSpeaker>(loop, 65001, "127.0.1.1", "10.0.0.1");
    subject->listen();
    neighbour = std::make_unique<TestSpeaker>(loop, 65003, "127.0.1.3", "10.0.0.3");
    neighbour->config.originate = {prefix("10.64.3.0/26")};
    neighbour->listen();
    subject->add_peer(peer_of(*subject, *neighbour, "neighbour"));
    neighbour->add_peer(peer_of(*neighbour, *subject, "subject"));
    neighbour->peer_config("subject").passive = true;  // no collision: the session is counted
    subject->apply();
    neighbour->apply();
    ASSERT_TRUE(run_until([&] { return subject->has("10.64.3.0/26"); }));
  }
  void expect_neighbour_untouched() {
    EXPECT_TRUE(subject->established("neighbour"));
    EXPECT_EQ(subject->status("neighbour").connections, 1U);
    EXPECT_TRUE(subject->has("10.64.3.0/26"));
  }
  bool notified() {
    return run_until([&] {
      raw->poll();
      return !raw->notification.empty() && raw->closed();
    });
  }
  // An announcement of one IPv4 prefix by AS 65002.
  UpdateMessage announcement(const char* text) {
    UpdateMessage update;
    update.attributes.as_path.prepend(AsNumber{65002});
    Reach& reach = update.reach[UpdateMessage::kNlriField];
    reach.next_hop.address = address("198.51.100.2");
    reach.nlri.push_back({prefix(text)});
    return update;
  }
  std::vector<std::byte> bytes_of(const Message& message) {
    std::vector<std::byte> bytes;
    EXPECT_TRUE(encode(message, raw->parameters, bytes));
    return bytes;
  }

  std::unique_ptr<TestSpeaker> neighbour;
};

TEST_F(PeerFaults, GarbageGetsItsNotificationAndOthersDoNotNotice) {
  add_neighbour();
  begin_raw_session();
  raw->send(std::vector<std::byte>(64, std::byte{0x47}));
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, StartsWith("1/1"));
  EXPECT_THAT(subject->status("raw").last_error, HasSubstr("marker"));
  expect_neighbour_untouched();
}

TEST_F(PeerFaults, GarbageInAnEstablishedSessionEndsItAndItsRoutes) {
  add_neighbour();
  establish_raw_session();
  raw->send(announcement("10.64.2.0/26"));
  ASSERT_TRUE(run_until([&] { return subject->has("10.64.2.0/26"); }));
  auto bytes = bytes_of(KeepaliveMessage{});
  bytes[18] = std::byte{77};  // no such type
  raw->send(bytes);
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, StartsWith("1/3"));
  EXPECT_THAT(raw->notification, HasSubstr("4d")) << "the data is the type that was wrong";
  ASSERT_TRUE(run_until([&] { return !subject->has("10.64.2.0/26"); }));
  expect_neighbour_untouched();
}

TEST_F(PeerFaults, WrongVersionIsToldTheRightOne) {
  begin_raw_session();
  auto bytes = bytes_of(open_of(65002, "10.0.0.2"));
  bytes[19] = std::byte{3};
  raw->send(bytes);
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, StartsWith("2/1"));
  EXPECT_THAT(raw->notification, HasSubstr("0004"));
}

TEST_F(PeerFaults, WrongAsIsBadPeerAs) {
  begin_raw_session();
  raw->send(open_of(65099, "10.0.0.2"));
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, StartsWith("2/2"));
}

TEST_F(PeerFaults, UpdateBeforeOpenIsAnFsmError) {
  begin_raw_session();
  raw->send(announcement("10.64.2.0/26"));
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, StartsWith("5/1"));
  EXPECT_TRUE(subject->observer.routes.empty());
}

TEST_F(PeerFaults, AnAttributeErrorWithdrawsAndTheSessionStays) {
  establish_raw_session();
  raw->send(announcement("10.64.2.0/26"));
  ASSERT_TRUE(run_until([&] { return subject->has("10.64.2.0/26"); }));
  auto bytes = bytes_of(announcement("10.64.2.0/26"));
  // ORIGIN is the first attribute: flags, type 1, length 1, value.
  ASSERT_EQ(bytes[24], std::byte{1});
  bytes[26] = std::byte{9};
  raw->send(bytes);
  ASSERT_TRUE(run_until([&] { return !subject->has("10.64.2.0/26"); }));
  EXPECT_TRUE(subject->established("raw"));
  EXPECT_THAT(subject->observer.log, Contains(HasSubstr("raw: problem: routes withdrawn")));
  EXPECT_THAT(subject->status("raw").last_error, HasSubstr("3/6"));
}

TEST_F(PeerFaults, StrangersAreRejected) {
  begin_raw_session();
  raw = std::make_unique<RawPeer>(loop, "127.0.1.77");
  raw->connect(address("127.0.1.1"), subject->port());
  raw->send(open_of(65002, "10.0.0.2"));
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, StartsWith("6/5"));
  EXPECT_THAT(subject->observer.log, Contains("refused 127.0.1.77: no such peer is configured"));
}

TEST_F(PeerFaults, APeerMayConnectToItsLocalAddressOnly) {
  subject = std::make_unique<TestSpeaker>(loop, 65001, "127.0.1.1", "10.0.0.1");
  subject->config.listen.push_back({address("127.0.1.11"), 0});
  begin_raw_session();
  subject->peer_config("raw").local_address = address("127.0.1.11");
  subject->apply();
  raw->connect(address("127.0.1.1"), subject->port());
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, StartsWith("6/5"));
  raw->notification.clear();
  raw->connect(address("127.0.1.11"), subject->speaker->listening().back().port);
  raw->send(open_of(65002, "10.0.0.2"));
  raw->send(KeepaliveMessage{});
  EXPECT_TRUE(run_until([&] { return subject->established("raw"); }));
}

TEST_F(PeerFaults, ASessionOverIpv6CarriesBothFamilies) {
  subject = std::make_unique<TestSpeaker>(loop, 65001, "::1", "10.0.0.1");
  subject->config.originate = {prefix("10.64.1.0/26"), prefix("fd00:64:0:1::/122")};
  subject->listen();
  PeerConfig peer;
  peer.name = "raw";
  peer.address = address("::1");
  peer.as = AsNumber{65002};
  peer.passive = true;
  peer.next_hop_self = {address("198.51.100.1"), address("2001:db8::1")};
  peer.import_policy = PolicyPtr({accept_prefixes("", {{prefix("0.0.0.0/0"), 0, 32}})});
  subject->add_peer(peer);
  subject->apply();
  raw = std::make_unique<RawPeer>(loop, "::1");
  raw->connect(address("::1"), subject->port());
  raw->send(open_of(65002, "10.0.0.2"));
  raw->send(KeepaliveMessage{});
  raw->send(announcement("10.64.2.0/26"));
  ASSERT_TRUE(run_until([&] { return subject->has("10.64.2.0/26"); }));
  ASSERT_TRUE(run_until([&] {
    raw->poll();
    return raw->announced == 2;
  }));
}

TEST_F(PeerFaults, SilenceEndsTheSessionAfterTheHoldTime) {
  establish_raw_session(3);
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, StartsWith("4/0"));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 2500ms);
  EXPECT_THAT(subject->observer.log, Contains(HasSubstr("raw: ended: hold time expired")));
}

TEST_F(PeerFaults, BytesOneByOneAreTheSameMessages) {
  begin_raw_session();
  const auto trickle = [&](const Message& message) {
    for (std::byte byte : bytes_of(message)) {
      raw->send(std::span(&byte, 1));
      run_for_turns(2);
    }
  };
  trickle(open_of(65002, "10.0.0.2"));
  trickle(KeepaliveMessage{});
  trickle(announcement("10.64.2.0/26"));
  ASSERT_TRUE(run_until([&] { return subject->has("10.64.2.0/26"); }));
  EXPECT_EQ(subject->observer.routes.at(prefix("10.64.2.0/26")).next_hop.address, address("198.51.100.2"));
}

TEST_F(PeerFaults, AThousandKeepalivesInOnePieceAreFine) {
  establish_raw_session();
  std::vector<std::byte> bytes;
  for (int i = 0; i < 1000; ++i) encode_keepalive(bytes);
  raw->send(bytes);
  ASSERT_TRUE(run_until([&] { return subject->status("raw").messages_received >= 1002; }));
  EXPECT_TRUE(subject->established("raw"));
}

TEST_F(PeerFaults, ARefreshSendsTheFamilyAgain) {
  subject = std::make_unique<TestSpeaker>(loop, 65001, "127.0.1.1", "10.0.0.1");
  subject->config.originate = {prefix("10.64.1.0/26"), prefix("fd00:64:0:1::/122")};
  establish_raw_session();
  ASSERT_TRUE(run_until([&] {
    raw->poll();
    return raw->announced == 2;
  }));
  raw->send(RouteRefreshMessage{1, 1, 0});
  ASSERT_TRUE(run_until([&] {
    raw->poll();
    return raw->announced == 3;
  }));
}

// The peer's identifier is lower than ours: of two connections ours stays, of two the peer opened none may.
TEST_F(PeerFaults, OfTwoConnectionsTheOneOfTheHigherIdentifierStays) {
  for (const char* peer_id : {"9.0.0.1", "11.0.0.1"}) {
    subject = std::make_unique<TestSpeaker>(loop, 65001, "127.0.1.1", "10.0.0.1");
    RawPeer accepted(loop, "127.0.1.2");
    accepted.listen();
    PeerConfig peer;
    peer.name = "raw";
    peer.address = address("127.0.1.2");
    peer.port = accepted.port();
    peer.local_address = address("127.0.1.1");
    peer.as = AsNumber{65002};
    subject->add_peer(peer);
    subject->apply();
    ASSERT_TRUE(run_until([&] { return accepted.accept(); }));
    RawPeer opened(loop, "127.0.1.2");
    opened.connect(address("127.0.1.1"), subject->port());
    // Both connections have our OPEN, then both get the peer's.
    ASSERT_TRUE(run_until([&] {
      accepted.poll();
      opened.poll();
      return !accepted.inbox.empty() && !opened.inbox.empty();
    }));
    accepted.send(open_of(65002, peer_id));
    opened.send(open_of(65002, peer_id));
    const bool ours_stays = std::string_view(peer_id) == "9.0.0.1";
    RawPeer& stays = ours_stays ? accepted : opened;
    RawPeer& goes = ours_stays ? opened : accepted;
    ASSERT_TRUE(run_until([&] {
      goes.poll();
      return goes.closed();
    }));
    EXPECT_THAT(goes.notification, StartsWith("6/7"));
    stays.send(KeepaliveMessage{});
    ASSERT_TRUE(run_until([&] { return subject->established("raw"); }));
    stays.poll();
    EXPECT_FALSE(stays.closed());
    EXPECT_EQ(stays.notification, "");
    subject.reset();
  }
}

TEST_F(PeerFaults, APeerThatDoesNotReadDelaysNobody) {
  subject = std::make_unique<TestSpeaker>(loop, 65001, "127.0.1.1", "10.0.0.1");
  constexpr std::size_t kRoutes = 500000;  // 8 MB: twice what the greatest send buffer takes
  establish_raw_session(90, 65536);

  neighbour = std::make_unique<TestSpeaker>(loop, 65003, "127.0.1.3", "10.0.0.3");
  neighbour->listen();
  subject->add_peer(peer_of(*subject, *neighbour, "neighbour"));
  neighbour->add_peer(peer_of(*neighbour, *subject, "subject"));
  subject->apply();
  neighbour->apply();
  const IpAddress pool = address("fd00:64::");
  for (std::uint32_t i = 0; i < kRoutes; ++i) {
    subject->config.originate.push_back(*Prefix::make(pool.plus(std::uint64_t{i} << 4), 124));
  }
  subject->apply();
  ASSERT_TRUE(run_until([&] { return neighbour->observer.routes.size() == kRoutes; }, 60s));
  EXPECT_LT(subject->status("raw").messages_sent, subject->status("neighbour").messages_sent / 2);
  EXPECT_TRUE(subject->established("raw"));
  // Once it reads, it gets all of it.
  ASSERT_TRUE(run_until(
      [&] {
        raw->poll();
        raw->inbox.clear();
        return raw->announced >= kRoutes;
      },
      60s));
  EXPECT_TRUE(subject->established("neighbour"));
}

}  // namespace
}  // namespace towpath::bgp::test
