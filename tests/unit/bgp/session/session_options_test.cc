// What a peer's optional keys do on the wire: one sound session each, or the reason why there is none.
#include <netinet/in.h>

#include "bgp/session/endpoint.h"
#include "bgp/wire/encode.h"
#include "session_fixture.h"

namespace towpath::bgp::test {
namespace {

using boost::asio::ip::tcp;
using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

class SessionOptions : public SessionTest {
 protected:
  void make_subject() {
    subject = std::make_unique<TestSpeaker>(loop, 65001, "127.0.1.1", "10.0.0.1");
    subject->config.originate = {prefix("10.64.1.0/26"), prefix("fd00:64:0:1::/122")};
  }
  // Changes the configuration of "raw" before it has sent anything, and has it connect anew.
  void begin_with(void (*change)(PeerConfig&)) {
    if (subject == nullptr) make_subject();
    begin_raw_session();
    change(subject->peer_config("raw"));
    subject->apply();
    raw->connect(address("127.0.1.1"), subject->port());
  }
  void finish_handshake(const OpenMessage& open) {
    raw->send(open);
    raw->send(KeepaliveMessage{});
    ASSERT_TRUE(run_until([&] { return subject->established("raw"); }));
  }
  // The OPEN that the speaker sent.
  OpenMessage their_open() {
    EXPECT_TRUE(run_until([&] {
      raw->poll();
      return !raw->inbox.empty();
    }));
    const Message first = raw->inbox.empty() ? Message(OpenMessage{}) : raw->inbox.front();
    return std::holds_alternative<OpenMessage>(first) ? std::get<OpenMessage>(first) : OpenMessage{};
  }
  bool notified() {
    return run_until([&] {
      raw->poll();
      return !raw->notification.empty() && raw->closed();
    });
  }
  UpdateMessage announcement(const char* text) {
    UpdateMessage update;
    update.attributes.as_path.prepend(AsNumber{65002});
    Reach& reach = update.reach[UpdateMessage::kNlriField];
    reach.next_hop.address = address("198.51.100.2");
    reach.nlri.push_back({prefix(text)});
    return update;
  }
};

TEST_F(SessionOptions, WithTtlSecurityEveryPacketStartsAt255AndFarOnesAreDropped) {
  make_subject();
  begin_raw_session();
  subject->peer_config("raw").ttl_security = 1;
  subject->apply();
  // Packets that start at 64 are as good as 191 hops away: not even the connection comes about.
  tcp::socket far(loop);
  far.open(tcp::v4());
  far.bind(to_endpoint(address("127.0.1.2"), 0));
  bool answered = false;
  far.async_connect(to_endpoint(address("127.0.1.1"), subject->port()),
                    [&](const boost::system::error_code& error) { answered = !error; });
  RawPeer near(loop, "127.0.1.2");
  near.connect_with_ttl(address("127.0.1.1"), subject->port(), 255);
  near.send(open_of(65002, "10.0.0.2"));
  near.send(KeepaliveMessage{});
  ASSERT_TRUE(run_until([&] { return subject->established("raw"); }));
  int least = 255;
  ASSERT_EQ(::setsockopt(near.socket.native_handle(), IPPROTO_IP, IP_MINTTL, &least, sizeof least), 0);
  ASSERT_TRUE(run_until([&] {
    near.poll();
    return near.announced == 2;
  })) << "what the speaker sends passes the same check";
  EXPECT_FALSE(answered);
}

TEST_F(SessionOptions, AShutDownPeerIsToldWhyAndStaysDown) {
  make_subject();
  establish_raw_session();
  subject->peer_config("raw").shutdown = "moved to rack 7";
  subject->apply();
  ASSERT_TRUE(notified());
  EXPECT_EQ(raw->notification, "6/2 Cease, Administrative Shutdown: \"moved to rack 7\"");
  raw->notification.clear();
  raw->connect(address("127.0.1.1"), subject->port());
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, StartsWith("6/5"));
  EXPECT_EQ(subject->status("raw").last_error, "shut down by configuration: moved to rack 7");
  EXPECT_TRUE(subject->speaker->in_sync()) << "nobody waits for a peer that is meant to be down";
  subject->peer_config("raw").shutdown.reset();
  subject->apply();
  raw->connect(address("127.0.1.1"), subject->port());
  finish_handshake(open_of(65002, "10.0.0.2"));
}

TEST_F(SessionOptions, TheShutdownOfThePeerIsShownSafely) {
  establish_raw_session();
  raw->send(NotificationMessage{kAdministrativeShutdown, shutdown_communication("bye\n\x1b[31mred")});
  ASSERT_TRUE(run_until([&] { return !subject->status("raw").last_error.empty(); }));
  EXPECT_THAT(subject->status("raw").last_error, HasSubstr("\"bye\\x0a\\x1b[31mred\""));
}

// RFC 7911: several paths of one prefix in one session.
TEST_F(SessionOptions, EachPathThatComesIsKeptAndWithdrawnByItsIdentifier) {
  begin_with([](PeerConfig& p) { p.add_path = AddPathMode::kReceive; });
  EXPECT_EQ(their_open().capabilities.add_path,
            (PerFamily<AddPathMode>{AddPathMode::kReceive, AddPathMode::kReceive}));
  OpenMessage open = open_of(65002, "10.0.0.2");
  open.capabilities.add_path = {AddPathMode::kBoth, AddPathMode::kBoth};
  for (auto& family : raw->parameters.families) family.add_path_send = true;
  finish_handshake(open);
  const auto paths = [&] {
    WalkCursor cursor;
    std::vector<RouteRow> rows;
    subject->speaker->walk(RibView::kAdjRibIn, *subject->speaker->find_peer("raw"), cursor, 1000, rows);
    std::vector<std::uint32_t> ids;
    for (const RouteRow& row : rows) ids.push_back(row.path_id);
    std::ranges::sort(ids);
    return ids;
  };
  for (const std::uint32_t id : {8U, 9U}) {
    UpdateMessage update = announcement("10.64.2.0/26");
    update.reach[UpdateMessage::kNlriField].nlri[0].path_id = id;
    update.attributes.med = id;
    raw->send(update);
  }
  ASSERT_TRUE(run_until([&] { return paths() == std::vector<std::uint32_t>{8, 9}; }));
  UpdateMessage gone;
  gone.unreach[index(Family::kIpv4Unicast)].nlri.push_back({prefix("10.64.2.0/26"), 8});
  raw->send(gone);
  ASSERT_TRUE(run_until([&] { return paths() == std::vector<std::uint32_t>{9}; }));
  EXPECT_TRUE(subject->has("10.64.2.0/26"));
  UpdateMessage many = announcement("10.64.3.0/26");
  auto& nlri = many.reach[UpdateMessage::kNlriField].nlri;
  nlri.clear();
  for (std::uint32_t id = 1; id <= 256; ++id) nlri.push_back({prefix("10.64.3.0/26"), id});
  raw->send(many);
  ASSERT_TRUE(run_until([&] { return paths().size() == 1 + 255; }));
  EXPECT_EQ(subject->status("raw").last_error, "routes not taken: 1; a peer may have 255 paths of a prefix");
  EXPECT_TRUE(subject->established("raw"));
}

// RFC 8950, over IPv6. `theirs`: whether the raw peer announces the capability, too.
class ExtendedNextHop : public SessionOptions {
 protected:
  void establish(bool theirs, std::optional<IpAddress> configured = {}) {
    subject = std::make_unique<TestSpeaker>(loop, 65001, "::1", "10.0.0.1");
    subject->config.originate = {prefix("10.64.1.0/26")};
    subject->listen();
    PeerConfig peer;
    peer.name = "raw";
    peer.address = address("::1");
    peer.as = AsNumber{65002};
    peer.passive = true;
    peer.extended_next_hop = true;
    peer.next_hop_self[index(Family::kIpv4Unicast)] = configured;
    peer.import_policy = PolicyPtr({accept_prefixes("", {{prefix("0.0.0.0/0"), 0, 32}})});
    subject->add_peer(peer);
    subject->apply();
    raw = std::make_unique<RawPeer>(loop, "::1");
    raw->connect(address("::1"), subject->port());
    OpenMessage open = open_of(65002, "10.0.0.2");
    open.capabilities.extended_next_hop = raw->parameters.extended_next_hop = theirs;
    finish_handshake(open);
  }
  // The next hops of all IPv4 routes that the peer is told.
  std::vector<NextHop> told() {
    EXPECT_TRUE(run_until([&] {
      raw->poll();
      return std::ranges::any_of(raw->inbox, [](const Message& message) {
        const auto* update = std::get_if<UpdateMessage>(&message);
        return update != nullptr && update->end_of_rib == Family::kIpv4Unicast;
      });
    }));
    // (Not from the inbox: a receiver takes no loopback address for a next hop.)
    WalkCursor cursor;
    std::vector<RouteRow> rows;
    subject->speaker->walk(RibView::kAdjRibOut, *subject->speaker->find_peer("raw"), cursor, 10, rows);
    std::vector<NextHop> found;
    for (const RouteRow& row : rows) found.push_back(row.attributes.next_hop);
    return found;
  }
};

TEST_F(ExtendedNextHop, OursIsTheAddressOfTheSession) {
  establish(true);
  EXPECT_EQ(told(), std::vector({NextHop{address("::1"), {}}}));
}

TEST_F(ExtendedNextHop, OursMayBeAnotherIPv6Address) {
  establish(true, address("2001:db8::1"));
  EXPECT_EQ(told(), std::vector({NextHop{address("2001:db8::1"), {}}}));
}

TEST_F(ExtendedNextHop, APeerWithoutItIsToldIPv4NextHopsOnly) {
  // ::1 has no IPv4 address beside it but loopback's, so nothing can be said of the route.
  establish(false, address("2001:db8::1"));
  EXPECT_EQ(told(), std::vector<NextHop>{});
}

TEST_F(ExtendedNextHop, TheirsReachesTheObserver) {
  establish(true);
  UpdateMessage update;
  update.attributes.as_path.prepend(AsNumber{65002});
  Reach& reach = update.reach[UpdateMessage::kMpReach];
  reach.next_hop.address = address("2001:db8::2");
  reach.nlri.push_back({prefix("10.64.2.0/26")});
  raw->send(update);
  ASSERT_TRUE(run_until([&] { return subject->has("10.64.2.0/26"); }));
  EXPECT_EQ(subject->observer.routes.at(prefix("10.64.2.0/26")).next_hop.address, address("2001:db8::2"));
}

TEST_F(SessionOptions, RolesThatDoNotFitEndTheSession) {
  begin_with([](PeerConfig& p) { p.role = Role::kCustomer; });
  EXPECT_EQ(their_open().capabilities.role, Role::kCustomer);
  OpenMessage open = open_of(65002, "10.0.0.2");
  open.capabilities.role = Role::kPeer;
  raw->send(open);
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, StartsWith("2/11"));
  EXPECT_THAT(subject->status("raw").last_error, HasSubstr("the peer says it is peer"));
}

