// RFC 6793: what a two-octet peer says in AS_PATH and AS4_PATH together.
#include <gtest/gtest.h>

#include "wire_bytes.h"

namespace towpath::bgp {
namespace {

using namespace test;

SessionParameters two_octet() {
  SessionParameters session = external();
  session.four_octet_as = false;
  return session;
}

struct MergeCase {
  const char* why;
  const char* as_path;   // value of AS_PATH
  const char* as4_path;  // value of AS4_PATH
  const char* merged;
};

TEST(As4Path, Merge) {
  const MergeCase cases[] = {
      {"4.2.3: equal lengths, AS4_PATH replaces all", "02 02 5ba0 5ba0", "02 02 00010001 00010002",
       "65537 65538"},
      {"4.2.3: old speakers in front stay", "02 03 0001 0002 5ba0", "02 01 00010001", "1 2 65537"},
      {"4.2.3: AS_PATH shorter, AS4_PATH is ignored", "02 01 0001", "02 02 00010001 00010002", "1"},
      {"an AS_SET counts one", "02 02 0001 5ba0 01 02 0003 0004", "02 01 00010001 01 02 00000003 00010004",
       "1 65537 {3 65540}"},
      {"a set stays whole in the leading part", "01 02 0001 0002 02 01 5ba0", "02 01 00010001",
       "{1 2} 65537"},
      {"the cut runs through a segment", "02 04 0001 0002 0003 5ba0", "02 02 00000003 00010001",
       "1 2 3 65537"},
  };
  for (const MergeCase& c : cases) {
    const Bytes attributes = origin() + attribute(0x40, 2, bytes(c.as_path)) + next_hop();
    const Bytes as4_path = attribute(0xC0, 17, bytes(c.as4_path));
    for (const Bytes& list : {attributes + as4_path, as4_path + attributes}) {
      UpdateMessage update;
      ASSERT_TRUE(decode_update(update_body({}, list, nlri()), two_octet(), update)) << c.why;
      EXPECT_EQ(update.attributes.as_path.to_string(), c.merged) << c.why;
      EXPECT_TRUE(update.problems.empty()) << c.why;
    }
  }
}

TEST(As4Path, ConfederationSegmentsStayInFrontAndBesideWhatStays) {
  SessionParameters session = two_octet();
  session.confederation_peer = true;
  const MergeCase cases[] = {
      {"it leads", "03 01 0007 02 02 0001 5ba0", "03 01 00000009 02 01 00010001", "(7) 1 65537"},
      {"it leads, and nothing else stays", "03 01 0007 02 01 5ba0", "02 01 00010001", "(7) 65537"},
      {"it follows what stays", "02 01 0001 03 01 0007 02 01 5ba0", "02 01 00010001", "1 (7) 65537"},
  };
  for (const MergeCase& c : cases) {
    const Bytes list =
        origin() + attribute(0x40, 2, bytes(c.as_path)) + next_hop() + attribute(0xC0, 17, bytes(c.as4_path));
    UpdateMessage update;
    ASSERT_TRUE(decode_update(update_body({}, list, nlri()), session, update)) << c.why;
    EXPECT_EQ(update.attributes.as_path.to_string(), c.merged) << c.why;
  }
}

struct Discarded {
  const char* why;
  const char* value;
};

TEST(As4Path, AMalformedOneIsDiscarded) {
  const Discarded cases[] = {{"empty", ""},
                             {"odd length", "02 01 000100"},
                             {"segment overruns", "02 05 00010001"},
                             {"unknown segment", "09 01 00010001"},
                             {"empty segment", "02 00"},
                             {"AS 0 (RFC 7607)", "02 01 00000000"}};
  for (const Discarded& c : cases) {
    const Bytes list =
        origin() + bytes("40 02 04 02 01 5ba0") + next_hop() + attribute(0xC0, 17, bytes(c.value));
    UpdateMessage update;
    ASSERT_TRUE(decode_update(update_body({}, list, nlri()), two_octet(), update)) << c.why;
    EXPECT_EQ(update.attributes.as_path.to_string(), "23456") << c.why;
    ASSERT_EQ(update.problems.size(), 1U) << c.why;
    EXPECT_EQ(update.problems[0].disposition, Disposition::kDiscard) << c.why;
    EXPECT_TRUE(update.announces()) << c.why;
  }
}

TEST(As4Path, AFourOctetSpeakersIsDiscarded) {
  UpdateMessage update;
  const Bytes list = mandatory() + attribute(0xC0, 17, bytes("02 01 00010001")) +
                     attribute(0xC0, 18, bytes("0001000100000001"));
  ASSERT_TRUE(decode_update(update_body({}, list, nlri()), external(), update));
  EXPECT_EQ(update.attributes.as_path.to_string(), "65001");
  EXPECT_FALSE(update.attributes.aggregator);
  EXPECT_EQ(update.problems.size(), 2U);
  EXPECT_FALSE(update.treated_as_withdraw());
}

TEST(As4Aggregator, CountsOnlyBesideAsTrans) {
  const auto decoded = [](const char* aggregator) {
    UpdateMessage update;
    const Bytes list = origin() + bytes("40 02 04 02 01 5ba0") + next_hop() + bytes(aggregator) +
                       attribute(0xC0, 17, bytes("02 01 00010001")) +
                       attribute(0xC0, 18, bytes("00010002 00000009"));
    EXPECT_TRUE(decode_update(update_body({}, list, nlri()), two_octet(), update));
    return update.attributes;
  };
  const PathAttributes with_trans = decoded("c0 07 06 5ba0 00000001");
  EXPECT_EQ(with_trans.aggregator, (Aggregator{AsNumber{65538}, RouterId{9}}));
  EXPECT_EQ(with_trans.as_path.to_string(), "65537");
  const PathAttributes with_other = decoded("c0 07 06 fde9 00000001");
  EXPECT_EQ(with_other.aggregator, (Aggregator{AsNumber{65001}, RouterId{1}}));
  EXPECT_EQ(with_other.as_path.to_string(), "23456") << "4.2.3: AS4_PATH is ignored as well";
  EXPECT_FALSE(decoded("").aggregator) << "alone it says nothing";
}

TEST(Aggregator, TheSessionDecidesItsLength) {
  struct Case {
    bool four;
    const char* value;
    bool sound;
  };
  for (const Case& c : {Case{true, "0000fde9 00000001", true}, Case{true, "fde9 00000001", false},
                        Case{false, "0000fde9 00000001", false}, Case{false, "fde9 00000001", true},
                        Case{true, "00000000 00000001", false}}) {
    SessionParameters session = external();
    session.four_octet_as = c.four;
    UpdateMessage update;
    const Bytes path = c.four ? as_path() : bytes("40 02 04 02 01 fde9");
    const Bytes list = origin() + path + next_hop() + attribute(0xC0, 7, bytes(c.value));
    ASSERT_TRUE(decode_update(update_body({}, list, nlri()), session, update)) << c.value;
    EXPECT_EQ(update.attributes.aggregator.has_value(), c.sound) << c.value;
    EXPECT_TRUE(update.announces()) << "RFC 7606 7.7: attribute discard";
  }
}

}  // namespace
}  // namespace towpath::bgp
