// RFC 5880 section 4.1 octet by octet, and the discards of section 6.8.6 that need no session.
#include "bfd/control_packet.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <vector>

namespace towpath::bfd {
namespace {

using std::chrono::microseconds;

std::vector<std::byte> octets(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (const int value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

const std::vector<std::byte> kExample = octets({0x21, 0xE8, 3,    24,   0x01, 0x02, 0x03, 0x04,  //
                                                0x0A, 0x0B, 0x0C, 0x0D, 0x00, 0x01, 0x86, 0xA0,  //
                                                0x00, 0x03, 0x0D, 0x40, 0x00, 0x00, 0x00, 0x00});

TEST(ControlPacketTest, EveryFieldIsWhereTheRfcPutsIt) {
  const auto packet = decode(kExample);
  ASSERT_TRUE(packet) << packet.error();
  EXPECT_EQ(packet->diagnostic, Diagnostic::kDetectionTimeExpired);
  EXPECT_EQ(packet->state, State::kUp);
  EXPECT_TRUE(packet->poll);
  EXPECT_FALSE(packet->final);
  EXPECT_TRUE(packet->control_plane_independent);
  EXPECT_FALSE(packet->demand);
  EXPECT_EQ(packet->detect_multiplier, 3);
  EXPECT_EQ(packet->my_discriminator, 0x01020304U);
  EXPECT_EQ(packet->your_discriminator, 0x0A0B0C0DU);
  EXPECT_EQ(packet->desired_min_tx, microseconds(100'000));
  EXPECT_EQ(packet->required_min_rx, microseconds(200'000));
  EXPECT_EQ(packet->required_min_echo_rx, microseconds(0));
  EXPECT_TRUE(std::ranges::equal(encode(*packet), kExample));
}

TEST(ControlPacketTest, FinalAndDemandHaveTheirBits) {
  auto bytes = kExample;
  bytes[1] = std::byte{0xD2};  // Up, Final, Demand
  const auto packet = decode(bytes);
  ASSERT_TRUE(packet);
  EXPECT_TRUE(packet->final && packet->demand);
  EXPECT_FALSE(packet->poll || packet->control_plane_independent);
  EXPECT_TRUE(std::ranges::equal(encode(*packet), bytes));
}

TEST(ControlPacketTest, WhatSection686DiscardsIsDiscarded) {
  const auto refused = [](std::size_t at, int value, std::string_view reason) {
    auto bytes = kExample;
    bytes[at] = static_cast<std::byte>(value);
    const auto packet = decode(bytes);
    ASSERT_FALSE(packet) << reason;
    EXPECT_EQ(packet.error(), reason);
  };
  refused(0, 0x01, "version is not 1");
  refused(0, 0x41, "version is not 1");
  refused(3, 23, "Length is below 24");
  refused(3, 25, "Length is over the payload's");
  refused(2, 0, "Detect Mult is 0");
  refused(1, 0xC1, "Multipoint is set");
  refused(1, 0xC4, "Length is below 26, and the A bit is set");
  const auto zeroed = [](std::size_t from, int state_octet) {
    auto bytes = kExample;
    bytes[1] = static_cast<std::byte>(state_octet);
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(from), 4, std::byte{0});
    return decode(bytes);
  };
  EXPECT_EQ(zeroed(4, 0xC0).error(), "My Discriminator is 0");
  EXPECT_FALSE(zeroed(8, 0xC0)) << "Up";
  EXPECT_FALSE(zeroed(8, 0x80)) << "Init";
  EXPECT_TRUE(zeroed(8, 0x40)) << "Down";
  EXPECT_TRUE(zeroed(8, 0x00)) << "AdminDown";
}

TEST(ControlPacketTest, TheABitIsReadAndLeftToOthers) {
  auto bytes = kExample;
  bytes[1] = std::byte{0xC4};
  bytes[3] = std::byte{26};
  bytes.resize(26);
  const auto packet = decode(bytes);
  ASSERT_TRUE(packet) << packet.error();
  EXPECT_TRUE(packet->authenticated);
  EXPECT_FALSE(decode(kExample)->authenticated);
}

TEST(ControlPacketTest, EveryShorterPieceIsRefused) {
  for (std::size_t size = 0; size < kExample.size(); ++size) {
    EXPECT_FALSE(decode(std::span(kExample).first(size))) << size;
  }
}

// Behind Length there may be anything: UDP pads nothing, but senders may.
TEST(ControlPacketTest, OctetsBehindTheLengthDoNotCount) {
  auto bytes = kExample;
  bytes.resize(60);
  EXPECT_TRUE(decode(bytes));
}

}  // namespace
}  // namespace towpath::bfd