TEST_F(SessionOptions, AMissingRoleMattersInStrictModeOnly) {
  begin_with([](PeerConfig& p) { p.role = Role::kCustomer; });
  finish_handshake(open_of(65002, "10.0.0.2"));
  subject->peer_config("raw").role_strict = true;
  subject->apply();
  ASSERT_TRUE(notified());
  raw->notification.clear();
  raw->connect(address("127.0.1.1"), subject->port());
  raw->send(open_of(65002, "10.0.0.2"));
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, StartsWith("2/11"));
}

TEST_F(SessionOptions, AnyExternalAsIsTakenWhereTheConfigurationSaysSo) {
  begin_with([](PeerConfig& p) { p.as = PeerAs::external(); });
  finish_handshake(open_of(4200000000, "10.0.0.2"));
  EXPECT_EQ(subject->status("raw").as.value, 4200000000U);
}

TEST_F(SessionOptions, OurOwnAsIsNotExternal) {
  begin_with([](PeerConfig& p) { p.as = PeerAs::external(); });
  raw->send(open_of(65001, "10.0.0.2"));
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, StartsWith("2/2"));
}

// RFC 7705 section 3, with and without its two options.
TEST_F(SessionOptions, ALocalAsStandsInThePathsOfBothDirections) {
  struct Case {
    LocalAs local;
    const char* sent;
    const char* received;
  };
  for (const Case& c :
       std::initializer_list<Case>{{{AsNumber{65009}, false, false}, "65009 65001", "65009 65002"},
                                   {{AsNumber{65009}, true, false}, "65009 65001", "65002"},
                                   {{AsNumber{65009}, false, true}, "65009", "65009 65002"},
                                   {{AsNumber{65009}, true, true}, "65009", "65002"}}) {
    subject.reset();
    make_subject();
    begin_raw_session();
    subject->peer_config("raw").local_as = c.local;
    subject->apply();
    raw->connect(address("127.0.1.1"), subject->port());
    EXPECT_EQ(their_open().as.value, 65009U);
    finish_handshake(open_of(65002, "10.0.0.2"));
    ASSERT_TRUE(run_until([&] {
      raw->poll();
      return raw->announced == 2;
    }));
    for (const Message& message : raw->inbox) {
      const auto* update = std::get_if<UpdateMessage>(&message);
      if (update == nullptr || !update->announces()) continue;
      EXPECT_EQ(update->attributes.as_path.to_string(), c.sent);
    }
    raw->send(announcement("10.64.2.0/26"));
    ASSERT_TRUE(run_until([&] { return subject->has("10.64.2.0/26"); }));
    WalkCursor cursor;
    std::vector<RouteRow> rows;
    subject->speaker->walk(RibView::kAdjRibIn, *subject->speaker->find_peer("raw"), cursor, 100, rows);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].attributes.as_path.to_string(), c.received);
  }
}

