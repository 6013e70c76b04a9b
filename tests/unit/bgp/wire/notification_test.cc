#include "bgp/wire/notification.h"

#include <gtest/gtest.h>

#include "wire_bytes.h"

namespace towpath::bgp {
namespace {

using namespace test;

TEST(Notification, NamesWhatIsAssigned) {
  EXPECT_EQ(format(kAdministrativeShutdown), "6/2 Cease, Administrative Shutdown");
  EXPECT_EQ(format(kBfdDown), "6/10 Cease, BFD Down");
  EXPECT_EQ(format(kHoldTimerExpired), "4/0 Hold Timer Expired");
  EXPECT_EQ(format(kUnexpectedInOpenConfirm),
            "5/2 Finite State Machine Error, Unexpected Message in OpenConfirm State");
  EXPECT_EQ(format(NotificationCode{6, 99}), "6/99 Cease");
  EXPECT_EQ(format(NotificationCode{99, 1}), "99/1");
}

TEST(Notification, EveryCodeIsSafeToDescribe) {
  for (unsigned code = 0; code < 256; ++code) {
    for (unsigned subcode = 0; subcode < 256; ++subcode) {
      const NotificationMessage message{{static_cast<std::uint8_t>(code), static_cast<std::uint8_t>(subcode)},
                                        bytes("00ff1b5b")};
      for (const char c : describe(message)) ASSERT_GE(c, ' ') << code << "/" << subcode;
    }
  }
}

TEST(ShutdownCommunication, LengthThenText) {
  EXPECT_EQ(hex(shutdown_communication("maintenance")), "0b6d61696e74656e616e6365");
  EXPECT_TRUE(shutdown_communication("").empty());
}

TEST(ShutdownCommunication, IsCutAtACharacterBorder) {
  std::string text(127, 'a');
  text.append("\xC3\xA9");  // the last letter lies across octet 128
  const auto data = shutdown_communication(text);
  EXPECT_EQ(data.size(), 1U + 127U);
  EXPECT_EQ(std::to_integer<int>(data[0]), 127);
  EXPECT_EQ(shutdown_communication(text, 255).size(), 1U + 129U);
  EXPECT_EQ(shutdown_communication(std::string(1000, 'a'), 1000).size(), 256U) << "RFC 9003 section 2";
}

TEST(ShutdownCommunication, ReceivedTextIsMadePrintable) {
  const auto text = [](std::string_view octets) {
    NotificationMessage message{kAdministrativeShutdown, {static_cast<std::byte>(octets.size())}};
    for (const char c : octets) message.data.push_back(static_cast<std::byte>(c));
    return shutdown_text(message);
  };
  EXPECT_EQ(text("back at 6"), "back at 6");
  EXPECT_EQ(text("caf\xC3\xA9"), "caf\xC3\xA9");
  EXPECT_EQ(text("a\nb\x1b[31m"), "a\\x0ab\\x1b[31m")
      << "no line and no escape sequence of a peer in the log";
  EXPECT_EQ(text("a\\x0a"), "a\\x5cx0a") << "the escape cannot be forged";
  EXPECT_EQ(text("\xC0\x8A"), "\\xc0\\x8a") << "overlong newline";
  EXPECT_EQ(text("\xED\xA0\x80"), "\\xed\\xa0\\x80") << "surrogate";
  EXPECT_EQ(text("\xE2\x80\xAE"), "\\xe2\\x80\\xae") << "right-to-left override";
  EXPECT_EQ(text("\xC2\x85"), "\\xc2\\x85") << "C1 control";
  EXPECT_EQ(text("\xF4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond U+10FFFF";
  EXPECT_EQ(text("x\xC3"), "x\\xc3") << "cut off";
}

TEST(ShutdownCommunication, WrongLengthGivesNoText) {
  EXPECT_EQ(shutdown_text({kAdministrativeShutdown, bytes("05 6162")}), std::nullopt);
  EXPECT_EQ(shutdown_text({kAdministrativeShutdown, bytes("00")}), std::nullopt);
  EXPECT_EQ(shutdown_text({kAdministrativeShutdown, {}}), std::nullopt);
  EXPECT_EQ(shutdown_text({kPeerDeconfigured, bytes("02 6162")}), std::nullopt);
  EXPECT_EQ(shutdown_text({kAdministrativeReset, bytes("02 6162")}), "ab");
}

TEST(HardReset, WrapsAndUnwraps) {
  const NotificationMessage inner{kAdministrativeShutdown, bytes("02 6162")};
  const NotificationMessage outer = hard_reset(inner);
  EXPECT_EQ(outer.code, kHardReset);
  EXPECT_EQ(hex(outer.data), "0602026162");
  EXPECT_EQ(hard_reset_reason(outer), inner);
  EXPECT_EQ(describe(outer), "6/9 Cease, Hard Reset (6/2 Cease, Administrative Shutdown: \"ab\")");
  EXPECT_EQ(hard_reset_reason({kHardReset, bytes("06")}), std::nullopt);
  EXPECT_EQ(hard_reset_reason(inner), std::nullopt);
}

TEST(HardReset, NestedOnesAreShownAsBytes) {
  EXPECT_EQ(describe(hard_reset(hard_reset(hard_reset({kHoldTimerExpired, {}})))),
            "6/9 Cease, Hard Reset: 060906090400");
}

TEST(Notification, DataIsBounded) {
  const NotificationMessage huge{kMalformedAttributeList, Bytes(70000)};
  Bytes out;
  encode_notification(huge, out);
  EXPECT_EQ(out.size(), 4096U);
  out.clear();
  encode_notification(huge, out, kMaxExtendedMessageSize);
  EXPECT_EQ(out.size(), 65535U);
  EXPECT_LE(hard_reset(huge).data.size(), kMaxNotificationData);
  EXPECT_LT(describe(huge).size(), 200U);
}

}  // namespace
}  // namespace towpath::bgp
