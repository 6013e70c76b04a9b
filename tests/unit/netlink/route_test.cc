#include "towpath/netlink/route.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "netlink/message_reader.h"
#include "netlink/message_writer.h"

namespace towpath::netlink {
namespace {

std::optional<Route> parse(rtmsg header) {
  std::vector<std::byte> buffer;
  MessageWriter writer(buffer);
  writer.begin(RTM_NEWROUTE, 0, 1);
  writer.fixed(header);
  writer.end();
  std::span<const std::byte> datagram(buffer);
  return parse_route(*next_message(datagram));
}

TEST(ParseRoute, OnlyForwardingEntriesCount) {
  rtmsg plain{};
  plain.rtm_family = AF_INET;
  plain.rtm_type = RTN_UNICAST;
  ASSERT_TRUE(parse(plain));
  EXPECT_EQ(parse(plain)->key.destination, Prefix::default_route(AddressFamily::kIpv4));
  auto other_family = plain;
  other_family.rtm_family = AF_MPLS;
  EXPECT_FALSE(parse(other_family));
  auto cached = plain;
  cached.rtm_flags = RTM_F_CLONED;
  EXPECT_FALSE(parse(cached));
  auto with_tos = plain;
  with_tos.rtm_tos = 8;
  EXPECT_FALSE(parse(with_tos));
  auto too_long = plain;
  too_long.rtm_dst_len = 33;
  EXPECT_FALSE(parse(too_long));
  auto unknown_type = plain;
  unknown_type.rtm_type = 200;
  EXPECT_EQ(parse(unknown_type)->type, RouteType::kOther);
}

TEST(FormatRoute, Table) {
  struct Row {
    Route route;
    const char* expected;
  };
  const auto a = *IpAddress::parse("192.0.2.2");
  const auto b = *IpAddress::parse("fe80::2");
  const Prefix prefix = *Prefix::parse("10.64.2.0/26");
  const Row rows[] = {
      {{.key = {prefix, kMainTable, 32}, .next_hops = {{.via = a, .device = IfIndex{3}}}},
       "10.64.2.0/26 via 192.0.2.2 ifindex 3 metric 32"},
      {{.key = {prefix, 100, 0}, .next_hops = {{.device = IfIndex{3}}}}, "10.64.2.0/26 ifindex 3 table 100"},
      {{.key = {prefix, kMainTable, 4096}, .type = RouteType::kBlackhole},
       "blackhole 10.64.2.0/26 metric 4096"},
      {{.key = {prefix},
        .next_hops = {{.via = a, .weight = 2}, {.via = b, .device = IfIndex{4}, .onlink = true}}},
       "10.64.2.0/26 nexthop via 192.0.2.2 weight 2 nexthop via fe80::2 ifindex 4 onlink"},
  };
  for (const Row& row : rows) EXPECT_EQ(format(row.route), row.expected);
}

}  // namespace
}  // namespace towpath::netlink