TEST_F(SessionOptions, APeerThatStopsReadingIsGivenUpAfterTheSendHoldTime) {
  make_subject();
  for (std::uint32_t i = 0; i < 500000; ++i) {  // more than the socket's buffers take
    subject->config.originate.push_back(*Prefix::make(address("fd00:64::").plus(std::uint64_t{i} << 4), 124));
  }
  establish_raw_session(3, 65536);
  subject->peer_config("raw").send_hold_time = 1s;
  subject->apply();
  std::vector<std::byte> keepalive;
  encode_keepalive(keepalive);
  ASSERT_TRUE(run_until([&] {
    raw->send(keepalive);  // it talks all the time: the hold timer would never end this
    return !subject->established("raw");
  }));
  EXPECT_THAT(subject->observer.log, Contains(HasSubstr("send hold time expired; sent NOTIFICATION 8/0")));
}

TEST_F(SessionOptions, ExtendedMessagesAreTakenWhereWeAnnouncedThem) {
  begin_with([](PeerConfig& p) { p.extended_messages = true; });
  finish_handshake(open_of(65002, "10.0.0.2"));
  UpdateMessage update = announcement("10.65.0.0/26");
  for (std::uint32_t i = 1; i < 2000; ++i) {
    update.reach[UpdateMessage::kNlriField].nlri.push_back(
        {*Prefix::make(IpAddress::v4(0x0A410000 + (i << 6)), 26)});
  }
  raw->parameters.max_send =
      kMaxExtendedMessageSize;  // RFC 8654 section 4: we need not announce it ourselves
  raw->send(update);
  ASSERT_TRUE(run_until([&] { return subject->observer.routes.size() == 2002; }));
}

