// RFC 5880 section 6.7: what each type looks like on the wire, what is taken, and what is not.
#include "bfd/authentication.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace towpath::bfd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kStart{std::chrono::hours(1)};
constexpr Duration kDetection = milliseconds(300);
constexpr AuthenticationType kHashed[] = {
    AuthenticationType::kKeyedMd5, AuthenticationType::kMeticulousKeyedMd5, AuthenticationType::kKeyedSha1,
    AuthenticationType::kMeticulousKeyedSha1};
constexpr AuthenticationType kMeticulous[] = {AuthenticationType::kMeticulousKeyedMd5,
                                              AuthenticationType::kMeticulousKeyedSha1};

Authentication key(AuthenticationType type, const std::string& secret = "secret", std::uint8_t id = 7) {
  return {.type = type, .key_id = id, .secret = secret};
}

ControlPacket packet(State state = State::kUp) {
  return {.state = state,
          .detect_multiplier = 3,
          .my_discriminator = 7,
          .your_discriminator = 9,
          .desired_min_tx = milliseconds(100),
          .required_min_rx = milliseconds(200)};
}

EncodedPacket signed_by(Authenticator& sender, const ControlPacket& content = packet()) {
  EncodedPacket bytes = encode(content);
  sender.sign(bytes);
  return bytes;
}

// The reason why it is discarded; empty: it is not.
std::string refusal(Authenticator& receiver, const EncodedPacket& bytes, TimePoint now = kStart) {
  const auto decoded = decode(bytes);
  EXPECT_TRUE(decoded && decoded->authenticated);
  const auto good = receiver.check(bytes, kDetection, now);
  return good ? "" : std::string(good.error());
}

std::uint32_t sequence_of(const EncodedPacket& bytes) {
  std::uint32_t value = 0;
  for (std::size_t at = 28; at < 32; ++at) value = value << 8 | std::to_integer<std::uint32_t>(bytes[at]);
  return value;
}

std::string hex(std::span<const std::byte> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const std::byte byte : bytes) {
    out += kDigits[std::to_integer<unsigned>(byte) >> 4];
    out += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return out;
}

TEST(BfdAuthenticationTest, APasswordStandsInTheOpen) {
  Authenticator sender(key(AuthenticationType::kSimplePassword), 0);
  const auto bytes = signed_by(sender);
  EXPECT_EQ(hex(std::span(bytes).first(4)), "20c40321");  // A bit, Length 33
  EXPECT_EQ(hex(std::span(bytes).subspan(24)), "010907" + hex(std::as_bytes(std::span("secret", 6))));
}

// The hashes were made with another implementation, over the packet with the padded key in place of the hash.
TEST(BfdAuthenticationTest, AHashStandsWhereTheKeyWas) {
  struct Row {
    AuthenticationType type;
    const char* head;
    const char* hash;
  };
  for (const Row& row : {Row{kHashed[0], "0218070001020305", "c6d98a8a806f12a6028b557df4da4cd7"},
                         Row{kHashed[1], "0318070001020305", "81c2e613d360406c3bd691000021ded1"},
                         Row{kHashed[2], "041c070001020305", "c486fdcd81ae27d76e48ccda2f4a40d5a8d060d5"},
                         Row{kHashed[3], "051c070001020305", "b1393e72b7449d22a8207f3d905a9095854fc6bb"}}) {
    Authenticator sender(key(row.type), 0x01020304);
    const auto bytes = signed_by(sender);
    EXPECT_EQ(std::to_integer<std::size_t>(bytes[3]), bytes.size());
    EXPECT_EQ(hex(std::span(bytes).subspan(24)), std::string(row.head) + row.hash) << format(row.type);
  }
}

TEST(BfdAuthenticationTest, WhatOneSignsTheOtherTakes) {
  for (int type = 1; type <= 5; ++type) {
    for (const std::string secret : {"s", "sixteen octets.."}) {
      Authenticator sender(key(AuthenticationType{static_cast<std::uint8_t>(type)}, secret), 0xFFFFFFFE);
      Authenticator receiver(key(AuthenticationType{static_cast<std::uint8_t>(type)}, secret), 5);
      for (int i = 0; i < 5; ++i)
        EXPECT_EQ(refusal(receiver, signed_by(sender)), "") << type;  // over the wrap
    }
  }
}

TEST(BfdAuthenticationTest, AnotherKeyIsRefused) {
  for (int number = 1; number <= 5; ++number) {
    const AuthenticationType type{static_cast<std::uint8_t>(number)};
    Authenticator sender(key(type), 1);
    const auto bytes = signed_by(sender);
    for (const char* other : {"secreu", "secre", "secrets"}) {
      Authenticator receiver(key(type, other), 1);
      EXPECT_NE(refusal(receiver, bytes), "") << number << other;
    }
    Authenticator other_id(key(type, "secret", 8), 1);
    EXPECT_EQ(refusal(other_id, bytes), "another key ID is in use here");
    Authenticator other_type(key(AuthenticationType{static_cast<std::uint8_t>(number % 5 + 1)}), 1);
    EXPECT_EQ(refusal(other_type, bytes), "another authentication type is in use here");
  }
}

TEST(BfdAuthenticationTest, EveryOctetCounts) {
  for (const AuthenticationType type : kHashed) {
    Authenticator sender(key(type), 1);
    const auto bytes = signed_by(sender);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      auto changed = bytes;
      changed[at] ^= std::byte{0x01};
      Authenticator receiver(key(type), 1);
      const auto decoded = decode(changed);
      if (!decoded || !decoded->authenticated) continue;
      EXPECT_FALSE(receiver.check(std::span(changed).first(std::to_integer<std::size_t>(changed[3])),
                                  kDetection, kStart))
          << at;
    }
  }
}

