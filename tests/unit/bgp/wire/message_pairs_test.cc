// Bytes and the value that they mean, each pair read in both directions.
#include <gtest/gtest.h>

#include "wire_bytes.h"

namespace towpath::bgp {
namespace {

using namespace test;
using namespace std::chrono_literals;

constexpr auto kV4 = index(Family::kIpv4Unicast);
constexpr auto kV6 = index(Family::kIpv6Unicast);

void expect_pair(const char* why, const SessionParameters& session, MessageType type, const Bytes& body,
                 const Message& value) {
  const Bytes whole = message(type, body);
  MessageFramer framer;
  framer.append(whole);
  const auto framed = framer.next();
  ASSERT_TRUE(framed && *framed) << why;
  Message decoded;
  const auto status = decode(**framed, session, decoded);
  ASSERT_TRUE(status.has_value()) << why << ": " << status.error().reason;
  EXPECT_TRUE(decoded == value) << why;
  Bytes encoded;
  const auto encoding = encode(value, session, encoded);
  ASSERT_TRUE(encoding.has_value()) << why << ": " << encoding.error().message;
  EXPECT_EQ(hex(encoded), hex(whole)) << why;
}

void expect_update(const char* why, const SessionParameters& session, const Bytes& body,
                   const UpdateMessage& value) {
  expect_pair(why, session, MessageType::kUpdate, body, value);
}

AsPath path_of(std::initializer_list<std::uint32_t> numbers) {
  AsPathSegment segment;
  for (const auto n : numbers) segment.numbers.push_back(AsNumber{n});
  return {{segment}};
}

UpdateMessage simple_update() {
  UpdateMessage update;
  update.attributes.as_path = path_of({65001});
  update.reach[UpdateMessage::kNlriField] = {
      Family::kIpv4Unicast, {address("192.0.2.1"), {}}, {{prefix("10.1.0.0/16")}}};
  return update;
}

TEST(MessagePairs, Keepalive) {
  expect_pair("4.4", {}, MessageType::kKeepalive, {}, KeepaliveMessage{});
}

TEST(MessagePairs, Notification) {
  expect_pair("4.5", {}, MessageType::kNotification, bytes("06 02 02 6162"),
              NotificationMessage{kAdministrativeShutdown, bytes("02 6162")});
  expect_pair("no data", {}, MessageType::kNotification, bytes("04 00"),
              NotificationMessage{kHoldTimerExpired, {}});
}

TEST(MessagePairs, RouteRefresh) {
  expect_pair("RFC 2918", {}, MessageType::kRouteRefresh, bytes("0001 00 01"), RouteRefreshMessage{1, 1, 0});
  expect_pair("RFC 7313 BoRR", {}, MessageType::kRouteRefresh, bytes("0002 01 01"),
              RouteRefreshMessage{2, 1, 1});
  expect_pair("RFC 7313 EoRR", {}, MessageType::kRouteRefresh, bytes("0002 02 01"),
              RouteRefreshMessage{2, 1, 2});
  expect_pair("unknown family", {}, MessageType::kRouteRefresh, bytes("4004 00 47"),
              RouteRefreshMessage{0x4004, 0x47, 0});
}

TEST(MessagePairs, OpenWithoutParameters) {
  expect_pair("RFC 4271 4.2", {}, MessageType::kOpen, bytes("04 fde8 00b4 c0000201 00"),
              OpenMessage{AsNumber{65000}, 180, RouterId{0xC0000201}, {}});
  expect_pair("hold time 0 means no keepalives", {}, MessageType::kOpen, bytes("04 fde8 0000 c0000201 00"),
              OpenMessage{AsNumber{65000}, 0, RouterId{0xC0000201}, {}});
}

TEST(MessagePairs, OpenWithEveryCapability) {
  OpenMessage open{AsNumber{4200000000}, 9, RouterId{0xC0000201}, {}};
  Capabilities& c = open.capabilities;
  c.multiprotocol = {true, true};
  c.route_refresh = c.enhanced_route_refresh = c.extended_message = c.extended_next_hop = true;
  c.role = Role::kCustomer;
  c.graceful_restart =
      GracefulRestart{true, true, 120s, {GracefulRestart::FamilyState{true}, GracefulRestart::FamilyState{}}};
  c.four_octet_as = AsNumber{4200000000};
  c.add_path = {AddPathMode::kBoth, AddPathMode::kReceive};
  using LongLived = LongLivedGracefulRestart::FamilyState;
  c.long_lived_graceful_restart =
      LongLivedGracefulRestart{{LongLived{true, 3600s}, LongLived{false, 0xFFFFFFs}}};
  c.other = {{73, bytes("02 6831 00")}, {200, {}}};
  expect_pair("all", {}, MessageType::kOpen,
              bytes("04 5ba0 0009 c0000201 53 02 51"
                    "01 04 0001 00 01   01 04 0002 00 01   02 00   05 06 0001 0001 0002   06 00   09 01 03"
                    "40 0a c078 0001 01 80 0002 01 00   41 04 fa56ea00   45 08 0001 01 03 0002 01 01   46 00"
                    "47 0e 0001 01 80 000e10 0002 01 00 ffffff   49 04 02683100   c8 00"),
              open);
}

TEST(MessagePairs, GracefulRestartWithoutFamiliesIsAHelper) {
  OpenMessage open{AsNumber{65000}, 9, RouterId{1}, {}};
  open.capabilities.graceful_restart = GracefulRestart{false, false, 0s, {}};
  expect_pair("RFC 4724 3", {}, MessageType::kOpen, bytes("04 fde8 0009 00000001 06 02 04 40 02 0000"), open);
}

TEST(MessagePairs, OpenBeyond253OctetsTakesTheExtendedForm) {
  OpenMessage open{AsNumber{65000}, 9, RouterId{1}, {}};
  open.capabilities.other = {{200, Bytes(200)}, {201, Bytes(200)}};
  expect_pair(
      "RFC 9072 2", {}, MessageType::kOpen,
      bytes("04 fde8 0009 00000001 ff ff 0197 02 0194 c8 c8") + Bytes(200) + bytes("c9 c8") + Bytes(200),
      open);
  open.capabilities.other = {{200, Bytes(249)}};
  expect_pair("253 octets still are short", {}, MessageType::kOpen,
              bytes("04 fde8 0009 00000001 fd 02 fb c8 f9") + Bytes(249), open);
  open.capabilities.other = {{200, Bytes(250)}};
  expect_pair("254 are not: there are peers that refuse them", {}, MessageType::kOpen,
              bytes("04 fde8 0009 00000001 ff ff 00ff 02 00fc c8 fa") + Bytes(250), open);
}

TEST(MessagePairs, EndOfRib) {
  UpdateMessage ipv4;
  ipv4.end_of_rib = Family::kIpv4Unicast;
  expect_update("RFC 4724 2, IPv4", external(), bytes("0000 0000"), ipv4);
  UpdateMessage ipv6;
  ipv6.end_of_rib = Family::kIpv6Unicast;
  expect_update("RFC 4724 2, IPv6", external(), bytes("0000 0007 90 0f 0003 0002 01"), ipv6);
}

TEST(MessagePairs, AnnounceIpv4) {
  expect_update("4.3", external(), update_body({}, mandatory(), nlri()), simple_update());
}

TEST(MessagePairs, EveryPrefixLengthOfBothFamilies) {
  for (unsigned length = 0; length <= 32; ++length) {
    const Prefix p = Prefix::make(address("255.255.255.255"), length).value();
    UpdateMessage update = simple_update();
    update.reach[UpdateMessage::kNlriField].nlri = {{p}, {p}};
    Bytes one{static_cast<std::byte>(length)};
    for (unsigned i = 0; i < (length + 7) / 8; ++i) one.push_back(p.address().bytes()[i]);
    expect_update("IPv4", external(), update_body({}, mandatory(), one + one), update);
  }
  for (unsigned length = 0; length <= 128; ++length) {
    const Prefix p = Prefix::make(address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), length).value();
    UpdateMessage update;
    update.unreach[kV6].nlri = {{p}, {p}};
    Bytes one{static_cast<std::byte>(length)};
    for (unsigned i = 0; i < (length + 7) / 8; ++i) one.push_back(p.address().bytes()[i]);
    Bytes value = bytes("0002 01") + one + one;
    expect_update("IPv6", external(), update_body({}, attribute(0x90, 15, value), {}), update);
  }
}

TEST(MessagePairs, WithdrawIpv4) {
  UpdateMessage update;
  update.unreach[kV4].nlri = {{prefix("10.0.0.0/8")}, {prefix("0.0.0.0/0")}, {prefix("10.1.2.3/32")}};
  expect_update("4.3", external(), update_body(bytes("08 0a  00  20 0a010203"), {}, {}), update);
}

TEST(MessagePairs, WithdrawAndAnnounceInOneMessage) {
  UpdateMessage update = simple_update();
  update.unreach[kV4].nlri = {{prefix("10.0.0.0/8")}};
  expect_update("4.3", external(), update_body(bytes("08 0a"), mandatory(), nlri()), update);
}

TEST(MessagePairs, EveryAttributeOfAnInternalPeer) {
  UpdateMessage update = simple_update();
  PathAttributes& a = update.attributes;
  a.origin = Origin::kIncomplete;
  a.as_path = {{{SegmentType::kSequence, {AsNumber{65001}, AsNumber{4200000000}}},
                {SegmentType::kSet, {AsNumber{7}}}}};
  a.med = 50;
  a.local_pref = 200;
  a.atomic_aggregate = true;
  a.aggregator = Aggregator{AsNumber{4200000000}, RouterId{0xC0000203}};
  a.communities = {kNoExport, Community{65000U << 16 | 1}};
  a.originator_id = RouterId{0xC0000204};
  a.cluster_list = {RouterId{1}, RouterId{2}};
  a.unknown = {{0xE0, 23, bytes("0001")}, {0xE0, 255, {}}};
  a.extended_communities = {ExtendedCommunity{0x0002'FDE8'0000'0064}};
  a.large_communities = {LargeCommunity{1, 2, 3}, LargeCommunity{0, 0, 0}};
  a.only_to_customer = AsNumber{65001};
  expect_update("in the order of types", internal(),
                update_body({},
                            bytes("40 01 01 02"
                                  "40 02 10 02 02 0000fde9 fa56ea00 01 01 00000007"
                                  "40 03 04 c0000201"
                                  "80 04 04 00000032"
                                  "40 05 04 000000c8"
                                  "40 06 00"
                                  "c0 07 08 fa56ea00 c0000203"
                                  "c0 08 08 ffffff01 fde80001"
                                  "80 09 04 c0000204"
                                  "80 0a 08 00000001 00000002"
                                  "c0 10 08 0002fde800000064"
                                  "e0 17 02 0001"
                                  "c0 20 18 000000010000000200000003 000000000000000000000000"
                                  "c0 23 04 0000fde9"
                                  "e0 ff 00"),
                            nlri()),
                update);
}

TEST(MessagePairs, LocalRouteHasAnEmptyAsPath) {
  UpdateMessage update = simple_update();
  update.attributes.as_path = {};
  update.attributes.local_pref = 100;
  expect_update("RFC 4271 5.1.2", internal(),
                update_body({}, origin() + bytes("40 02 00") + next_hop() + local_pref(), nlri()), update);
}

TEST(MessagePairs, LongAttributesTakeTheLongForm) {
  UpdateMessage update = simple_update();
  update.attributes.communities.assign(64, Community{7});
  expect_update("256 octets", external(),
                update_body({}, mandatory() + bytes("d0 08 0100") + repeat(bytes("00000007"), 64), nlri()),
                update);
  update.attributes.communities.resize(63);
  expect_update("252 octets", external(),
                update_body({}, mandatory() + bytes("c0 08 fc") + repeat(bytes("00000007"), 63), nlri()),
                update);
}

TEST(MessagePairs, AnnounceIpv6) {
  UpdateMessage update = simple_update();
  update.reach[UpdateMessage::kNlriField] = {};
  update.reach[UpdateMessage::kMpReach] = {
      Family::kIpv6Unicast, {address("2001:db8::1"), {}}, {{prefix("2001:db8:1::/48")}}};
  expect_update(
      "RFC 4760 3", external(),
      update_body({},
                  bytes("90 0e 001c 0002 01 10 20010db8000000000000000000000001 00 30 20010db80001") +
                      origin() + as_path(),
                  {}),
      update);
}

TEST(MessagePairs, NextHopsOfIpv6) {
  UpdateMessage update = simple_update();
  update.reach[UpdateMessage::kNlriField] = {};
  update.reach[UpdateMessage::kMpReach] = {
      Family::kIpv6Unicast, {address("2001:db8::1"), address("fe80::1")}, {{prefix("::/0")}}};
  expect_update("RFC 2545 3: global and link-local", external(),
                update_body({},
                            bytes("90 0e 0026 0002 01 20 20010db8000000000000000000000001"
                                  "fe800000000000000000000000000001 00 00") +
                                origin() + as_path(),
                            {}),
                update);
  update.reach[UpdateMessage::kMpReach].next_hop = {address("fe80::1"), {}};
  expect_update(
      "link-local alone, as unnumbered peers send it", external(),
      update_body(
          {}, bytes("90 0e 0016 0002 01 10 fe800000000000000000000000000001 00 00") + origin() + as_path(),
          {}),
      update);
}

TEST(MessagePairs, BothFamiliesInOneMessageEachWithItsNextHop) {
  UpdateMessage update = simple_update();
  update.reach[UpdateMessage::kMpReach] = {
      Family::kIpv6Unicast, {address("2001:db8::1"), {}}, {{prefix("2001:db8:1::/48")}}};
  update.unreach[kV4].nlri = {{prefix("10.0.0.0/8")}};
  update.unreach[kV6].nlri = {{prefix("2001:db8:2::/48")}};
  expect_update("RFC 4760 3", external(),
                update_body(bytes("08 0a"),
                            bytes("90 0e 001c 0002 01 10 20010db8000000000000000000000001 00 30 20010db80001"
                                  "90 0f 000a 0002 01 30 20010db80002") +
                                mandatory(),
                            nlri()),
                update);
}

TEST(MessagePairs, Ipv4OverAnIpv6NextHop) {
  SessionParameters session = external();
  session.extended_next_hop = true;
  UpdateMessage update = simple_update();
  update.reach[UpdateMessage::kMpReach] = {
      Family::kIpv4Unicast, {address("2001:db8::1"), {}}, {{prefix("10.1.0.0/16")}}};
  update.reach[UpdateMessage::kNlriField] = {};
  expect_update("RFC 8950 3", session,
                update_body({},
                            bytes("90 0e 0018 0001 01 10 20010db8000000000000000000000001 00 10 0a01") +
                                origin() + as_path(),
                            {}),
                update);
}

TEST(MessagePairs, AddPath) {
  SessionParameters session = external();
  session.families[kV4].add_path_receive = session.families[kV4].add_path_send = true;
  session.families[kV6].add_path_receive = session.families[kV6].add_path_send = true;
  UpdateMessage update = simple_update();
  update.reach[UpdateMessage::kNlriField].nlri = {{prefix("10.1.0.0/16"), 1},
                                                  {prefix("10.1.0.0/16"), 0xFFFFFFFF}};
  update.unreach[kV4].nlri = {{prefix("10.2.0.0/16"), 7}};
  update.unreach[kV6].nlri = {{prefix("::/0"), 9}};
  expect_update("RFC 7911 3", session,
                update_body(bytes("00000007 10 0a02"), bytes("90 0f 0008 0002 01 00000009 00") + mandatory(),
                            bytes("00000001 10 0a01 ffffffff 10 0a01")),
                update);
}

TEST(MessagePairs, TwoOctetPeer) {
  SessionParameters session = external();
  session.four_octet_as = false;
  UpdateMessage update = simple_update();
  update.attributes.aggregator = Aggregator{AsNumber{65002}, RouterId{1}};
  expect_update(
      "small numbers need nothing else", session,
      update_body({}, origin() + bytes("40 02 04 02 01 fde9") + next_hop() + bytes("c0 07 06 fdea 00000001"),
                  nlri()),
      update);
  update.attributes.as_path = path_of({65001, 4200000000});
  update.attributes.aggregator = Aggregator{AsNumber{4200000000}, RouterId{1}};
  expect_update("RFC 6793 4.2.2: AS_TRANS, AS4_PATH, AS4_AGGREGATOR", session,
                update_body({},
                            origin() + bytes("40 02 06 02 02 fde9 5ba0") + next_hop() +
                                bytes("c0 07 06 5ba0 00000001"
                                      "c0 11 0a 02 02 0000fde9 fa56ea00"
                                      "c0 12 08 fa56ea00 00000001"),
                            nlri()),
                update);
}

TEST(Encode, ASegmentBeyond255NumbersIsCut) {
  UpdateMessage update = simple_update();
  update.attributes.as_path.segments[0].numbers.assign(300, AsNumber{9});
  Bytes out;
  ASSERT_TRUE(encode_update(update, external(), out));
  UpdateMessage decoded;
  ASSERT_TRUE(decode_update(std::span(out).subspan(kHeaderSize), external(), decoded));
  ASSERT_EQ(decoded.attributes.as_path.segments.size(), 2U);
  EXPECT_EQ(decoded.attributes.as_path.segments[0].numbers.size(), 255U);
  EXPECT_EQ(decoded.attributes.as_path.segments[1].numbers.size(), 45U);
}

TEST(Encode, AMessageThatDoesNotFitIsRefusedAndLeavesTheBufferAlone) {
  UpdateMessage update = simple_update();
  update.attributes.communities.assign(1100, Community{7});
  Bytes out = bytes("01");
  EXPECT_FALSE(encode_update(update, external(), out));
  EXPECT_EQ(hex(out), "01");
  SessionParameters session = external();
  session.max_send = kMaxExtendedMessageSize;
  EXPECT_TRUE(encode_update(update, session, out));
}

TEST(Encode, AnUpdateWithoutRoutesIsNoAccidentalEndOfRib) {
  Bytes out;
  EXPECT_FALSE(encode_update(UpdateMessage{}, external(), out));
  EXPECT_TRUE(out.empty());
}

TEST(Encode, CapabilitiesBeyondAMessageAreRefused) {
  OpenMessage open{AsNumber{65000}, 9, RouterId{1}, {}};
  for (int i = 0; i < 16; ++i) open.capabilities.other.push_back({200, Bytes(255)});
  Bytes out;
  EXPECT_FALSE(encode_open(open, out));
  EXPECT_TRUE(out.empty());
  open.capabilities.other.pop_back();
  EXPECT_TRUE(encode_open(open, out));
}

TEST(Decode, ReusesTheUpdateAndKeepsItsCapacity) {
  const Bytes first = message(MessageType::kUpdate, update_body({}, mandatory(), repeat(nlri(), 100)));
  const Bytes second = message(MessageType::kUpdate, update_body({}, mandatory(), nlri()));
  Message decoded;
  ASSERT_TRUE(decode({MessageType::kUpdate, first}, external(), decoded));
  auto& update = std::get<UpdateMessage>(decoded);
  const NlriEntry* storage = update.reach[UpdateMessage::kNlriField].nlri.data();
  ASSERT_TRUE(decode({MessageType::kUpdate, second}, external(), decoded));
  EXPECT_EQ(update, simple_update());
  EXPECT_EQ(update.reach[UpdateMessage::kNlriField].nlri.data(), storage);
}

}  // namespace
}  // namespace towpath::bgp