TEST_F(SessionOptions, WithoutThemALongMessageIsAnError) {
  establish_raw_session();
  std::vector<std::byte> header(19, std::byte{0xFF});
  header[16] = std::byte{0x10};
  header[17] = std::byte{0x01};  // 4097
  header[18] = std::byte{2};
  raw->send(header);
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, StartsWith("1/2"));
  EXPECT_THAT(raw->notification, HasSubstr("1001"));
}

// --- RFC 5882, RFC 9384

TEST_F(SessionOptions, ALostPathEndsTheSessionAndItsRoutesAtOnce) {
  establish_raw_session();
  raw->send(announcement("10.65.0.0/26"));
  ASSERT_TRUE(run_until([&] { return subject->observer.routes.contains(*Prefix::parse("10.65.0.0/26")); }));
  subject->speaker->path_lost(address("203.0.113.1"), true);  // a stranger
  EXPECT_TRUE(subject->established("raw"));
  subject->speaker->path_lost(subject->peer_config("raw").address, false);
  EXPECT_FALSE(subject->established("raw"));
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, StartsWith("6/10"));
  ASSERT_TRUE(run_until([&] { return !subject->observer.routes.contains(*Prefix::parse("10.65.0.0/26")); }));
}

// --- RFC 4724

class ConsecutiveRestarts : public SessionOptions {
 protected:
  void establish() {
    OpenMessage open = open_of(65002, "10.0.0.2");
    GracefulRestart restart;
    restart.restart_time = 120s;
    restart.families[index(Family::kIpv4Unicast)] = GracefulRestart::FamilyState{true};
    open.capabilities.graceful_restart = restart;
    raw->send(open);
    raw->send(KeepaliveMessage{});
    ASSERT_TRUE(run_until([&] { return subject->established("raw"); }));
  }
  // Without a word, and back.
  void restart() {
    raw->close();
    ASSERT_TRUE(run_until([&] { return !subject->established("raw"); }));
    raw = std::make_unique<RawPeer>(loop, "127.0.1.2");
    raw->connect(address("127.0.1.1"), subject->port());
    ASSERT_NO_FATAL_FAILURE(establish());
  }
};

