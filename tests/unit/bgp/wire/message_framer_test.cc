#include "bgp/wire/message_framer.h"

#include <gtest/gtest.h>

#include "wire_bytes.h"

namespace towpath::bgp {
namespace {

using namespace test;

Bytes keepalive() {
  return message(MessageType::kKeepalive, {});
}

// All messages of `stream`, cut into pieces of `step` octets.
std::vector<Bytes> frame(const Bytes& stream, std::size_t step) {
  MessageFramer framer;
  std::vector<Bytes> messages;
  for (std::size_t at = 0; at < stream.size(); at += step) {
    framer.append(std::span(stream).subspan(at, std::min(step, stream.size() - at)));
    for (;;) {
      const auto next = framer.next();
      EXPECT_TRUE(next.has_value());
      if (!next || !*next) break;
      messages.emplace_back((*next)->bytes.begin(), (*next)->bytes.end());
    }
  }
  EXPECT_EQ(framer.buffered(), 0U);
  return messages;
}

TEST(MessageFramer, AnySlicingGivesTheSameMessages) {
  const Bytes open = message(MessageType::kOpen, bytes("04 fde8 0009 c0000201 00"));
  const Bytes update = message(MessageType::kUpdate, update_body({}, mandatory(), nlri()));
  const Bytes stream = open + keepalive() + update + update + keepalive();
  const std::vector<Bytes> expected{open, keepalive(), update, update, keepalive()};
  for (std::size_t step = 1; step <= stream.size(); ++step) EXPECT_EQ(frame(stream, step), expected) << step;
}

TEST(MessageFramer, AThousandKeepalivesInOneSegment) {
  EXPECT_EQ(frame(repeat(keepalive(), 1000), 19000), std::vector<Bytes>(1000, keepalive()));
}

TEST(MessageFramer, PrepareAndCommitTakeTheSocketsBytes) {
  MessageFramer framer;
  const Bytes stream = repeat(keepalive(), 7);
  std::size_t messages = 0;
  for (std::size_t at = 0; at < stream.size();) {
    const auto room = framer.prepare(25);
    ASSERT_GE(room.size(), 25U);
    const std::size_t count = std::min<std::size_t>(25, stream.size() - at);
    std::copy_n(stream.begin() + static_cast<std::ptrdiff_t>(at), count, room.begin());
    framer.commit(count);
    at += count;
    while (framer.next().value()) ++messages;
  }
  EXPECT_EQ(messages, 7U);
}

TEST(MessageFramer, GivesTypeAndBody) {
  MessageFramer framer;
  framer.append(message(MessageType::kNotification, bytes("0602")));
  const auto next = framer.next();
  ASSERT_TRUE(next && *next);
  EXPECT_EQ((*next)->type, MessageType::kNotification);
  EXPECT_EQ(hex((*next)->body()), "0602");
}

struct HeaderCase {
  const char* why;
  Bytes header;
  NotificationCode code;
  const char* data;
};

TEST(MessageFramer, RefusesBadHeaders) {
  const std::string marker(32, 'f');
  const auto header = [&](const char* rest) { return bytes(marker) + bytes(rest); };
  const HeaderCase cases[] = {
      {"RFC 4271 6.1: marker", bytes("ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff fe 0013 04"),
       kConnectionNotSynchronized, ""},
      {"below the header's own size", header("0012 04"), kBadMessageLength, "0012"},
      {"length 0", header("0000 04"), kBadMessageLength, "0000"},
      {"above 4096", header("1001 02"), kBadMessageLength, "1001"},
      {"65535", header("ffff 02"), kBadMessageLength, "ffff"},
      {"OPEN below 29", header("001c 01"), kBadMessageLength, "001c"},
      {"UPDATE below 23", header("0016 02"), kBadMessageLength, "0016"},
      {"NOTIFICATION below 21", header("0014 03"), kBadMessageLength, "0014"},
      {"KEEPALIVE that is not 19", header("0014 04"), kBadMessageLength, "0014"},
      {"type 0", header("0013 00"), kBadMessageType, "00"},
      {"type 6", header("0013 06"), kBadMessageType, "06"},
      {"type 255", header("0013 ff"), kBadMessageType, "ff"},
  };
  for (const HeaderCase& c : cases) {
    MessageFramer framer;
    framer.append(c.header);
    const auto next = framer.next();
    ASSERT_FALSE(next.has_value()) << c.why;
    EXPECT_EQ(next.error().code, c.code) << c.why;
    EXPECT_EQ(hex(next.error().data), c.data) << c.why;
    EXPECT_EQ(next.error().disposition, Disposition::kReset) << c.why;
    framer.append(keepalive());
    EXPECT_FALSE(framer.next().has_value()) << "final: " << c.why;
  }
}

TEST(MessageFramer, JudgesAHeaderBeforeItsBodyHasArrived) {
  MessageFramer framer;
  framer.append(bytes("ffffffffffffffffffffffffffffffff 1000"));
  EXPECT_EQ(framer.next().value(), std::nullopt) << "18 octets are no header";
  framer.append(bytes("09"));
  EXPECT_FALSE(framer.next().has_value());
}

TEST(MessageFramer, ExtendedMessagesGrowOnlyWhatMayGrow) {
  const Bytes body(5000, std::byte{0});
  const auto accepts = [](const Bytes& stream, std::size_t limit) {
    MessageFramer framer(limit);
    framer.append(stream);
    const auto next = framer.next();
    return next.has_value() && next->has_value();
  };
  EXPECT_FALSE(accepts(message(MessageType::kUpdate, body), kMaxMessageSize));
  EXPECT_TRUE(accepts(message(MessageType::kUpdate, body), kMaxExtendedMessageSize));
  EXPECT_TRUE(accepts(message(MessageType::kNotification, body), kMaxExtendedMessageSize));
  EXPECT_TRUE(accepts(message(MessageType::kUpdate, Bytes(65535 - 19)), kMaxExtendedMessageSize));
  EXPECT_FALSE(accepts(message(MessageType::kOpen, body), kMaxExtendedMessageSize)) << "RFC 8654 section 4";
}

TEST(MessageFramer, TheLimitCanRiseBetweenMessages) {
  MessageFramer framer;
  framer.append(keepalive());
  framer.append(message(MessageType::kUpdate, Bytes(5000)));
  ASSERT_TRUE(framer.next().value());
  framer.set_max_length(kMaxExtendedMessageSize);
  const auto next = framer.next();
  ASSERT_TRUE(next && *next);
  EXPECT_EQ((*next)->bytes.size(), 5019U);
}

}  // namespace
}  // namespace towpath::bgp
