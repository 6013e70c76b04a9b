#include "towpath/base/address.h"

#include <gtest/gtest.h>

namespace towpath {
namespace {

IpAddress addr(const char* text) {
  return IpAddress::parse(text).value();
}

TEST(IpAddress, ParsesAndFormats) {
  for (const char* text :
       {"0.0.0.0", "10.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "2001:db8::ff00:42:8329"}) {
    EXPECT_EQ(addr(text).to_string(), text);
  }
}

TEST(IpAddress, RefusesWhatIsNoAddress) {
  for (const char* text : {"", "10.0.0", "10.0.0.256", "10.0.0.1/24", "fe80::1%eth0", "::g", "1.2.3.4 ",
                           "010.0.0.1", "1:2:3:4:5:6:7:8:9"}) {
    auto result = IpAddress::parse(text);
    ASSERT_FALSE(result.has_value()) << text;
    EXPECT_EQ(result.error().kind, ErrorKind::kInvalid);
    EXPECT_NE(result.error().message.find(text), std::string::npos) << "the message names the value";
  }
}

TEST(IpAddress, RefusesTextWithNulBytes) {
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
}

TEST(IpAddress, OrdersByFamilyThenNumber) {
  EXPECT_LT(addr("9.255.255.255"), addr("10.0.0.0"));
  EXPECT_LT(addr("255.255.255.255"), addr("::"));
  EXPECT_LT(addr("fe80::1"), addr("fe80::2"));
}

TEST(IpAddress, MasksAtEveryLength) {
  const IpAddress ones4 = IpAddress::v4(0xFFFFFFFF);
  for (unsigned length = 0; length <= 32; ++length) {
    const std::uint32_t want = length == 0 ? 0 : 0xFFFFFFFFU << (32 - length);
    EXPECT_EQ(ones4.masked(static_cast<std::uint8_t>(length)).v4_host_order(), want) << length;
  }
  const IpAddress ones6 = addr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  for (unsigned length = 0; length <= 128; ++length) {
    const IpAddress masked = ones6.masked(static_cast<std::uint8_t>(length));
    EXPECT_EQ(masked.common_prefix_length(ones6), length);
    if (length < 128) {
      EXPECT_FALSE(masked.bit(static_cast<std::uint8_t>(length)));
    }
  }
}

TEST(IpAddress, CommonPrefixIsZeroAcrossFamilies) {
  EXPECT_EQ(addr("0.0.0.0").common_prefix_length(addr("::")), 0);
}

TEST(IpAddress, AddsAndSubtractsAcrossByteBorders) {
  EXPECT_EQ(addr("10.0.0.255").plus(1), addr("10.0.1.0"));
  EXPECT_EQ(addr("255.255.255.255").plus(1), addr("0.0.0.0"));
  EXPECT_EQ(addr("fd00::ffff:ffff:ffff:ffff").plus(1), addr("fd00:0:0:1::"));
  EXPECT_EQ(addr("fd00::").plus(0x123456789abcdefULL).offset_from(addr("fd00::")), 0x123456789abcdefULL);
  EXPECT_EQ(addr("10.0.1.0").offset_from(addr("10.0.0.255")), 1U);
  EXPECT_EQ(addr("10.0.0.0").offset_from(addr("10.0.0.1")), 0U);
  EXPECT_EQ(addr("fd01::").offset_from(addr("fd00::")), ~std::uint64_t{0}) << "saturates";
}

TEST(IpAddress, Classifies) {
  EXPECT_TRUE(addr("127.9.9.9").is_loopback());
  EXPECT_TRUE(addr("::1").is_loopback());
  EXPECT_FALSE(addr("::2").is_loopback());
  EXPECT_TRUE(addr("224.0.0.1").is_multicast());
  EXPECT_TRUE(addr("ff02::1").is_multicast());
  EXPECT_TRUE(addr("169.254.1.1").is_link_local());
  EXPECT_TRUE(addr("febf::1").is_link_local());
  EXPECT_FALSE(addr("fec0::1").is_link_local());
  EXPECT_TRUE(addr("::").is_unspecified());
}

TEST(IpAddress, FromBytesTakesFourOrSixteen) {
  const std::array<std::byte, 5> five{};
  EXPECT_FALSE(IpAddress::from_bytes(five));
  EXPECT_EQ(IpAddress::from_bytes(addr("fe80::1").bytes()).value(), addr("fe80::1"));
}

}  // namespace
}  // namespace towpath