TEST_F(ConsecutiveRestarts, KeepWhatIsStaleUntilTheEndOfRib) {
  begin_raw_session();
  ASSERT_NO_FATAL_FAILURE(establish());
  raw->send(announcement("10.65.0.0/26"));
  raw->send(announcement("10.65.0.64/26"));
  ASSERT_TRUE(run_until([&] { return subject->has("10.65.0.64/26"); }));
  for (int i = 0; i < 3; ++i) {
    ASSERT_NO_FATAL_FAILURE(restart());
    EXPECT_EQ(subject->status("raw").prefixes_stale, 2U) << "restart " << i;
  }
  EXPECT_EQ(subject->observer.withdrawals, 0U);
  raw->send(announcement("10.65.0.0/26"));
  UpdateMessage end;
  end.end_of_rib = Family::kIpv4Unicast;
  raw->send(end);
  ASSERT_TRUE(run_until([&] { return !subject->has("10.65.0.64/26"); }));
  EXPECT_TRUE(subject->has("10.65.0.0/26"));
  EXPECT_EQ(subject->status("raw").prefixes_stale, 0U);
}

// --- RFC 7313

class EnhancedRefresh : public SessionOptions {
 protected:
  void establish() {
    make_subject();
    begin_raw_session();
    OpenMessage open = open_of(65002, "10.0.0.2");
    open.capabilities.enhanced_route_refresh = true;
    finish_handshake(open);
    ASSERT_TRUE(run_until([&] {
      raw->poll();
      return raw->announced == 2;
    }));
    raw->inbox.clear();
  }
  static RouteRefreshMessage mark(RouteRefreshSubtype subtype, std::uint16_t afi_value = 1) {
    return {afi_value, 1, static_cast<std::uint8_t>(subtype)};
  }
};

TEST_F(EnhancedRefresh, ARequestIsAnsweredBetweenMarks) {
  establish();
  ASSERT_TRUE(run_until([&] { return subject->status("raw").prefixes_sent == 2; }));
  raw->send(mark(RouteRefreshSubtype::kRequest));
  std::vector<std::uint8_t> marks;
  ASSERT_TRUE(run_until([&] {
    raw->poll();
    marks.clear();
    for (const Message& message : raw->inbox) {
      const auto* refresh = std::get_if<RouteRefreshMessage>(&message);
      if (refresh != nullptr) marks.push_back(refresh->subtype);
    }
    return marks.size() == 2;
  }));
  EXPECT_THAT(marks, testing::ElementsAre(1, 2));
  EXPECT_EQ(raw->announced, 3U);
}

TEST_F(EnhancedRefresh, WhatIsNotRepeatedBetweenTheMarksIsGone) {
  establish();
  for (const char* text : {"10.64.2.0/26", "10.64.2.64/26", "10.64.2.128/26"}) raw->send(announcement(text));
  ASSERT_TRUE(run_until([&] { return subject->has("10.64.2.128/26"); }));
  raw->send(mark(RouteRefreshSubtype::kBegin));
  raw->send(announcement("10.64.2.0/26"));
  raw->send(mark(RouteRefreshSubtype::kEnd, 2));  // of a family that none was begun for
  ASSERT_TRUE(run_until([&] { return subject->status("raw").prefixes_stale == 2; }));
  EXPECT_TRUE(subject->has("10.64.2.64/26")) << "stale routes are used until the end";
  raw->send(mark(RouteRefreshSubtype::kEnd));
  ASSERT_TRUE(run_until([&] { return !subject->has("10.64.2.64/26") && !subject->has("10.64.2.128/26"); }));
  EXPECT_TRUE(subject->has("10.64.2.0/26"));
  EXPECT_TRUE(subject->established("raw"));
}

TEST_F(EnhancedRefresh, MarksThatWereNotAgreedOnAndUnknownSubtypesAreIgnored) {
  establish_raw_session();
  raw->send(announcement("10.64.2.0/26"));
  ASSERT_TRUE(run_until([&] { return subject->has("10.64.2.0/26"); }));
  for (const auto subtype :
       {RouteRefreshSubtype::kBegin, RouteRefreshSubtype::kEnd, RouteRefreshSubtype{7}}) {
    raw->send(mark(subtype));
  }
  raw->send(announcement("10.64.2.64/26"));
  ASSERT_TRUE(run_until([&] { return subject->has("10.64.2.64/26"); }));
  EXPECT_TRUE(subject->has("10.64.2.0/26"));
}

TEST_F(EnhancedRefresh, AWrongLengthIsToldWithTheWholeMessage) {
  establish_raw_session();
  std::vector<std::byte> bytes;
  encode_route_refresh(mark(RouteRefreshSubtype::kRequest), bytes);
  bytes.push_back(std::byte{0});
  bytes[17] = std::byte{24};
  raw->send(bytes);
  ASSERT_TRUE(notified());
  EXPECT_THAT(raw->notification, StartsWith("7/1"));
  EXPECT_THAT(raw->notification, HasSubstr("ffffffffffffffffffffffffffffffff0018050001000100"));
}

}  // namespace
}  // namespace towpath::bgp::test
