#include "bgp/wire/update_packer.h"

#include <gtest/gtest.h>

#include "wire_bytes.h"

namespace towpath::bgp {
namespace {

using namespace test;

SessionParameters everything() {
  SessionParameters session = external();
  session.extended_next_hop = true;
  return session;
}

PathAttributes some_attributes() {
  PathAttributes attributes;
  attributes.as_path.prepend(AsNumber{65001});
  attributes.med = 7;
  attributes.communities = {kNoExport};
  return attributes;
}

std::vector<NlriEntry> routes(Family family, std::size_t count) {
  std::vector<NlriEntry> all;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto length = static_cast<std::uint8_t>(i % 33);
    if (family == Family::kIpv4Unicast) {
      all.push_back({Prefix::v4(i * 2654435761U, length), i});
    } else {
      all.push_back(
          {Prefix::v6(std::uint64_t{i} * 0x9E3779B97F4A7C15U, i, static_cast<std::uint8_t>(32 + i % 97)), i});
    }
  }
  return all;
}

// Reads all messages of `stream` as the peer would.
std::vector<UpdateMessage> read_all(const Bytes& stream, SessionParameters session) {
  for (auto& family : session.families) family.add_path_receive = family.add_path_send;
  MessageFramer framer(session.max_send);
  framer.append(stream);
  std::vector<UpdateMessage> updates;
  for (;;) {
    const auto next = framer.next();
    EXPECT_TRUE(next.has_value());
    if (!next || !*next) break;
    const auto status = decode_update((*next)->body(), session, updates.emplace_back());
    EXPECT_TRUE(status.has_value()) << status.error().reason;
    EXPECT_TRUE(updates.back().problems.empty());
  }
  EXPECT_EQ(framer.buffered(), 0U);
  return updates;
}

struct Shape {
  const char* why;
  Family family;
  NextHop next_hop;
  bool add_path;
  std::size_t max_send;
};

const Shape kShapes[] = {
    {"IPv4", Family::kIpv4Unicast, {address("192.0.2.1"), {}}, false, kMaxMessageSize},
    {"IPv4, ADD-PATH", Family::kIpv4Unicast, {address("192.0.2.1"), {}}, true, kMaxMessageSize},
    {"IPv4, extended messages",
     Family::kIpv4Unicast,
     {address("192.0.2.1"), {}},
     false,
     kMaxExtendedMessageSize},
    {"IPv4 over IPv6", Family::kIpv4Unicast, {address("2001:db8::1"), {}}, false, kMaxMessageSize},
    {"IPv6", Family::kIpv6Unicast, {address("2001:db8::1"), {}}, false, kMaxMessageSize},
    {"IPv6, two next hops",
     Family::kIpv6Unicast,
     {address("2001:db8::1"), address("fe80::1")},
     true,
     kMaxMessageSize},
    {"IPv6, extended messages",
     Family::kIpv6Unicast,
     {address("fe80::1"), {}},
     true,
     kMaxExtendedMessageSize},
};

SessionParameters session_of(const Shape& shape) {
  SessionParameters session = everything();
  session.max_send = shape.max_send;
  session.families[index(shape.family)].add_path_send = shape.add_path;
  return session;
}

std::vector<NlriEntry> expected_routes(const Shape& shape, std::size_t count) {
  auto expected = routes(shape.family, count);
  if (!shape.add_path) {
    for (auto& entry : expected) entry.path_id = 0;
  }
  return expected;
}

TEST(AnnouncePacker, ThePeerReadsTheSameRoutesInTheSameOrder) {
  for (const Shape& shape : kShapes) {
    const SessionParameters session = session_of(shape);
    EncodedAttributes encoded;
    encode_attributes(some_attributes(), session, encoded);
    for (const std::size_t count : {1U, 2U, 1000U, 5000U, 20000U}) {
      Bytes out = bytes("aa");
      AnnouncePacker packer(encoded, shape.family, shape.next_hop, session, out);
      ASSERT_TRUE(packer.fits());
      for (const NlriEntry& entry : routes(shape.family, count)) packer.add(entry.prefix, entry.path_id);
      const std::size_t messages = packer.finish();
      EXPECT_EQ(out[0], std::byte{0xAA}) << "appends";
      const auto updates = read_all({out.begin() + 1, out.end()}, session);
      EXPECT_EQ(updates.size(), messages) << shape.why;
      std::vector<NlriEntry> got;
      for (const UpdateMessage& update : updates) {
        EXPECT_EQ(update.attributes, some_attributes()) << shape.why;
        for (const Reach& reach : update.reach) {
          if (reach.nlri.empty()) continue;
          EXPECT_EQ(reach.family, shape.family) << shape.why;
          EXPECT_EQ(reach.next_hop, shape.next_hop) << shape.why;
          got.insert(got.end(), reach.nlri.begin(), reach.nlri.end());
        }
      }
      EXPECT_EQ(got, expected_routes(shape, count)) << shape.why << " " << count;
    }
  }
}

TEST(WithdrawPacker, ThePeerReadsTheSameRoutesInTheSameOrder) {
  for (const Shape& shape : kShapes) {
    const SessionParameters session = session_of(shape);
    for (const std::size_t count : {1U, 5000U, 20000U}) {
      Bytes out;
      WithdrawPacker packer(shape.family, session, out);
      for (const NlriEntry& entry : routes(shape.family, count)) packer.add(entry.prefix, entry.path_id);
      const std::size_t messages = packer.finish();
      const auto updates = read_all(out, session);
      EXPECT_EQ(updates.size(), messages) << shape.why;
      std::vector<NlriEntry> got;
      for (const UpdateMessage& update : updates) {
        EXPECT_FALSE(update.announces());
        const auto& nlri = update.unreach[index(shape.family)].nlri;
        got.insert(got.end(), nlri.begin(), nlri.end());
      }
      EXPECT_EQ(got, expected_routes(shape, count)) << shape.why << " " << count;
    }
  }
}

TEST(Packers, MessagesAreFullInBulk) {
  for (const Shape& shape : kShapes) {
    const SessionParameters session = session_of(shape);
    EncodedAttributes encoded;
    encode_attributes(some_attributes(), session, encoded);
    Bytes out;
    AnnouncePacker announce(encoded, shape.family, shape.next_hop, session, out);
    for (const NlriEntry& entry : routes(shape.family, 100000)) announce.add(entry.prefix, entry.path_id);
    WithdrawPacker withdraw(shape.family, session, out);
    const std::size_t messages = announce.finish();
    for (const NlriEntry& entry : routes(shape.family, 100000)) withdraw.add(entry.prefix, entry.path_id);
    const std::size_t all = messages + withdraw.finish();
    // Two messages, the last of each kind, may be short.
    EXPECT_GE(out.size(), (all - 2) * session.max_send * 95 / 100) << shape.why;
    EXPECT_LE(out.size(), all * session.max_send) << shape.why;
  }
}

TEST(AnnouncePacker, AMessageIsFilledToTheLastOctet) {
  const SessionParameters session = everything();
  EncodedAttributes encoded;
  PathAttributes attributes;
  attributes.as_path.prepend(AsNumber{65001});
  encode_attributes(attributes, session, encoded);
  Bytes out;
  AnnouncePacker packer(encoded, Family::kIpv4Unicast, {address("192.0.2.1"), {}}, session, out);
  const std::size_t room = kMaxMessageSize - 23 - encoded.bytes.size() - 7;
  for (std::size_t i = 0; i < room / 4; ++i) packer.add(prefix("10.1.2.0/24"));
  for (std::size_t i = 0; i < room % 4; ++i) packer.add(prefix("0.0.0.0/0"));
  EXPECT_EQ(packer.finish(), 1U);
  EXPECT_EQ(out.size(), kMaxMessageSize);
}

TEST(AnnouncePacker, WithoutRoutesThereIsNoMessage) {
  EncodedAttributes encoded;
  encode_attributes(some_attributes(), everything(), encoded);
  Bytes out;
  EXPECT_EQ(
      AnnouncePacker(encoded, Family::kIpv4Unicast, {address("192.0.2.1"), {}}, everything(), out).finish(),
      0U);
  EXPECT_EQ(WithdrawPacker(Family::kIpv6Unicast, everything(), out).finish(), 0U);
  EXPECT_TRUE(out.empty());
}

TEST(AnnouncePacker, SaysWhetherTheAttributesLeaveRoom) {
  for (const Shape& shape : kShapes) {
    const SessionParameters session = session_of(shape);
    bool refused = false;
    for (std::size_t count = 0; count < session.max_send / 4 && !refused; count += 7) {
      PathAttributes attributes = some_attributes();
      attributes.communities.assign(count, Community{1});
      EncodedAttributes encoded;
      encode_attributes(attributes, session, encoded);
      Bytes out;
      AnnouncePacker packer(encoded, shape.family, shape.next_hop, session, out);
      refused = !packer.fits();
      if (refused) continue;
      packer.add(Prefix::host(IpAddress::any(address_family(shape.family))), 1);
      packer.add(Prefix::host(IpAddress::any(address_family(shape.family))), 2);
      packer.finish();
      ASSERT_FALSE(read_all(out, session).empty()) << shape.why << " " << count;
    }
    EXPECT_TRUE(refused) << shape.why;
  }
}

TEST(AnnouncePacker, AttributesStandInOrderAndMpReachInFront) {
  const auto types = [](const Shape& shape) {
    PathAttributes attributes = some_attributes();
    attributes.unknown = {{0xE0, 0, {}}, {0xE0, 11, {}}, {0xE0, 99, {}}};
    const SessionParameters session = session_of(shape);
    EncodedAttributes encoded;
    encode_attributes(attributes, session, encoded);
    Bytes out;
    AnnouncePacker packer(encoded, shape.family, shape.next_hop, session, out);
    packer.add(Prefix::default_route(address_family(shape.family)));
    packer.finish();
    std::vector<int> found;
    const std::size_t end =
        23 + (std::to_integer<std::size_t>(out[21]) << 8 | std::to_integer<std::size_t>(out[22]));
    for (std::size_t at = 23; at < end;) {
      found.push_back(std::to_integer<int>(out[at + 1]));
      const bool extended = (out[at] & std::byte{0x10}) != std::byte{0};
      at += extended ? 4 + (std::to_integer<std::size_t>(out[at + 2]) << 8 |
                            std::to_integer<std::size_t>(out[at + 3]))
                     : 3 + std::to_integer<std::size_t>(out[at + 2]);
    }
    return found;
  };
  EXPECT_EQ(types(kShapes[0]), (std::vector{0, 1, 2, 3, 4, 8, 11, 99}));
  EXPECT_EQ(types(kShapes[4]), (std::vector{14, 0, 1, 2, 4, 8, 11, 99})) << "RFC 7606 section 5.1";
  EXPECT_EQ(types(kShapes[3]), (std::vector{14, 0, 1, 2, 4, 8, 11, 99}));
}

TEST(Packers, EqualParametersGiveEqualBytes) {
  EncodedAttributes encoded;
  encode_attributes(some_attributes(), everything(), encoded);
  const auto packed = [&] {
    Bytes out;
    AnnouncePacker packer(encoded, Family::kIpv4Unicast, {address("192.0.2.1"), {}}, everything(), out);
    for (const NlriEntry& entry : routes(Family::kIpv4Unicast, 3000)) packer.add(entry.prefix);
    packer.finish();
    return out;
  };
  EXPECT_EQ(packed(), packed());
}

}  // namespace
}  // namespace towpath::bgp
