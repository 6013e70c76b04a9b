#include "towpath/base/ids.h"

#include <gtest/gtest.h>

#include "towpath/base/mac_address.h"

namespace towpath {
namespace {

TEST(AsNumber, ParsesPlainAndDotted) {
  EXPECT_EQ(AsNumber::parse("65000").value().value, 65000U);
  EXPECT_EQ(AsNumber::parse("4294967295").value().value, 4294967295U);
  EXPECT_EQ(AsNumber::parse("1.10").value().value, 65546U);
}

TEST(AsNumber, Refuses) {
  for (const char* text : {"", "0", "0.0", "-1", "4294967296", "1.65536", "1.", ".1", "AS1", "1 "}) {
    EXPECT_FALSE(AsNumber::parse(text)) << text;
  }
}

TEST(RouterId, ParsesDottedQuadOnly) {
  EXPECT_EQ(RouterId::parse("192.0.2.1").value().to_string(), "192.0.2.1");
  for (const char* text : {"", "0.0.0.0", "::1", "1"}) EXPECT_FALSE(RouterId::parse(text)) << text;
}

TEST(MacAddress, ParsesAndFormats) {
  EXPECT_EQ(MacAddress::parse("02:00:5E:00:53:01").value().to_string(), "02:00:5e:00:53:01");
  for (const char* text :
       {"", "02:00:5e:00:53", "02-00-5e-00-53-01", "02:00:5e:00:53:0g", "02:00:5e:00:53:011"}) {
    EXPECT_FALSE(MacAddress::parse(text)) << text;
  }
}

TEST(MacAddress, RandomIsLocalUnicast) {
  const MacAddress mac = MacAddress::random();
  EXPECT_FALSE(mac.is_multicast());
  EXPECT_EQ(mac.octets()[0] & 2, 2);
  EXPECT_NE(mac, MacAddress::random());
}

}  // namespace
}  // namespace towpath
