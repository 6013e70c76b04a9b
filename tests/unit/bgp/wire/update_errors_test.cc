// RFC 7606, rule by rule: what is wrong with an UPDATE and how far it may reach.
#include <gtest/gtest.h>

#include "wire_bytes.h"

namespace towpath::bgp {
namespace {

using namespace test;

constexpr auto kV4 = index(Family::kIpv4Unicast);
constexpr auto kV6 = index(Family::kIpv6Unicast);

enum class Want { kSound, kDiscard, kWithdraw, kReset };

struct Outcome {
  Want kind = Want::kSound;
  NotificationCode code;
  UpdateMessage update;
  DecodeError error;
};

Outcome outcome(const SessionParameters& session, const Bytes& body) {
  Outcome result;
  const auto status = decode_update(body, session, result.update);
  if (!status) {
    result.kind = Want::kReset;
    result.error = status.error();
    result.code = status.error().code;
    EXPECT_EQ(status.error().disposition, Disposition::kReset);
    EXPECT_FALSE(status.error().reason.empty());
    return result;
  }
  for (const DecodeError& problem : result.update.problems) {
    const Want kind = problem.disposition == Disposition::kWithdraw ? Want::kWithdraw : Want::kDiscard;
    if (kind > result.kind) {
      result.kind = kind;
      result.code = problem.code;
      result.error = problem;
    }
    EXPECT_FALSE(problem.reason.empty());
  }
  EXPECT_EQ(result.kind == Want::kWithdraw, result.update.treated_as_withdraw());
  return result;
}

struct AttributeCase {
  const char* why;
  const char* attributes;  // the whole list
  Want want;
  NotificationCode code;
};

// The announced route is there, or stands under the withdrawn, as the row says.
void check(const SessionParameters& session, const AttributeCase& c) {
  const Outcome got = outcome(session, update_body({}, bytes(c.attributes), nlri()));
  EXPECT_EQ(got.kind, c.want) << c.why << ": " << got.error.reason;
  if (c.want != Want::kSound) {
    EXPECT_EQ(got.code, c.code) << c.why << ": " << got.error.reason;
  }
  if (c.want == Want::kReset) return;
  const std::vector<NlriEntry> route{{prefix("10.1.0.0/16")}};
  const std::vector<NlriEntry> nothing;
  const bool announced = c.want != Want::kWithdraw;
  EXPECT_EQ(got.update.reach[UpdateMessage::kNlriField].nlri, announced ? route : nothing) << c.why;
  EXPECT_EQ(got.update.unreach[kV4].nlri, announced ? nothing : route) << c.why;
  if (!announced) {
    EXPECT_EQ(got.update.attributes, PathAttributes{}) << c.why;
  }
}

#define ORIGIN "40 01 01 00 "
#define AS_PATH "40 02 06 02 01 0000fde9 "
#define NEXT_HOP "40 03 04 c0000201 "
#define LOCAL_PREF "40 05 04 00000064 "
#define MANDATORY ORIGIN AS_PATH NEXT_HOP

TEST(Rfc7606, AttributesOfAnExternalPeer) {
  const AttributeCase cases[] = {
      {"sound", MANDATORY, Want::kSound, {}},
      {"the order of attributes is free", NEXT_HOP AS_PATH ORIGIN, Want::kSound, {}},
      // Section 3 c.
      {"3c: ORIGIN with Optional", "c0 01 01 00" AS_PATH NEXT_HOP, Want::kWithdraw, kAttributeFlagsError},
      {"3c: ORIGIN without Transitive", "00 01 01 00" AS_PATH NEXT_HOP, Want::kWithdraw,
       kAttributeFlagsError},
      {"3c: Partial never counts, not even on ORIGIN", "60 01 01 00" AS_PATH NEXT_HOP, Want::kSound, {}},
      {"4.3: the low bits, the length bit aside, do not count",
       "4f 01 01 00" AS_PATH NEXT_HOP,
       Want::kSound,
       {}},
      {"3c: MED with Transitive", MANDATORY "c0 04 04 00000001", Want::kWithdraw, kAttributeFlagsError},
      {"3c: COMMUNITIES without Transitive", MANDATORY "80 08 04 00000001", Want::kWithdraw,
       kAttributeFlagsError},
      {"3c: COMMUNITIES with Partial", MANDATORY "e0 08 04 00000001", Want::kSound, {}},
      {"3c: ATOMIC_AGGREGATE with Optional", MANDATORY "c0 06 00", Want::kWithdraw, kAttributeFlagsError},
      {"3c: AGGREGATOR without Optional", MANDATORY "40 07 08 0000fde9 00000001", Want::kWithdraw,
       kAttributeFlagsError},
      // Section 3 d.
      {"3d: no ORIGIN", AS_PATH NEXT_HOP, Want::kWithdraw, kMissingWellKnownAttribute},
      {"3d: no AS_PATH", ORIGIN NEXT_HOP, Want::kWithdraw, kMissingWellKnownAttribute},
      {"3d: no NEXT_HOP", ORIGIN AS_PATH, Want::kWithdraw, kMissingWellKnownAttribute},
      {"3d: nothing at all", "", Want::kWithdraw, kMissingWellKnownAttribute},
      // Section 3 g.
      {"3g: a repeated attribute, the first counts", MANDATORY "40 01 01 02", Want::kDiscard,
       kMalformedAttributeList},
      {"3g: what is repeated is not looked at", MANDATORY "00 01 05 0102030405", Want::kDiscard,
       kMalformedAttributeList},
      {"3g: a repeated unknown one", MANDATORY "c0 63 00 c0 63 00", Want::kDiscard, kMalformedAttributeList},
      // Section 4.
      {"4: a value overruns", MANDATORY "80 04 05 00000001", Want::kWithdraw, kMalformedAttributeList},
      {"4: one octet left", MANDATORY "80", Want::kWithdraw, kMalformedAttributeList},
      {"4: two octets left", MANDATORY "80 04", Want::kWithdraw, kMalformedAttributeList},
      {"4: the long length is cut off", MANDATORY "90 04 00", Want::kWithdraw, kMalformedAttributeList},
      {"4: overrun in front, so all is missing", "40 01 ff 00", Want::kWithdraw, kMalformedAttributeList},
      // Section 7.
      {"7.1: ORIGIN of no octet", "40 01 00" AS_PATH NEXT_HOP, Want::kWithdraw, kAttributeLengthError},
      {"7.1: ORIGIN of two octets", "40 01 02 0000" AS_PATH NEXT_HOP, Want::kWithdraw, kAttributeLengthError},
      {"7.1: ORIGIN 3", "40 01 01 03" AS_PATH NEXT_HOP, Want::kWithdraw, kInvalidOrigin},
      {"7.1: ORIGIN 255", "40 01 01 ff" AS_PATH NEXT_HOP, Want::kWithdraw, kInvalidOrigin},
      {"7.2: segment type 0", ORIGIN "40 02 06 00 01 0000fde9" NEXT_HOP, Want::kWithdraw, kMalformedAsPath},
      {"7.2: segment type 5", ORIGIN "40 02 06 05 01 0000fde9" NEXT_HOP, Want::kWithdraw, kMalformedAsPath},
      {"7.2: segment overruns", ORIGIN "40 02 06 02 02 0000fde9" NEXT_HOP, Want::kWithdraw, kMalformedAsPath},
      {"7.2: segment underruns, one octet left", ORIGIN "40 02 07 02 01 0000fde9 02" NEXT_HOP,
       Want::kWithdraw, kMalformedAsPath},
      {"7.2: empty segment", ORIGIN "40 02 02 02 00" NEXT_HOP, Want::kWithdraw, kMalformedAsPath},
      {"7.2: empty segment behind a sound one", ORIGIN "40 02 08 02 01 0000fde9 02 00" NEXT_HOP,
       Want::kWithdraw, kMalformedAsPath},
      {"RFC 7607: AS 0 in the path", ORIGIN "40 02 0a 02 02 0000fde9 00000000" NEXT_HOP, Want::kWithdraw,
       kMalformedAsPath},
      {"RFC 5065 5: confederation from outside", ORIGIN "40 02 06 03 01 0000fde9" NEXT_HOP, Want::kWithdraw,
       kMalformedAsPath},
      {"an empty path is no error of form", ORIGIN "40 02 00" NEXT_HOP, Want::kSound, {}},
      {"7.3: NEXT_HOP of 3 octets", ORIGIN AS_PATH "40 03 03 c00002", Want::kWithdraw, kAttributeLengthError},
      {"7.3: NEXT_HOP of 16 octets", ORIGIN AS_PATH "40 03 10 20010db8000000000000000000000001",
       Want::kWithdraw, kAttributeLengthError},
      {"RFC 4271 6.3: NEXT_HOP 0.0.0.0", ORIGIN AS_PATH "40 03 04 00000000", Want::kWithdraw,
       kInvalidNextHop},
      {"RFC 4271 6.3: NEXT_HOP in 0/8", ORIGIN AS_PATH "40 03 04 00000001", Want::kWithdraw, kInvalidNextHop},
      {"RFC 4271 6.3: NEXT_HOP in 127/8", ORIGIN AS_PATH "40 03 04 7f000001", Want::kWithdraw,
       kInvalidNextHop},
      {"RFC 4271 6.3: NEXT_HOP in 224/4", ORIGIN AS_PATH "40 03 04 e0000001", Want::kWithdraw,
       kInvalidNextHop},
      {"7.4: MED of 3 octets", MANDATORY "80 04 03 000001", Want::kWithdraw, kAttributeLengthError},
      {"7.4: MED of no octet", MANDATORY "80 04 00", Want::kWithdraw, kAttributeLengthError},
      {"7.5: LOCAL_PREF from outside", MANDATORY LOCAL_PREF, Want::kDiscard, kOptionalAttributeError},
      {"7.5: LOCAL_PREF from outside, and malformed", MANDATORY "c0 05 01 00", Want::kDiscard,
       kOptionalAttributeError},
      {"7.6: ATOMIC_AGGREGATE with a value", MANDATORY "40 06 01 00", Want::kDiscard, kAttributeLengthError},
      {"7.7: AGGREGATOR of 7 octets", MANDATORY "c0 07 07 0000fde9 000000", Want::kDiscard,
       kAttributeLengthError},
      {"7.8: no COMMUNITIES in COMMUNITIES", MANDATORY "c0 08 00", Want::kWithdraw, kAttributeLengthError},
      {"7.8: COMMUNITIES of 5 octets", MANDATORY "c0 08 05 0000000100", Want::kWithdraw,
       kAttributeLengthError},
      {"7.9: ORIGINATOR_ID from outside", MANDATORY "80 09 04 00000001", Want::kDiscard,
       kOptionalAttributeError},
      {"7.9: ORIGINATOR_ID from outside, and malformed", MANDATORY "80 09 00", Want::kDiscard,
       kOptionalAttributeError},
      {"7.10: CLUSTER_LIST from outside", MANDATORY "80 0a 04 00000001", Want::kDiscard,
       kOptionalAttributeError},
      {"7.14: EXTENDED_COMMUNITIES of 4 octets", MANDATORY "c0 10 04 00000001", Want::kWithdraw,
       kAttributeLengthError},
      {"7.14: no EXTENDED_COMMUNITIES", MANDATORY "c0 10 00", Want::kWithdraw, kAttributeLengthError},
      {"7.15: IPv6 extended communities of 8 octets", MANDATORY "c0 19 08 0000000000000001", Want::kWithdraw,
       kAttributeLengthError},
      {"RFC 8092 6: LARGE_COMMUNITIES of 8 octets", MANDATORY "c0 20 08 0000000000000001", Want::kWithdraw,
       kAttributeLengthError},
      {"RFC 8092 6: no LARGE_COMMUNITIES", MANDATORY "c0 20 00", Want::kWithdraw, kAttributeLengthError},
      {"RFC 9234 5: OTC of 3 octets", MANDATORY "c0 23 03 000001", Want::kWithdraw, kAttributeLengthError},
      {"RFC 9234 5: OTC of 8 octets", MANDATORY "c0 23 08 0000000000000001", Want::kWithdraw,
       kAttributeLengthError},
      // RFC 4271 section 6.3.
      {"6.3: an unknown attribute that is well-known", MANDATORY "40 63 00", Want::kReset,
       kUnrecognizedWellKnownAttribute},
      {"an unknown optional one is sound", MANDATORY "80 63 01 00 c0 64 01 00", Want::kSound, {}},
  };
  for (const AttributeCase& c : cases) check(external(), c);
}

TEST(Rfc7606, AttributesOfAnInternalPeer) {
  const AttributeCase cases[] = {
      {"sound", MANDATORY LOCAL_PREF, Want::kSound, {}},
      {"RFC 4271 5.1.5: no LOCAL_PREF", MANDATORY, Want::kWithdraw, kMissingWellKnownAttribute},
      {"7.5: LOCAL_PREF of 3 octets", MANDATORY "40 05 03 000064", Want::kWithdraw, kAttributeLengthError},
      {"7.5: LOCAL_PREF of 8 octets", MANDATORY "40 05 08 0000006400000064", Want::kWithdraw,
       kAttributeLengthError},
      {"7.9: ORIGINATOR_ID", MANDATORY LOCAL_PREF "80 09 04 00000001", Want::kSound, {}},
      {"7.9: ORIGINATOR_ID of 3 octets", MANDATORY LOCAL_PREF "80 09 03 000001", Want::kWithdraw,
       kAttributeLengthError},
      {"7.10: CLUSTER_LIST", MANDATORY LOCAL_PREF "80 0a 08 0000000100000002", Want::kSound, {}},
      {"7.10: CLUSTER_LIST of 6 octets", MANDATORY LOCAL_PREF "80 0a 06 000000010000", Want::kWithdraw,
       kAttributeLengthError},
      {"7.10: empty CLUSTER_LIST", MANDATORY LOCAL_PREF "80 0a 00", Want::kWithdraw, kAttributeLengthError},
      {"3c: LOCAL_PREF with Optional", MANDATORY "c0 05 04 00000064", Want::kWithdraw, kAttributeFlagsError},
  };
  for (const AttributeCase& c : cases) check(internal(), c);
}

TEST(Rfc7606, TheLongFormOfAShortAttributeIsLegal) {
  const Bytes list =
      attribute(0x40, 1, bytes("00"), true) + attribute(0x40, 2, bytes("02 01 0000fde9"), true) +
      attribute(0x40, 3, bytes("c0000201"), true) + attribute(0xC0, 35, bytes("0000fde9"), true);
  const Outcome got = outcome(external(), update_body({}, list, nlri()));
  EXPECT_EQ(got.kind, Want::kSound);
  EXPECT_EQ(got.update.attributes.only_to_customer, AsNumber{65001});
}

TEST(Rfc7606, AllFourLowFlagBitsMayBeSet) {
  // RFC 4271 section 4.3: three of them are ignored on receipt, the fourth makes the length long.
  const Outcome got = outcome(external(), update_body({}, bytes("5f 01 0001 00" AS_PATH NEXT_HOP), nlri()));
  EXPECT_EQ(got.kind, Want::kSound);
}

TEST(Rfc7606, Section3bLengthsBeyondTheMessageReset) {
  // The last one has no room for the second length.
  for (const char* body : {"0001 0000", "ffff 0000", "0000 0001", "0000 ffff", "0003 00 00 00 00"}) {
    const Outcome got = outcome(external(), bytes(body));
    EXPECT_EQ(got.kind, Want::kReset) << body;
    EXPECT_EQ(got.code, kMalformedAttributeList) << body;
  }
  EXPECT_EQ(outcome(external(), bytes("0002 08 0a 0000")).kind, Want::kSound);
}

TEST(Rfc7606, Section3gRepeatedMultiprotocolAttributesReset) {
  for (const Bytes& twice : {mp_reach() + mp_reach(), bytes("80 0f 03 0002 01 80 0f 03 0002 01")}) {
    const Outcome got = outcome(external(), update_body({}, origin() + as_path() + twice, {}));
    EXPECT_EQ(got.kind, Want::kReset);
    EXPECT_EQ(got.code, kMalformedAttributeList);
  }
}

TEST(Rfc7606, Section3hTheStrongestOfSeveralErrorsWins) {
  const Bytes discard = bytes("40 06 01 00");
  const Bytes withdraw = bytes("80 04 03 000001");
  const Bytes reset = bytes("40 63 00");
  EXPECT_EQ(outcome(external(), update_body({}, mandatory() + discard + withdraw, nlri())).kind,
            Want::kWithdraw);
  EXPECT_EQ(outcome(external(), update_body({}, mandatory() + withdraw + discard, nlri())).kind,
            Want::kWithdraw);
  EXPECT_EQ(outcome(external(), update_body({}, mandatory() + discard + withdraw + reset, nlri())).kind,
            Want::kReset);
  EXPECT_EQ(outcome(external(), update_body({}, mandatory() + withdraw, bytes("21 0a01020304"))).kind,
            Want::kReset);
}

TEST(Rfc7606, Section4TheNlriIsFoundByTotalPathAttributeLength) {
  // The MED says 255 octets and so reaches over the NLRI; the routes are found and withdrawn all the same.
  const Outcome got =
      outcome(external(), update_body({}, mandatory() + bytes("80 04 ff 0000"), nlri() + bytes("08 0b")));
  EXPECT_EQ(got.kind, Want::kWithdraw);
  EXPECT_EQ(got.update.unreach[kV4].nlri,
            (std::vector<NlriEntry>{{prefix("10.1.0.0/16")}, {prefix("11.0.0.0/8")}}));
}

TEST(Rfc7606, Section52WithoutReachableNlriAWithdrawBecomesAReset) {
  const Bytes bad_med = bytes("80 04 03 000001");
  EXPECT_EQ(outcome(external(), update_body({}, mandatory() + bad_med, {})).kind, Want::kReset);
  EXPECT_EQ(outcome(external(), update_body(bytes("08 0a"), mandatory() + bad_med, {})).kind, Want::kReset)
      << "withdrawn routes are no reachable ones";
  EXPECT_EQ(outcome(external(), update_body({}, bytes("80 0f 05 0002 01 08 20") + bad_med, {})).kind,
            Want::kReset);
  EXPECT_EQ(outcome(external(), update_body({}, bad_med + mp_reach(), {})).kind, Want::kWithdraw);
  // The error may be what hides MP_REACH_NLRI.
  EXPECT_EQ(
      outcome(external(), update_body({}, origin() + as_path() + bytes("80 04 ff") + mp_reach(), {})).kind,
      Want::kReset);
  // Attribute discard is the one approach that needs no route.
  EXPECT_EQ(outcome(external(), update_body({}, mandatory() + bytes("40 06 01 00"), {})).kind,
            Want::kDiscard);
  EXPECT_EQ(outcome(external(), update_body({}, mandatory() + origin(), {})).kind, Want::kDiscard);
  // No route, and nothing is missing either: mandatory attributes belong to announced routes.
  EXPECT_EQ(outcome(external(), update_body(bytes("08 0a"), {}, {})).kind, Want::kSound);
  EXPECT_EQ(outcome(external(), update_body({}, origin(), {})).kind, Want::kSound);
}

TEST(Rfc7606, Section53MalformedNlriResets) {
  struct Case {
    const char* why;
    const char* nlri;
  };
  for (const Case& c :
       {Case{"length 33", "21 0a01020304"}, Case{"length 255", "ff 0a"}, Case{"cut off", "10 0a"},
        Case{"only a length", "08"}, Case{"a sound one in front", "08 0a 10 0a"}}) {
    EXPECT_EQ(outcome(external(), update_body({}, mandatory(), bytes(c.nlri))).kind, Want::kReset) << c.why;
    const Outcome withdrawn = outcome(external(), update_body(bytes(c.nlri), {}, {}));
    EXPECT_EQ(withdrawn.kind, Want::kReset) << c.why;
    EXPECT_EQ(withdrawn.code, kInvalidNetworkField) << c.why;
  }
  for (const Case& c :
       {Case{"length 129", "81 20010db800000000000000000000000100"}, Case{"cut off", "30 20010db800"}}) {
    const Bytes reach = bytes("0002 01 10 20010db8000000000000000000000001 00") + bytes(c.nlri);
    EXPECT_EQ(
        outcome(external(), update_body({}, origin() + as_path() + attribute(0x80, 14, reach), {})).kind,
        Want::kReset)
        << c.why;
    const Bytes unreach = bytes("0002 01") + bytes(c.nlri);
    const Outcome withdrawn = outcome(external(), update_body({}, attribute(0x80, 15, unreach), {}));
    EXPECT_EQ(withdrawn.kind, Want::kReset) << c.why;
    EXPECT_EQ(withdrawn.code, kOptionalAttributeError) << c.why;
  }
}

TEST(Rfc7606, Section53AddPathEntriesThatAreCutOffReset) {
  SessionParameters session = external();
  session.families[kV4].add_path_receive = true;
  for (const char* entry :
       {"00", "00000001", "00000001 10 0a", "00000001 21 0a01020304", "00000001 08 0a 000000"}) {
    EXPECT_EQ(outcome(session, update_body({}, mandatory(), bytes(entry))).kind, Want::kReset) << entry;
  }
}

TEST(Rfc7606, Section711NextHopLengthsOfMpReach) {
  struct Case {
    const char* why;
    const char* value;  // up to the reserved octet
    Want want;
  };
  const Case cases[] = {
      {"IPv6, 16", "0002 01 10 20010db8000000000000000000000001 00", Want::kSound},
      {"IPv6, 32", "0002 01 20 20010db8000000000000000000000001 fe800000000000000000000000000001 00",
       Want::kSound},
      {"the reserved octet is ignored", "0002 01 10 20010db8000000000000000000000001 ff", Want::kSound},
      {"IPv6, 4", "0002 01 04 c0000201 00", Want::kReset},
      {"IPv6, 0", "0002 01 00 00", Want::kReset},
      {"IPv6, 15", "0002 01 0f 20010db80000000000000000000000 00", Want::kReset},
      {"IPv6, 24 (a VPN's)", "0002 01 18 000000000000000020010db8000000000000000000000001 00", Want::kReset},
      {"overruns", "0002 01 ff 20010db8000000000000000000000001 00", Want::kReset},
      {"IPv4 in MP_REACH, 4", "0001 01 04 c0000201 00", Want::kSound},
      {"IPv4, 16, not negotiated (RFC 8950)", "0001 01 10 20010db8000000000000000000000001 00", Want::kReset},
      {"next hop ::", "0002 01 10 00000000000000000000000000000000 00", Want::kWithdraw},
      {"next hop ::1", "0002 01 10 00000000000000000000000000000001 00", Want::kWithdraw},
      {"next hop ff02::1", "0002 01 10 ff020000000000000000000000000001 00", Want::kWithdraw},
      {"next hop 127.0.0.1", "0001 01 04 7f000001 00", Want::kWithdraw},
      {"unknown family: ignored (RFC 4760 section 7)", "0019 46 04 c0000201 00", Want::kDiscard},
      {"unknown family, strange next hop", "4004 47 05 0102030405 00", Want::kDiscard},
  };
  for (const Case& c : cases) {
    const Bytes list = attribute(0x80, 14, bytes(c.value) + bytes("00")) + origin() + as_path();
    EXPECT_EQ(outcome(external(), update_body({}, list, {})).kind, c.want) << c.why;
  }
  for (const char* shorter : {"", "00", "0002", "000201", "00020110", "0002 01 00"}) {
    const Bytes list = attribute(0x80, 14, bytes(shorter)) + origin() + as_path();
    EXPECT_EQ(outcome(external(), update_body({}, list, {})).kind, Want::kReset) << shorter;
  }
  for (const char* shorter : {"", "00", "0002"}) {
    EXPECT_EQ(outcome(external(), update_body({}, attribute(0x80, 15, bytes(shorter)), {})).kind,
              Want::kReset)
        << shorter;
  }
}

TEST(Rfc7606, FlagsOfMpReachWithdrawItsRoutes) {
  const Bytes value = bytes("0002 01 10 20010db8000000000000000000000001 00 30 20010db80001");
  for (const unsigned flags : {0x00U, 0x40U, 0xC0U}) {
    const Outcome got =
        outcome(external(), update_body({}, attribute(flags, 14, value) + origin() + as_path(), {}));
    EXPECT_EQ(got.kind, Want::kWithdraw) << flags;
    EXPECT_EQ(got.update.unreach[kV6].nlri, (std::vector<NlriEntry>{{prefix("2001:db8:1::/48")}})) << flags;
  }
}

TEST(Rfc7606, TreatAsWithdrawMovesBothFamilies) {
  const Outcome got = outcome(
      external(),
      update_body(bytes("08 0a"),
                  mp_reach() + mandatory() + bytes("80 0f 0a 0002 01 30 20010db80009") + bytes("80 04 00"),
                  nlri()));
  EXPECT_EQ(got.kind, Want::kWithdraw);
  EXPECT_EQ(got.update.unreach[kV4].nlri,
            (std::vector<NlriEntry>{{prefix("10.0.0.0/8")}, {prefix("10.1.0.0/16")}}));
  EXPECT_EQ(got.update.unreach[kV6].nlri,
            (std::vector<NlriEntry>{{prefix("2001:db8:9::/48")}, {prefix("2001:db8:1::/48")}}));
  EXPECT_FALSE(got.update.announces());
}

TEST(Rfc7606, TheDataOfAnErrorIsTheAttributeAndBounded) {
  const Outcome small = outcome(external(), update_body({}, bytes("40 01 01 09" AS_PATH NEXT_HOP), nlri()));
  EXPECT_EQ(hex(small.error.data), "40010109");
  const Outcome missing = outcome(external(), update_body({}, bytes(AS_PATH NEXT_HOP), nlri()));
  EXPECT_EQ(hex(missing.error.data), "01") << "the type of the missing attribute";
  const Bytes huge = attribute(0x50, 99, Bytes(60000));
  const Outcome large = outcome(external(), update_body({}, mandatory() + huge, nlri()));
  EXPECT_EQ(large.kind, Want::kReset);
  EXPECT_EQ(large.error.data.size(), kMaxNotificationData);
}

TEST(Rfc7606, AMessageFullOfRepetitionsGivesFewProblems) {
  const Outcome got =
      outcome(external(), update_body({}, mandatory() + repeat(bytes("c0 63 00"), 1300), nlri()));
  EXPECT_EQ(got.kind, Want::kDiscard);
  EXPECT_LE(got.update.problems.size(), 16U);
  const Outcome last = outcome(
      external(), update_body({}, mandatory() + repeat(bytes("c0 63 00"), 1000) + bytes("80 04 00"), nlri()));
  EXPECT_EQ(last.kind, Want::kWithdraw) << "the strongest is never lost among them";
}

TEST(Update, BitsBehindThePrefixLengthAreIgnored) {
  const Outcome got =
      outcome(external(), update_body(bytes("09 0aff"), mandatory(), bytes("04 ff 1f c0000203")));
  EXPECT_EQ(got.update.reach[0].nlri,
            (std::vector<NlriEntry>{{prefix("240.0.0.0/4")}, {prefix("192.0.2.2/31")}}));
  EXPECT_EQ(got.update.unreach[kV4].nlri, (std::vector<NlriEntry>{{prefix("10.128.0.0/9")}}));
  const Outcome ipv6 =
      outcome(external(), update_body({}, bytes("80 0f 0c 0002 01 3f 20010db80000ffff"), {}));
  EXPECT_EQ(ipv6.update.unreach[kV6].nlri, (std::vector<NlriEntry>{{prefix("2001:db8:0:fffe::/63")}}));
}

TEST(Update, UnknownTransitiveAttributesAreKeptWithPartial) {
  const Bytes list = mandatory() + bytes("c0 64 02 0102") + bytes("e0 63 00") + bytes("d0 65 0001 09") +
                     bytes("80 66 01 00");
  const Outcome got = outcome(external(), update_body({}, list, nlri()));
  EXPECT_EQ(got.update.attributes.unknown,
            (std::vector<UnknownAttribute>{
                {0xE0, 0x63, {}}, {0xE0, 0x64, bytes("0102")}, {0xE0, 0x65, bytes("09")}}))
      << "ascending, the non-transitive one is gone";
}

TEST(Update, Ipv6ExtendedCommunitiesPassOn) {
  const Bytes value(20, std::byte{7});
  const Outcome got = outcome(external(), update_body({}, mandatory() + attribute(0xC0, 25, value), nlri()));
  EXPECT_EQ(got.kind, Want::kSound);
  EXPECT_EQ(got.update.attributes.unknown, (std::vector<UnknownAttribute>{{0xE0, 25, value}}));
}

TEST(Update, RepeatedLargeCommunitiesAreRemoved) {
  const Bytes a = bytes("000000010000000200000003");
  const Bytes b = bytes("000000010000000200000002");
  const Outcome got =
      outcome(external(), update_body({}, mandatory() + attribute(0xC0, 32, a + b + a + b + b), nlri()));
  EXPECT_EQ(got.kind, Want::kSound);
  EXPECT_EQ(got.update.attributes.large_communities, (std::vector<LargeCommunity>{{1, 2, 3}, {1, 2, 2}}))
      << "RFC 8092 section 5; the order stays";
}

TEST(Update, NextHopBesideMpReachAloneIsIgnored) {
  const Outcome got = outcome(
      external(), update_body({}, mp_reach() + origin() + as_path() + bytes("40 03 04 00000000"), {}));
  EXPECT_EQ(got.kind, Want::kSound) << "RFC 4760 section 3";
  EXPECT_EQ(got.update.reach[UpdateMessage::kNlriField], Reach{});
}

TEST(Update, MpReachIsTakenAnywhere) {
  for (const Bytes& list : {mp_reach() + origin() + as_path(), origin() + mp_reach() + as_path(),
                            origin() + as_path() + mp_reach()}) {
    EXPECT_EQ(outcome(external(), update_body({}, list, {})).kind, Want::kSound);
  }
}

TEST(Update, LinkLocalNextHopsInTheirStrangeForms) {
  const auto next_hop_of = [](const char* addresses) {
    const Bytes value = bytes("0002 01 20") + bytes(addresses) + bytes("00 00");
    return outcome(external(), update_body({}, attribute(0x80, 14, value) + origin() + as_path(), {}))
        .update.reach[1]
        .next_hop;
  };
  const NextHop link_local_only{address("fe80::1"), {}};
  EXPECT_EQ(next_hop_of("00000000000000000000000000000000 fe800000000000000000000000000001"),
            link_local_only);
  EXPECT_EQ(next_hop_of("fe800000000000000000000000000001 fe800000000000000000000000000001"),
            link_local_only);
  EXPECT_EQ(next_hop_of("20010db8000000000000000000000001 20010db8000000000000000000000002"),
            (NextHop{address("2001:db8::1"), {}}))
      << "the second must be link-local";
}

TEST(Update, AFamilyThatIsNotNegotiatedIsIgnored) {
  SessionParameters only_ipv6 = external();
  only_ipv6.families[kV4].enabled = false;
  const Outcome ipv4 = outcome(only_ipv6, update_body(bytes("08 0a"), mandatory(), nlri()));
  EXPECT_EQ(ipv4.kind, Want::kDiscard);
  EXPECT_FALSE(ipv4.update.announces());
  EXPECT_TRUE(ipv4.update.unreach[kV4].nlri.empty());
  SessionParameters only_ipv4 = external();
  only_ipv4.families[kV6].enabled = false;
  const Outcome ipv6 = outcome(only_ipv4, update_body({}, mp_reach() + mandatory(), nlri()));
  EXPECT_EQ(ipv6.kind, Want::kDiscard);
  EXPECT_TRUE(ipv6.update.reach[UpdateMessage::kMpReach].nlri.empty());
  EXPECT_FALSE(ipv6.update.reach[UpdateMessage::kNlriField].nlri.empty());
}

TEST(EndOfRib, OnlyTheEmptyMessageIsOne) {
  const auto end_of_rib = [](const SessionParameters& session, const Bytes& body) {
    return outcome(session, body).update.end_of_rib;
  };
  EXPECT_EQ(end_of_rib(external(), bytes("0000 0000")), Family::kIpv4Unicast);
  EXPECT_EQ(end_of_rib(external(), bytes("0000 0006 80 0f 03 0002 01")), Family::kIpv6Unicast);
  EXPECT_EQ(end_of_rib(external(), bytes("0000 0007 90 0f 0003 0002 01")), Family::kIpv6Unicast)
      << "long form";
  EXPECT_EQ(end_of_rib(external(), bytes("0000 0006 80 0f 03 0001 01")), Family::kIpv4Unicast)
      << "IPv4 by MP_UNREACH";
  EXPECT_EQ(end_of_rib(external(), bytes("0000 0006 80 0f 03 0019 46")), std::nullopt) << "not our family";
  EXPECT_EQ(end_of_rib(external(), update_body(bytes("08 0a"), {}, {})), std::nullopt);
  EXPECT_EQ(end_of_rib(external(), update_body({}, mandatory(), nlri())), std::nullopt);
  EXPECT_EQ(end_of_rib(external(), update_body({}, origin(), {})), std::nullopt);
  EXPECT_EQ(end_of_rib(external(), update_body({}, bytes("80 0f 03 0002 01") + origin(), {})), std::nullopt);
  EXPECT_EQ(end_of_rib(external(), update_body({}, bytes("80 0f 04 0002 01 00"), {})), std::nullopt)
      << "withdraws ::/0";
  EXPECT_EQ(end_of_rib(external(), update_body(bytes("08 0a"), bytes("80 0f 03 0002 01"), {})), std::nullopt);
  SessionParameters only_ipv4 = external();
  only_ipv4.families[kV6].enabled = false;
  EXPECT_EQ(end_of_rib(only_ipv4, bytes("0000 0006 80 0f 03 0002 01")), std::nullopt);
}

}  // namespace
}  // namespace towpath::bgp
