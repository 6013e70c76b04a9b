// Every attribute code with every flags octet and with empty, garbage and sound values, and every truncation:
// the codec gives a disposition and never more.
#include <gtest/gtest.h>

#include <random>

#include "bgp/wire/attribute_type.h"
#include "wire_bytes.h"

namespace towpath::bgp {
namespace {

using namespace test;

// A sound value of a known attribute, some octets for another.
Bytes sound_value(unsigned type) {
  switch (static_cast<AttributeType>(type)) {
    case AttributeType::kOrigin: return bytes("00");
    case AttributeType::kAsPath:
    case AttributeType::kAs4Path: return bytes("02 01 0000fde9");
    case AttributeType::kAtomicAggregate: return {};
    case AttributeType::kAggregator:
    case AttributeType::kAs4Aggregator: return bytes("0000fde9 00000001");
    case AttributeType::kExtendedCommunities: return bytes("0002fde800000064");
    case AttributeType::kLargeCommunities: return bytes("000000010000000200000003");
    case AttributeType::kIpv6ExtendedCommunities: return Bytes(20);
    case AttributeType::kMpReachNlri:
      return bytes("0002 01 10 20010db8000000000000000000000001 00 30 20010db80001");
    case AttributeType::kMpUnreachNlri: return bytes("0002 01 30 20010db80001");
    default: return bytes("c0000201");
  }
}

// The sound list with `swept` in the place of its own kind.
Bytes list_with(unsigned type, const Bytes& swept) {
  Bytes list;
  if (type != 1) list = list + origin();
  if (type != 2) list = list + as_path();
  if (type != 3) list = list + next_hop();
  if (type != 5) list = list + local_pref();
  return list + swept;
}

struct Tally {
  std::size_t sound = 0;
  std::size_t discarded = 0;
  std::size_t withdrawn = 0;
  std::size_t reset = 0;
};

void decode_once(const SessionParameters& session, const Bytes& body, Tally& tally) {
  static UpdateMessage update;
  const auto status = decode_update(body, session, update);
  if (!status) {
    ASSERT_EQ(status.error().disposition, Disposition::kReset);
    ASSERT_LE(status.error().data.size(), kMaxNotificationData);
    ASSERT_FALSE(status.error().reason.empty());
    ++tally.reset;
    return;
  }
  // Whatever happened, the route is either announced or withdrawn.
  const bool announced = !update.reach[UpdateMessage::kNlriField].nlri.empty();
  const bool withdrawn = !update.unreach[index(Family::kIpv4Unicast)].nlri.empty();
  ASSERT_NE(announced, withdrawn) << hex(body);
  ASSERT_EQ(withdrawn, update.treated_as_withdraw());
  if (withdrawn) {
    ++tally.withdrawn;
  } else if (!update.problems.empty()) {
    ++tally.discarded;
  } else {
    ++tally.sound;
  }
}

TEST(AttributeSweep, EveryCodeEveryFlagsEveryValue) {
  Tally tally;
  std::mt19937 random(1);
  for (const SessionParameters& session : {external(), internal()}) {
    for (unsigned type = 0; type < 256; ++type) {
      Bytes garbage(37);
      for (auto& b : garbage) b = static_cast<std::byte>(random());
      for (unsigned flags = 0; flags < 256; ++flags) {
        for (const Bytes& value : {Bytes{}, garbage, sound_value(type)}) {
          decode_once(session, update_body({}, list_with(type, attribute(flags, type, value)), nlri()),
                      tally);
        }
      }
    }
  }
  EXPECT_EQ(tally.sound + tally.discarded + tally.withdrawn + tally.reset, 2U * 256 * 256 * 3);
  EXPECT_GT(tally.sound, 0U);
  EXPECT_GT(tally.discarded, 0U);
  EXPECT_GT(tally.withdrawn, 0U);
}

// What RFC 7606 wants of each known attribute that arrives empty with its own flags.
TEST(AttributeSweep, EmptyKnownAttributes) {
  for (unsigned type = 0; type < 256; ++type) {
    const auto flags = specified_flags(static_cast<std::uint8_t>(type));
    if (!flags) continue;
    UpdateMessage update;
    const auto status = decode_update(update_body({}, list_with(type, attribute(*flags, type, {})), nlri()),
                                      internal(), update);
    const auto kind = static_cast<AttributeType>(type);
    if (kind == AttributeType::kMpReachNlri || kind == AttributeType::kMpUnreachNlri) {
      EXPECT_FALSE(status.has_value()) << type;
    } else if (kind == AttributeType::kAsPath || kind == AttributeType::kAtomicAggregate) {
      EXPECT_TRUE(status.has_value() && update.problems.empty()) << type;
    } else if (kind == AttributeType::kAggregator || kind == AttributeType::kAs4Path ||
               kind == AttributeType::kAs4Aggregator) {
      EXPECT_TRUE(status.has_value() && update.announces() && !update.problems.empty()) << type;
    } else {
      EXPECT_TRUE(status.has_value() && update.treated_as_withdraw()) << type;
    }
  }
}

TEST(AttributeSweep, UnknownOptionalOnesNeverDisturb) {
  for (unsigned type = 0; type < 256; ++type) {
    if (specified_flags(static_cast<std::uint8_t>(type))) continue;
    for (const unsigned flags : {0x80U, 0xC0U, 0xE0U}) {
      UpdateMessage update;
      const Bytes body = update_body({}, mandatory() + attribute(flags, type, bytes("00 ff")), nlri());
      ASSERT_TRUE(decode_update(body, external(), update)) << type;
      EXPECT_TRUE(update.problems.empty()) << type;
      EXPECT_EQ(update.attributes.unknown.size(), flags == 0x80 ? 0U : 1U) << type;
    }
  }
}

TEST(AttributeSweep, EveryTruncationAndEveryFlippedOctet) {
  const Bytes body = update_body(bytes("08 0a"),
                                 mp_reach() + mandatory() + local_pref() +
                                     bytes("80 04 04 00000001 c0 08 04 ffffff01"
                                           "80 09 04 00000001 80 0a 04 00000001"
                                           "c0 10 08 0002fde800000064 c0 63 00"),
                                 nlri());
  UpdateMessage update;
  ASSERT_TRUE(decode_update(body, internal(), update));
  ASSERT_TRUE(update.problems.empty());
  for (std::size_t size = 0; size < body.size(); ++size) {
    (void)decode_update(std::span(body).first(size), internal(), update);
  }
  for (std::size_t at = 0; at < body.size(); ++at) {
    for (unsigned value = 0; value < 256; ++value) {
      Bytes changed = body;
      changed[at] = static_cast<std::byte>(value);
      const auto status = decode_update(changed, internal(), update);
      if (!status) {
        EXPECT_EQ(status.error().disposition, Disposition::kReset);
      }
    }
  }
}

}  // namespace
}  // namespace towpath::bgp
