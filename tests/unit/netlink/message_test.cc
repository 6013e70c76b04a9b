#include <linux/rtnetlink.h>

#include "netlink/message_reader.h"
#include "netlink/message_writer.h"

namespace towpath::netlink {
namespace {

using ::testing::ElementsAre;

// Every attribute of a message as "type:size".
std::vector<std::string> attributes(std::span<const std::byte> bytes) {
  std::vector<std::string> found;
  for_each_attribute(bytes, [&](const AttributeView& a) {
    found.push_back(fmt::format("{}:{}", a.type, a.payload.size()));
  });
  return found;
}

TEST(Message, WhatIsWrittenIsRead) {
  std::vector<std::byte> buffer;
  MessageWriter writer(buffer);
  for (std::uint32_t sequence = 1; sequence <= 2; ++sequence) {
    writer.begin(RTM_NEWLINK, NLM_F_REQUEST, sequence);
    ifinfomsg header{};
    header.ifi_index = 7;
    writer.fixed(header);
    writer.text(IFLA_IFNAME, "eth0");
    const auto nest = writer.nest(IFLA_LINKINFO);
    writer.number(1, std::uint8_t{3});
    writer.flag(2);
    writer.end_nest(nest);
    writer.number(IFLA_MTU, std::uint32_t{1432});
    writer.end();
  }
  std::span<const std::byte> datagram(buffer);
  for (std::uint32_t sequence = 1; sequence <= 2; ++sequence) {
    const auto message = next_message(datagram);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->header.nlmsg_seq, sequence);
    EXPECT_EQ(message->fixed<ifinfomsg>().ifi_index, 7);
    EXPECT_THAT(attributes(message->after<ifinfomsg>()),
                ElementsAre(fmt::format("{}:5", int{IFLA_IFNAME}), fmt::format("{}:12", int{IFLA_LINKINFO}),
                            fmt::format("{}:4", int{IFLA_MTU})));
    for_each_attribute(message->after<ifinfomsg>(), [&](const AttributeView& attribute) {
      switch (attribute.type) {
        case IFLA_IFNAME: EXPECT_EQ(attribute.text(), "eth0"); break;
        case IFLA_MTU: EXPECT_EQ(attribute.number<std::uint32_t>(), 1432U); break;
        default: EXPECT_THAT(attributes(attribute.payload), ElementsAre("1:1", "2:0"));
      }
    });
  }
  EXPECT_FALSE(next_message(datagram));
}

TEST(Message, LengthsThatDoNotFitEndTheWalk) {
  std::vector<std::byte> buffer;
  MessageWriter writer(buffer);
  writer.begin(RTM_NEWLINK, 0, 1);
  writer.fixed(ifinfomsg{});
  writer.number(IFLA_MTU, std::uint32_t{1432});
  const std::size_t at = writer.position();
  writer.text(IFLA_IFNAME, "eth0");
  writer.end();
  for (const std::uint16_t length :
       {std::uint16_t{0}, std::uint16_t{3}, std::uint16_t{13}, std::uint16_t{0xFFFF}}) {
    writer.patch(at, length);
    std::span<const std::byte> datagram(buffer);
    const auto message = next_message(datagram);
    ASSERT_TRUE(message);
    EXPECT_EQ(attributes(message->after<ifinfomsg>()).size(), 1U) << "attribute length " << length;
  }
  for (const std::uint32_t length : {0U, 15U, static_cast<std::uint32_t>(buffer.size() + 1), 0xFFFFFFFFU}) {
    writer.patch(0, length);
    std::span<const std::byte> datagram(buffer);
    EXPECT_FALSE(next_message(datagram)) << "message length " << length;
  }
  std::span<const std::byte> nothing;
  EXPECT_FALSE(next_message(nothing));
}

TEST(Message, ShortPayloadReadsAsZero) {
  const std::byte few[] = {std::byte{0xFF}, std::byte{0xFF}};
  EXPECT_EQ((AttributeView{1, few}.number<std::uint32_t>()), 0U);
  EXPECT_EQ((MessageView{{}, few}.fixed<ifinfomsg>().ifi_index), 0);
  EXPECT_TRUE((MessageView{{}, few}.after<ifinfomsg>().empty()));
  const std::byte text[] = {std::byte{'a'}, std::byte{'b'}};
  EXPECT_EQ((AttributeView{1, text}.text()), "ab") << "without the zero at its end";
}

}  // namespace
}  // namespace towpath::netlink
