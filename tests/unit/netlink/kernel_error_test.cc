#include "netlink/kernel_error.h"

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "netlink/message_writer.h"
#include "towpath/base/address.h"

namespace towpath::netlink {
namespace {

// An answer as the kernel builds it: the number, the request or only its header, and then the text.
std::vector<std::byte> answer(int error, bool capped, const char* text) {
  std::vector<std::byte> buffer;
  MessageWriter writer(buffer);
  std::uint16_t flags = capped ? NLM_F_CAPPED : 0;
  if (text != nullptr) flags |= NLM_F_ACK_TLVS;
  writer.begin(NLMSG_ERROR, flags, 1);
  nlmsgerr body{};
  body.error = -error;
  body.msg.nlmsg_len = sizeof(nlmsghdr) + sizeof(ifinfomsg);
  writer.fixed(body);
  if (!capped) writer.fixed(ifinfomsg{});
  if (text != nullptr) {
    writer.number(NLMSGERR_ATTR_OFFS, std::uint32_t{16});
    writer.text(NLMSGERR_ATTR_MSG, text);
  }
  writer.end();
  return buffer;
}

MessageView view(const std::vector<std::byte>& buffer) {
  std::span<const std::byte> datagram(buffer);
  return *next_message(datagram);
}

TEST(KernelError, TextIsFoundBehindTheRequestWholeOrCapped) {
  for (const bool capped : {true, false}) {
    const auto buffer = answer(EINVAL, capped, "Invalid prefix length");
    const auto read = read_answer(view(buffer));
    EXPECT_EQ(read.sys_errno, EINVAL);
    EXPECT_EQ(read.text, "Invalid prefix length") << "capped " << capped;
  }
}

TEST(KernelError, AcknowledgementIsNoError) {
  EXPECT_EQ(read_answer(view(answer(0, true, nullptr))).sys_errno, 0);
}

TEST(KernelError, MessageNamesOperationReasonAndErrno) {
  const Error with =
      make_error({ENETUNREACH, "Nexthop has invalid gateway"}, "add route 10.0.0.0/8 via 192.0.2.1");
  EXPECT_EQ(with.message,
            "add route 10.0.0.0/8 via 192.0.2.1: Nexthop has invalid gateway: Network is unreachable");
  EXPECT_EQ(with.sys_errno, ENETUNREACH);
  const Error without = make_error({EEXIST, {}}, "add route 10.0.0.0/8");
  EXPECT_EQ(without.message, "add route 10.0.0.0/8: File exists");
  EXPECT_EQ(without.kind, ErrorKind::kExists);
}

TEST(KernelError, RequestsDescribeThemselves) {
  struct Row {
    std::uint16_t type, flags;
    const char* expected;
  };
  const Row links[] = {{RTM_NEWLINK, NLM_F_CREATE, "create interface eth0 ifindex 7"},
                       {RTM_NEWLINK, 0, "set interface eth0 ifindex 7"},
                       {RTM_DELLINK, 0, "delete interface eth0 ifindex 7"},
                       {RTM_GETLINK, 0, "find interface eth0 ifindex 7"}};
  for (const Row& row : links) {
    std::vector<std::byte> buffer;
    MessageWriter writer(buffer);
    writer.begin(row.type, row.flags, 1);
    ifinfomsg header{};
    header.ifi_index = 7;
    writer.fixed(header);
    writer.text(IFLA_IFNAME, "eth0");
    writer.end();
    EXPECT_EQ(describe_request(view(buffer)), row.expected);
  }
  const auto address = *IpAddress::parse("fd00::2");
  {
    std::vector<std::byte> buffer;
    MessageWriter writer(buffer);
    writer.begin(RTM_DELADDR, 0, 1);
    writer.fixed(ifaddrmsg{AF_INET6, 128, 0, 0, 7});
    writer.attribute(IFA_LOCAL, address.octets());
    writer.end();
    EXPECT_EQ(describe_request(view(buffer)), "delete address fd00::2/128 ifindex 7");
  }
  {
    std::vector<std::byte> buffer;
    MessageWriter writer(buffer);
    writer.begin(RTM_NEWNEIGH, 0, 1);
    ndmsg header{};
    header.ndm_ifindex = 7;
    writer.fixed(header);
    writer.attribute(NDA_DST, address.octets());
    writer.end();
    EXPECT_EQ(describe_request(view(buffer)), "set neighbour fd00::2 ifindex 7");
  }
}

}  // namespace
}  // namespace towpath::netlink
