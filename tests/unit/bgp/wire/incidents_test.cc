// Messages that once took down routers or sessions elsewhere. Each must leave the session up where RFC 7606
// allows it, and must never crash.
#include <gtest/gtest.h>

#include "wire_bytes.h"

namespace towpath::bgp {
namespace {

using namespace test;

UpdateMessage decoded(const SessionParameters& session, const Bytes& body) {
  UpdateMessage update;
  const auto status = decode_update(body, session, update);
  EXPECT_TRUE(status.has_value()) << (status ? "" : status.error().reason);
  return update;
}

// CVE-2023-38802 and its like in 2023: a corrupt Tunnel Encapsulation attribute from far away.
TEST(Incidents, CorruptTunnelEncapsulationPassesThrough) {
  for (const char* value : {"", "00", "ffff", "0008 ffff 01", "0000 0000"}) {
    const auto update =
        decoded(external(), update_body({}, mandatory() + attribute(0xC0, 23, bytes(value)), nlri()));
    EXPECT_TRUE(update.announces()) << value;
    EXPECT_EQ(update.attributes.unknown, (std::vector<UnknownAttribute>{{0xE0, 23, bytes(value)}})) << value;
  }
}

// May 2025: attribute 40, BGP Prefix-SID, all zero.
TEST(Incidents, ZeroPrefixSidPassesThrough) {
  const auto update =
      decoded(external(), update_body({}, mandatory() + attribute(0xC0, 40, Bytes(8)), nlri()));
  EXPECT_TRUE(update.announces());
  EXPECT_EQ(update.attributes.unknown.size(), 1U);
}

// October 2025: ONLY_TO_CUSTOMER in the long form, which some read as a length of 1024.
TEST(Incidents, OnlyToCustomerInTheLongForm) {
  const auto update = decoded(
      external(),
      update_body({}, mandatory() + bytes("d0 23 0004 0000fde9") + bytes("80 04 04 00000005"), nlri()));
  EXPECT_TRUE(update.problems.empty());
  EXPECT_EQ(update.attributes.only_to_customer, AsNumber{65001});
  EXPECT_EQ(update.attributes.med, 5U);
}

// An unknown transitive attribute goes on as it came, but for Partial.
TEST(Incidents, UnknownTransitiveAttributeGoesOnUnchanged) {
  const Bytes value = bytes("deadbeef00");
  auto update = decoded(external(), update_body({}, mandatory() + attribute(0xC0, 200, value), nlri()));
  Bytes out;
  ASSERT_TRUE(encode_update(update, external(), out));
  EXPECT_EQ(hex(out), hex(message(MessageType::kUpdate,
                                  update_body({}, mandatory() + attribute(0xE0, 200, value), nlri()))));
}

// CVE-2022-40302, -40318, -43681: OPEN whose optional parameters end where a length is read.
TEST(Incidents, OpenThatEndsInsideAParameter) {
  for (const char* rest :
       {"01 02", "01 ff", "02 ff 00", "03 ff ff 00", "02 02 ff", "03 02 01 01", "ff ff", "ff ff 00"}) {
    EXPECT_FALSE(decode_open(bytes("04 fde8 0009 c0000201") + bytes(rest)).has_value()) << rest;
  }
}

// CVE-2023-46752, -46753: an UPDATE with a broken MP_UNREACH_NLRI, or without mandatory attributes.
TEST(Incidents, MpUnreachThatIsTooShort) {
  for (const char* value : {"", "00", "0001", "0002"}) {
    UpdateMessage update;
    EXPECT_FALSE(decode_update(update_body({}, attribute(0x80, 15, bytes(value)), {}), external(), update))
        << value;
  }
  EXPECT_TRUE(decoded(external(), update_body({}, attribute(0xC0, 99, {}), nlri())).treated_as_withdraw());
}

// CVE-2023-47234, -47235: MP_UNREACH_NLRI beside mandatory attributes, taken for an End-of-RIB.
TEST(Incidents, MpUnreachBesideAttributesIsNoEndOfRib) {
  const auto update =
      decoded(external(), update_body({}, attribute(0x80, 15, bytes("0002 01")) + mandatory(), {}));
  EXPECT_EQ(update.end_of_rib, std::nullopt);
  const auto malformed =
      decoded(external(), update_body({}, attribute(0x80, 15, bytes("0002 01")) + bytes("80 04"), nlri()));
  EXPECT_EQ(malformed.end_of_rib, std::nullopt);
  EXPECT_TRUE(malformed.treated_as_withdraw());
}

// CVE-2023-46565, CVE-2025-43970 to -43973: attributes and messages shorter than their fixed part.
TEST(Incidents, AttributesShorterThanTheirFixedPart) {
  for (unsigned type = 0; type < 256; ++type) {
    for (std::size_t size = 0; size < 24; ++size) {
      UpdateMessage update;
      const Bytes list =
          mandatory() + attribute(0xC0, type, Bytes(size)) + attribute(0x80, type + 1, Bytes(size));
      (void)decode_update(update_body({}, list, nlri()), external(), update);
    }
  }
}

// CVE-2026-42285: the program died while it formatted the error about ORIGIN's flags.
TEST(Incidents, EveryErrorCanBePrinted) {
  for (unsigned flags = 0; flags < 256; ++flags) {
    UpdateMessage update;
    const Bytes list = attribute(flags & ~0x10U, 1, bytes("00")) + as_path() + next_hop();
    ASSERT_TRUE(decode_update(update_body({}, list, nlri()), external(), update));
    for (const DecodeError& problem : update.problems) {
      EXPECT_NE(problem.reason.find("ORIGIN"), std::string::npos);
      EXPECT_FALSE(describe(problem.notification()).empty());
    }
  }
}

// GHSA-frrj-87jh-2772: a confederation segment without numbers.
TEST(Incidents, EmptyConfederationSegment) {
  SessionParameters session = external();
  session.confederation_peer = true;
  for (const char* value : {"03 00", "04 00", "03 00 02 01 0000fde9"}) {
    const Bytes list = origin() + attribute(0x40, 2, bytes(value)) + next_hop();
    EXPECT_TRUE(decoded(session, update_body({}, list, nlri())).treated_as_withdraw()) << value;
  }
}

// CVE-2026-49943: a path of thousands of numbers, possible only with extended messages.
TEST(Incidents, AsPathOfSixteenThousandNumbers) {
  SessionParameters session = external();
  session.max_receive = session.max_send = kMaxExtendedMessageSize;
  const Bytes segment = bytes("02 ff") + repeat(bytes("0000fde9"), 255);
  const Bytes list = origin() + attribute(0x50, 2, repeat(segment, 63)) + next_hop();
  auto update = decoded(session, update_body({}, list, nlri()));
  EXPECT_EQ(update.attributes.as_path.length(), 63U * 255U);
  update.attributes.as_path.prepend(AsNumber{1}, 10);
  EXPECT_EQ(update.attributes.as_path.length(), 63U * 255U + 10U);
  EXPECT_FALSE(update.attributes.as_path.to_string().empty());
  Bytes out;
  ASSERT_TRUE(encode_update(update, session, out));
  EXPECT_EQ(decoded(session, Bytes(out.begin() + kHeaderSize, out.end())), update);
  EXPECT_FALSE(encode_update(update, external(), out)) << "toward a peer without extended messages: withdraw";
}

// 4 KB of capabilities that nobody knows, and hundreds of empty ones.
TEST(Incidents, CapabilitiesInMasses) {
  const auto extended_open = [](const Bytes& capabilities) {
    Bytes head = bytes("04 fde8 0009 c0000201 ff ff");
    const auto u16 = [](std::size_t v) {
      return Bytes{static_cast<std::byte>(v >> 8), static_cast<std::byte>(v & 0xFF)};
    };
    return head + u16(capabilities.size() + 3) + bytes("02") + u16(capabilities.size()) + capabilities;
  };
  const auto unknown = decode_open(extended_open(repeat(bytes("c8 ff") + Bytes(255), 15)));
  ASSERT_TRUE(unknown.has_value());
  EXPECT_EQ(unknown->capabilities.other.size(), 15U);
  const auto empty = decode_open(extended_open(repeat(bytes("00 00"), 255)));
  ASSERT_TRUE(empty.has_value());
  EXPECT_EQ(empty->capabilities.other.size(), 255U);
  const auto repeated = decode_open(extended_open(repeat(bytes("01 04 0001 00 01"), 50)));
  ASSERT_TRUE(repeated.has_value());
  EXPECT_TRUE(repeated->capabilities.other.empty());
  EXPECT_TRUE(repeated->capabilities.speaks(Family::kIpv4Unicast));
}

TEST(Incidents, ByteAtATime) {
  const Bytes stream = message(MessageType::kOpen, bytes("04 fde8 0009 c0000201 00")) +
                       message(MessageType::kKeepalive, {}) +
                       message(MessageType::kUpdate, update_body({}, mandatory(), nlri())) +
                       message(MessageType::kNotification, bytes("0602"));
  MessageFramer framer;
  std::vector<MessageType> types;
  Message decoded_message;
  for (const std::byte b : stream) {
    framer.append({&b, 1});
    const auto next = framer.next();
    ASSERT_TRUE(next.has_value());
    if (!*next) continue;
    ASSERT_TRUE(decode(**next, external(), decoded_message));
    types.push_back(type_of(decoded_message));
  }
  EXPECT_EQ(types, (std::vector{MessageType::kOpen, MessageType::kKeepalive, MessageType::kUpdate,
                                MessageType::kNotification}));
}

}  // namespace
}  // namespace towpath::bgp
