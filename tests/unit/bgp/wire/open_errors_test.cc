// OPENs that must be refused, and those that look strange and must not be.
#include <gtest/gtest.h>

#include "wire_bytes.h"

namespace towpath::bgp {
namespace {

using namespace test;

constexpr auto kV4 = index(Family::kIpv4Unicast);

const char* const kFixed = "04 fde8 0009 c0000201 ";  // up to the length of the optional parameters

Bytes open_with(const Bytes& capabilities) {
  return bytes(kFixed) +
         Bytes{static_cast<std::byte>(capabilities.size() + 2), std::byte{2},
               static_cast<std::byte>(capabilities.size())} +
         capabilities;
}

struct RefusedOpen {
  const char* why;
  Bytes body;
  NotificationCode code;
  const char* data;
};

TEST(OpenErrors, AreRefusedWithTheRightCode) {
  const auto fixed_and = [](const char* rest) { return bytes(kFixed) + bytes(rest); };
  const RefusedOpen cases[] = {
      {"6.2: version 3; the data is the version we speak", bytes("03 fde8 0009 c0000201 00"),
       kUnsupportedVersion, "0004"},
      {"6.2: version 5", bytes("05 fde8 0009 c0000201 00"), kUnsupportedVersion, "0004"},
      {"RFC 7607: AS 0", bytes("04 0000 0009 c0000201 00"), kBadPeerAs, ""},
      {"RFC 7607: AS 0 in the capability", open_with(bytes("41 04 00000000")), kBadPeerAs, ""},
      {"6.2: hold time 1", bytes("04 fde8 0001 c0000201 00"), kUnacceptableHoldTime, ""},
      {"6.2: hold time 2", bytes("04 fde8 0002 c0000201 00"), kUnacceptableHoldTime, ""},
      {"RFC 6286: identifier 0", bytes("04 fde8 0009 00000000 00"), kBadBgpIdentifier, ""},
      {"6.2: parameter 1, authentication", fixed_and("03 01 01 00"), kUnsupportedOptionalParameter, ""},
      {"6.2: parameter 200", fixed_and("02 c8 00"), kUnsupportedOptionalParameter, ""},
      {"the length says more than there is", fixed_and("05 02 00"), kOpenUnspecific, ""},
      {"the length says less than there is", fixed_and("00 02 00"), kOpenUnspecific, ""},
      {"a parameter overruns", fixed_and("03 02 05 00"), kOpenUnspecific, ""},
      {"one octet of a parameter", fixed_and("01 02"), kOpenUnspecific, ""},
      {"a capability overruns", fixed_and("04 02 02 41 04"), kOpenUnspecific, ""},
      {"one octet of a capability", fixed_and("03 02 01 41"), kOpenUnspecific, ""},
      {"RFC 9072: the extended length is wrong", fixed_and("ff ff 0009 02 0000"), kOpenUnspecific, ""},
      {"RFC 9072: cut off", fixed_and("ff ff 00"), kOpenUnspecific, ""},
      {"RFC 9072: a parameter overruns", fixed_and("ff ff 0003 02 0009"), kOpenUnspecific, ""},
      {"RFC 9072: unknown parameter", fixed_and("ff ff 0003 c8 0000"), kUnsupportedOptionalParameter, ""},
  };
  for (const RefusedOpen& c : cases) {
    const auto open = decode_open(c.body);
    ASSERT_FALSE(open.has_value()) << c.why;
    EXPECT_EQ(open.error().code, c.code) << c.why << ": " << open.error().reason;
    EXPECT_EQ(hex(open.error().data), c.data) << c.why;
    EXPECT_EQ(open.error().disposition, Disposition::kReset) << c.why;
  }
}

TEST(OpenErrors, NoTruncationIsRead) {
  const Bytes whole = open_with(bytes("01 04 0001 00 01 41 04 0000fde8"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_open(std::span(whole).first(size)).has_value()) << size;
  }
  EXPECT_TRUE(decode_open(whole).has_value());
}

TEST(OpenCapabilities, OneParameterOrManyMeanTheSame) {
  const auto one = decode_open(open_with(bytes("01 04 0001 00 01 02 00 41 04 0000fde8")));
  const auto many = decode_open(bytes(kFixed) + bytes("14 02 06 010400010001 02 02 0200 02 06 41040000fde8"));
  ASSERT_TRUE(one && many);
  EXPECT_EQ(*one, *many);
}

TEST(OpenCapabilities, TheExtendedFormIsReadForShortParametersToo) {
  const auto usual = decode_open(open_with(bytes("02 00")));
  for (const char* rest : {"ff ff 0005 02 0002 0200", "04 ff 0005 02 0002 0200", "01 ff 0005 02 0002 0200"}) {
    const auto extended = decode_open(bytes(kFixed) + bytes(rest));
    ASSERT_TRUE(extended.has_value()) << rest;
    EXPECT_EQ(*extended, *usual) << "RFC 9072 section 2: the short length only must not be 0: " << rest;
  }
}

TEST(OpenCapabilities, TheLastGracefulRestartCounts) {
  const auto open = decode_open(open_with(bytes("40 02 0078 40 02 8001 40 06 000a 0001 01 80")));
  ASSERT_TRUE(open.has_value());
  const auto& restart = open->capabilities.graceful_restart;
  ASSERT_TRUE(restart.has_value());
  EXPECT_EQ(restart->restart_time, std::chrono::seconds(10));
  EXPECT_FALSE(restart->restarting);
  EXPECT_TRUE(restart->families[kV4]->forwarding_preserved);
}

TEST(OpenCapabilities, MyAutonomousSystemIsOverruledByTheCapability) {
  EXPECT_EQ(decode_open(open_with(bytes("41 04 fa56ea00")))->as, AsNumber{4200000000});
}

struct NotUnderstood {
  const char* why;
  const char* capability;
};

TEST(OpenCapabilities, WhatIsMalformedIsNotUnderstoodButKept) {
  const NotUnderstood cases[] = {
      {"multiprotocol of 3 octets", "01 03 000100"},
      {"multiprotocol of a family we do not route", "01 04 0019 00 46"},
      {"route refresh with a value", "02 01 00"},
      {"extended next hop of 5 octets", "05 05 0001000100"},
      {"extended next hop for a family we do not route", "05 06 0001 0080 0002"},
      {"role of 2 octets", "09 02 0000"},
      {"role 5", "09 01 05"},
      {"graceful restart of 1 octet", "40 01 00"},
      {"graceful restart with half a family", "40 04 00780001"},
      {"four-octet AS of 2 octets", "41 02 fde8"},
      {"ADD-PATH of 3 octets", "45 03 000101"},
      {"ADD-PATH mode 0 (RFC 7911 section 4)", "45 04 0001 01 00"},
      {"ADD-PATH mode 4", "45 08 0001 01 03 0002 01 04"},
      {"long-lived graceful restart of 6 octets", "47 06 000101800000"},
      {"unknown", "fe 03 010203"},
  };
  for (const NotUnderstood& c : cases) {
    const auto open = decode_open(open_with(bytes(c.capability)));
    ASSERT_TRUE(open.has_value()) << c.why;
    Capabilities expected;
    const Bytes raw = bytes(c.capability);
    expected.other = {{std::to_integer<std::uint8_t>(raw[0]), {raw.begin() + 2, raw.end()}}};
    EXPECT_EQ(open->capabilities, expected) << c.why;
  }
}

TEST(OpenCapabilities, RolesThatContradictAreToldApartFromOneSaidTwice) {
  EXPECT_FALSE(decode_open(open_with(bytes("09 01 03 09 01 03")))->capabilities.conflicting_roles);
  EXPECT_TRUE(decode_open(open_with(bytes("09 01 03 09 01 00")))->capabilities.conflicting_roles);
}

TEST(OpenCapabilities, SpeaksFollowsMultiprotocol) {
  const auto speaks = [](const char* capabilities) {
    const auto open = decode_open(open_with(bytes(capabilities)));
    return std::pair(open->capabilities.speaks(Family::kIpv4Unicast),
                     open->capabilities.speaks(Family::kIpv6Unicast));
  };
  EXPECT_EQ(speaks("02 00"), std::pair(true, false)) << "IPv4 is implied";
  EXPECT_EQ(speaks("01 04 00020001"), std::pair(false, true)) << "IPv6 alone switches IPv4 off";
  EXPECT_EQ(speaks("01 04 00190046"), std::pair(false, false));
  EXPECT_EQ(speaks("01 04 00010001 01 04 00020001"), std::pair(true, true));
}

TEST(CheckOpen, ComparesWithTheConfiguration) {
  const OpenExpectation expected{AsNumber{65000}, RouterId{7}, AsNumber{65001}};
  OpenMessage open{AsNumber{65001}, 9, RouterId{8}, {}};
  EXPECT_TRUE(check_open(open, expected));
  open.as = AsNumber{65002};
  EXPECT_EQ(check_open(open, expected).error().code, kBadPeerAs);
  open.as = AsNumber{65001};
  open.router_id = RouterId{7};
  EXPECT_TRUE(check_open(open, expected)) << "RFC 6286: across an AS border identifiers may be equal";
  open.as = AsNumber{65000};
  EXPECT_EQ(check_open(open, {AsNumber{65000}, RouterId{7}, AsNumber{65000}}).error().code,
            kBadBgpIdentifier);
  open = {AsNumber{65001}, 9, RouterId{8}, {}};
  open.capabilities.conflicting_roles = true;
  EXPECT_EQ(check_open(open, expected).error().code, kRoleMismatch);
}

TEST(CheckOpen, APeerMayBeInAnyAsOutsideOrInsideOurs) {
  OpenMessage open{AsNumber{65001}, 9, RouterId{8}, {}};
  const auto verdict = [&](PeerAs as) {
    return check_open(open, {AsNumber{65000}, RouterId{7}, as}).has_value();
  };
  EXPECT_TRUE(verdict(PeerAs::external()));
  EXPECT_FALSE(verdict(PeerAs::internal()));
  open.as = AsNumber{65000};
  EXPECT_FALSE(verdict(PeerAs::external()));
  EXPECT_TRUE(verdict(PeerAs::internal()));
}

// RFC 9234 section 4.2, table 2: every pair of roles.
TEST(CheckOpen, RolesMustFitEachOther) {
  constexpr std::array kRoles{Role::kProvider, Role::kRouteServer, Role::kRouteServerClient, Role::kCustomer,
                              Role::kPeer};
  unsigned good = 0;
  for (const Role ours : kRoles) {
    for (const Role theirs : kRoles) {
      OpenMessage open{AsNumber{65001}, 9, RouterId{8}, {}};
      open.capabilities.role = theirs;
      const auto status = check_open(open, {AsNumber{65000}, RouterId{7}, AsNumber{65001}, ours});
      EXPECT_EQ(status.has_value(), theirs == counterpart(ours)) << format(ours) << " and " << format(theirs);
      EXPECT_TRUE(status || status.error().code == kRoleMismatch);
      good += status.has_value() ? 1 : 0;
    }
  }
  EXPECT_EQ(good, 5U);
}

TEST(CheckOpen, ARoleIsMissedOnlyInStrictMode) {
  const OpenMessage open{AsNumber{65001}, 9, RouterId{8}, {}};
  EXPECT_TRUE(check_open(open, {AsNumber{65000}, RouterId{7}, AsNumber{65001}, Role::kCustomer, false}));
  const auto strict =
      check_open(open, {AsNumber{65000}, RouterId{7}, AsNumber{65001}, Role::kCustomer, true});
  EXPECT_EQ(strict.error().code, kRoleMismatch);
}

TEST(RouteRefresh, LengthIsCheckedForKnownSubtypesOnly) {
  const auto decoded = [](const char* body) {
    const Bytes whole = message(MessageType::kRouteRefresh, bytes(body));
    return decode_route_refresh({MessageType::kRouteRefresh, whole});
  };
  for (const char* body : {"", "000100", "0001000100", "0001010100", "0001020100"}) {
    const auto refresh = decoded(body);
    ASSERT_FALSE(refresh.has_value()) << body;
    EXPECT_EQ(refresh.error().code, kInvalidRouteRefreshLength);
    EXPECT_EQ(refresh.error().data, message(MessageType::kRouteRefresh, bytes(body))) << "RFC 7313 section 5";
  }
  EXPECT_TRUE(decoded("0001 ff 01 0000").has_value()) << "an unknown subtype is ignored whatever it carries";
  EXPECT_EQ(decoded("0002 00 01")->family(), Family::kIpv6Unicast);
  EXPECT_EQ(decoded("0002 00 02")->family(), std::nullopt);
  EXPECT_EQ(decoded("0001 00 01")->family(), Family::kIpv4Unicast);
}

TEST(Notification, CutOffIsRefused) {
  EXPECT_FALSE(decode_notification(bytes("06")).has_value());
  EXPECT_FALSE(decode_notification({}).has_value());
}

}  // namespace
}  // namespace towpath::bgp