TEST(BfdAuthenticationTest, ASectionThatIsCutShortIsRefused) {
  for (int number = 1; number <= 5; ++number) {
    const AuthenticationType type{static_cast<std::uint8_t>(number)};
    Authenticator sender(key(type), 1);
    const auto whole = signed_by(sender);
    for (std::size_t size = 26; size < whole.size(); ++size) {
      auto cut = whole;
      cut.resize(size);
      cut[3] = static_cast<std::byte>(size);
      Authenticator receiver(key(type), 1);
      EXPECT_NE(refusal(receiver, cut), "") << size;
      cut[25] = static_cast<std::byte>(size - 24);  // with an Auth Len that fits
      EXPECT_NE(refusal(receiver, cut), "") << size;
    }
  }
}

// Auth Len says less, or more, than there is.
TEST(BfdAuthenticationTest, ALengthThatLiesIsRefused) {
  for (int number = 1; number <= 5; ++number) {
    const AuthenticationType type{static_cast<std::uint8_t>(number)};
    Authenticator sender(key(type), 1);
    const auto whole = signed_by(sender);
    for (unsigned length = 0; length < 256; ++length) {
      if (length == whole.size() - kControlPacketSize) continue;
      auto lying = whole;
      lying[kControlPacketSize + 1] = static_cast<std::byte>(length);
      Authenticator receiver(key(type), 1);
      EXPECT_NE(refusal(receiver, lying), "") << number << ' ' << length;
    }
  }
}

TEST(BfdAuthenticationTest, MeticulousNumbersGrowWithEachPacketOthersWithEachNews) {
  for (const AuthenticationType type : kHashed) {
    Authenticator sender(key(type), 100);
    EXPECT_EQ(sequence_of(signed_by(sender)), 101U);
    const bool meticulous = std::ranges::find(kMeticulous, type) != std::end(kMeticulous);
    EXPECT_EQ(sequence_of(signed_by(sender)), meticulous ? 102U : 101U);
    EXPECT_EQ(sequence_of(signed_by(sender, packet(State::kDown))), meticulous ? 103U : 102U);
  }
}

TEST(BfdAuthenticationTest, AnOldPacketIsRefused) {
  for (const AuthenticationType type : kHashed) {
    const bool meticulous = std::ranges::find(kMeticulous, type) != std::end(kMeticulous);
    Authenticator sender(key(type), 0xFFFFFFF0);
    Authenticator receiver(key(type), 1);
    std::vector<EncodedPacket> packets;
    for (int i = 0; i < 40; ++i) {  // news each time
      packets.push_back(signed_by(sender, packet(i % 2 == 0 ? State::kUp : State::kDown)));
    }
    EXPECT_EQ(refusal(receiver, packets[10]), "");
    EXPECT_EQ(refusal(receiver, packets[10]), meticulous
                                                  ? "the sequence number is out of order: an old packet, "
                                                    "or a restarted peer"
                                                  : "")
        << "the same again";
    EXPECT_NE(refusal(receiver, packets[9]), "");
    EXPECT_EQ(refusal(receiver, packets[19]), "") << "three times Detect Mult ahead";
    EXPECT_NE(refusal(receiver, packets[29]), "") << "one more";
    EXPECT_EQ(refusal(receiver, packets[28]), "");
  }
}

TEST(BfdAuthenticationTest, AfterTwiceTheDetectionTimeAnyNumberIsGood) {
  for (const AuthenticationType type : kHashed) {
    Authenticator before(key(type), 1000), restarted(key(type), 5);
    Authenticator receiver(key(type), 1);
    EXPECT_EQ(refusal(receiver, signed_by(before)), "");
    EXPECT_NE(refusal(receiver, signed_by(restarted), kStart + 2 * kDetection - milliseconds(1)), "");
    // What was discarded does not count as heard.
    EXPECT_EQ(refusal(receiver, signed_by(restarted), kStart + 2 * kDetection), "");
    EXPECT_NE(refusal(receiver, signed_by(before), kStart + 2 * kDetection), "");
  }
}

TEST(BfdAuthenticationTest, AForgedNumberIsNotBelieved) {
  Authenticator sender(key(AuthenticationType::kMeticulousKeyedSha1), 1000);
  Authenticator forger(key(AuthenticationType::kMeticulousKeyedSha1, "guess"), 5);
  Authenticator receiver(key(AuthenticationType::kMeticulousKeyedSha1), 1);
  EXPECT_NE(refusal(receiver, signed_by(forger)), "");
  EXPECT_EQ(refusal(receiver, signed_by(sender)), "") << "the forged number is not the first";
  Authenticator ahead(key(AuthenticationType::kMeticulousKeyedSha1, "guess"), 1002);
  EXPECT_NE(refusal(receiver, signed_by(ahead)), "");
  EXPECT_EQ(refusal(receiver, signed_by(sender)), "");
}

TEST(BfdAuthenticationTest, AKeyCanChangeWhileTheSequenceGoesOn) {
  Authenticator sender(key(AuthenticationType::kMeticulousKeyedMd5), 1000);
  Authenticator receiver(key(AuthenticationType::kMeticulousKeyedMd5), 1);
  EXPECT_EQ(refusal(receiver, signed_by(sender)), "");
  sender.set_key(key(AuthenticationType::kMeticulousKeyedMd5, "another", 8));
  EXPECT_NE(refusal(receiver, signed_by(sender)), "");
  receiver.set_key(key(AuthenticationType::kMeticulousKeyedMd5, "another", 8));
  EXPECT_EQ(refusal(receiver, signed_by(sender)), "");
}

}  // namespace
}  // namespace towpath::bfd
