#include "towpath/base/prefix.h"

#include <gtest/gtest.h>

namespace towpath {
namespace {

Prefix prefix(const char* text) {
  return Prefix::parse(text).value();
}

TEST(Prefix, ParsesAndFormats) {
  for (const char* text : {"0.0.0.0/0", "10.0.0.0/8", "192.0.2.1/32", "::/0", "fd00::/48", "fd00::1/128"}) {
    EXPECT_EQ(prefix(text).to_string(), text);
  }
}

TEST(Prefix, RefusesBadTextAndNamesIt) {
  for (const char* text : {"", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08",
                           "10.0.0.0/8x", "fd00::/129", "x/8", "10.0.0.1/8", "fd00::1/64"}) {
    auto result = Prefix::parse(text);
    ASSERT_FALSE(result.has_value()) << text;
    EXPECT_NE(result.error().message.find(text), std::string::npos) << result.error().message;
  }
}

TEST(Prefix, MakeMasks) {
  EXPECT_EQ(Prefix::make(IpAddress::parse("10.1.2.3").value(), 8).value(), prefix("10.0.0.0/8"));
  EXPECT_FALSE(Prefix::make(IpAddress::parse("10.1.2.3").value(), 33));
}

TEST(Prefix, UncheckedFormsMaskLikeMake) {
  const IpAddress v4 = IpAddress::v4(0xC6336481);
  for (unsigned length = 0; length <= 32; ++length) {
    EXPECT_EQ(Prefix::v4(0xC6336481, static_cast<std::uint8_t>(length)), Prefix::make(v4, length).value())
        << length;
  }
  const IpAddress v6 = IpAddress::parse("fedc:ba98:7654:3211:89ab:cdef:123:4567").value();
  for (unsigned length = 0; length <= 128; ++length) {
    EXPECT_EQ(Prefix::v6(0xFEDCBA9876543211, 0x89ABCDEF01234567, static_cast<std::uint8_t>(length)),
              Prefix::make(v6, length).value())
        << length;
  }
}

TEST(Prefix, CoveringSortsBeforeCovered) {
  EXPECT_LT(prefix("10.0.0.0/8"), prefix("10.0.0.0/16"));
  EXPECT_LT(prefix("10.0.0.0/16"), prefix("10.1.0.0/16"));
  EXPECT_LT(prefix("255.0.0.0/8"), prefix("::/0"));
}

TEST(Prefix, Contains) {
  EXPECT_TRUE(prefix("10.0.0.0/8").contains(prefix("10.0.0.0/8")));
  EXPECT_TRUE(prefix("10.0.0.0/8").contains(prefix("10.255.0.0/16")));
  EXPECT_FALSE(prefix("10.0.0.0/16").contains(prefix("10.0.0.0/8")));
  EXPECT_FALSE(prefix("0.0.0.0/0").contains(prefix("fd00::/8")));
  EXPECT_TRUE(prefix("::/0").contains(IpAddress::parse("fd00::1").value()));
  EXPECT_TRUE(prefix("10.0.0.0/8").overlaps(prefix("10.1.0.0/16")));
  EXPECT_TRUE(prefix("10.1.0.0/16").overlaps(prefix("10.0.0.0/8")));
  EXPECT_FALSE(prefix("10.1.0.0/16").overlaps(prefix("10.2.0.0/16")));
}

TEST(Prefix, SizeAndLastAtTheBorders) {
  EXPECT_EQ(prefix("10.0.0.0/26").size(), 64U);
  EXPECT_EQ(prefix("10.0.0.1/32").size(), 1U);
  EXPECT_EQ(prefix("fd00::/64").size(), ~std::uint64_t{0});
  EXPECT_EQ(prefix("10.0.0.64/26").last().to_string(), "10.0.0.127");
  EXPECT_EQ(prefix("fd00::/122").last().to_string(), "fd00::3f");
  EXPECT_EQ(prefix("0.0.0.0/0").last().to_string(), "255.255.255.255");
  EXPECT_EQ(prefix("::1/128").last().to_string(), "::1");
}

TEST(InterfaceAddress, KeepsHostBits) {
  const auto address = InterfaceAddress::parse("10.0.0.7/24").value();
  EXPECT_EQ(address.to_string(), "10.0.0.7/24");
  EXPECT_EQ(address.prefix(), prefix("10.0.0.0/24"));
  EXPECT_FALSE(InterfaceAddress::parse("10.0.0.7"));
}

}  // namespace
}  // namespace towpath
