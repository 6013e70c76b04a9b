#include "agent/dataplane/dataplane.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <map>

#include "netlink/message_reader.h"
#include "tests/netns/agent/dataplane_fixture.h"

namespace towpath::agent {
namespace {

using netlink::NextHop;
using netlink::Route;

TEST_F(DataplaneKernelTest, ManyRoutesAreWrittenAdoptedAndSwept) {
  constexpr std::uint32_t kV4 = 100'000, kV6 = 20'000;
  const auto want_all = [&](std::uint32_t from) {
    for (std::uint32_t i = from; i < kV4; ++i) routes().want(v4(i), via("192.0.2.2"));
    for (std::uint32_t i = from; i < kV6; ++i) routes().want(v6(i), via("2001:db8:1::2"));
  };
  want_all(0);
  ASSERT_TRUE(in_sync());
  EXPECT_EQ(in_kernel(AddressFamily::kIpv4).size(), kV4);
  EXPECT_EQ(in_kernel(AddressFamily::kIpv6).size(), kV6);

  start();
  EXPECT_EQ(routes().counters().adopted, kV4 + kV6);
  want_all(10'000);
  ASSERT_TRUE(in_sync());
  EXPECT_EQ(routes().counters().added + routes().counters().replaced, 0U)
      << "what is right is not written again";
  EXPECT_EQ(in_kernel(AddressFamily::kIpv4).size(), kV4);
  routes().allow_deletes();
  ASSERT_TRUE(in_sync());
  EXPECT_EQ(in_kernel(AddressFamily::kIpv4).size(), kV4 - 10'000);
  EXPECT_EQ(in_kernel(AddressFamily::kIpv6).size(), kV6 - 10'000);
}

TEST_F(DataplaneKernelTest, ForeignRoutesStayAsTheyAre) {
  routes().allow_deletes();
  std::vector<Route> foreign;
  for (const auto& [prefix, gateway] : {std::pair{v4(1), "192.0.2.9"}, std::pair{v6(1), "2001:db8:1::9"}}) {
    for (const std::uint32_t metric : {20U, 32U, 4096U}) {
      foreign.push_back({.key = {prefix, netlink::kMainTable, metric},
                         .protocol = 12,
                         .next_hops = {{.via = *IpAddress::parse(gateway), .device = left_}}});
    }
  }
  netlink::Batch batch(*socket_);
  for (const Route& route : foreign) batch.add_route(route);
  ASSERT_TRUE(batch.execute());
  for (const auto& prefix : {v4(1), v6(1)}) {
    routes().want(prefix, via(prefix.family() == AddressFamily::kIpv4 ? "198.51.100.2" : "2001:db8:2::2"));
    routes().want_own_block(prefix);
  }
  EXPECT_FALSE(in_sync());
  EXPECT_EQ(routes().counters().failed, 4U);
  EXPECT_THAT(routes().find(RouteRole::kLearned, v4(1))->reason, ::testing::HasSubstr("File exists"));
  for (const auto& prefix : {v4(1), v6(1)}) {
    routes().unwant(prefix);
    routes().unwant_own_block(prefix);
  }
  ASSERT_TRUE(in_sync());
  std::vector<Route> left;
  for (const auto family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    for (const Route& route : in_kernel(family, 12)) left.push_back(route);
  }
  EXPECT_THAT(left, ::testing::UnorderedElementsAreArray(foreign));
}

TEST_F(DataplaneKernelTest, ChangeOfNextHopsLeavesNoGap) {
  struct Row {
    const char* reason;
    Prefix prefix;
    std::vector<NextHop> before, after;
  };
  const auto both = [](const char* a, const char* b) {
    return std::vector<NextHop>{{.via = *IpAddress::parse(a)}, {.via = *IpAddress::parse(b)}};
  };
  const std::vector<NextHop> link_local{{.via = *IpAddress::parse("fe80::2"), .device = left_}};
  const std::vector<Row> rows = {
      {"IPv4 one to one", v4(1), via("192.0.2.2"), via("198.51.100.2")},
      {"IPv4 one to two", v4(2), via("192.0.2.2"), both("192.0.2.2", "198.51.100.2")},
      {"IPv4 two to one", v4(3), both("192.0.2.2", "198.51.100.2"), via("198.51.100.2")},
      {"IPv4 to an IPv6 next hop", v4(4), via("192.0.2.2"), link_local},
      {"IPv6 one to one", v6(1), via("2001:db8:1::2"), via("2001:db8:2::2")},
      {"IPv6 one to two", v6(2), via("2001:db8:1::2"), both("2001:db8:1::2", "2001:db8:2::2")},
      {"IPv6 two to one", v6(3), both("2001:db8:1::2", "2001:db8:2::2"), via("2001:db8:2::2")},
      {"IPv6 two to two others", v6(4), both("2001:db8:1::2", "2001:db8:2::2"),
       both("2001:db8:1::3", "2001:db8:2::3")},
      {"IPv6 to link-local", v6(5), via("2001:db8:1::2"), link_local},
  };
  for (const Row& row : rows) routes().want(row.prefix, row.before);
  ASSERT_TRUE(in_sync());
  auto listener = netlink::NetlinkSocket::open();
  ASSERT_TRUE(listener);
  ASSERT_TRUE(listener->join(RTNLGRP_IPV4_ROUTE));
  ASSERT_TRUE(listener->join(RTNLGRP_IPV6_ROUTE));
  for (const Row& row : rows) routes().want(row.prefix, row.after);
  ASSERT_TRUE(in_sync());
  EXPECT_EQ(routes().counters().replaced, rows.size());
  std::size_t changes = 0;
  for (auto datagram = listener->receive(); datagram; datagram = listener->receive()) {
    while (const auto message = netlink::next_message(*datagram)) {
      ++changes;
      if (message->header.nlmsg_type != RTM_DELROUTE) continue;
      ADD_FAILURE() << "removed: " << netlink::format(*netlink::parse_route(*message));
    }
  }
  EXPECT_GE(changes, rows.size());
  // And the kernel has what was wanted: read back, nothing is to be done.
  dataplane_->resync();
  ASSERT_TRUE(loop_.run_until([this] { return routes().counters().resyncs == 2; }));
  EXPECT_TRUE(routes().in_sync());
  EXPECT_FALSE(routes().has_writes());
}

// RFC 8950: RTA_VIA, alone and in RTA_MULTIPATH, there and back.
TEST_F(DataplaneKernelTest, IPv4RoutesViaIPv6GatewaysAreWrittenAndKnownAgain) {
  const NextHop left{.via = *IpAddress::parse("2001:db8:1::2")};
  const NextHop right{.via = *IpAddress::parse("2001:db8:2::2")};
  const NextHop old{.via = *IpAddress::parse("192.0.2.2")};
  const std::vector<std::pair<Prefix, std::vector<NextHop>>> wanted = {
      {v4(1), {left}}, {v4(2), {left, right}}, {v4(3), {right, old}}, {v4(4), {left}}};
  const auto want_all = [&] {
    for (const auto& [prefix, hops] : wanted) routes().want(prefix, hops);
  };
  want_all();
  ASSERT_TRUE(in_sync());
  std::map<Prefix, std::vector<std::pair<IpAddress, IfIndex>>> found;
  for (const Route& route : in_kernel(AddressFamily::kIpv4)) {
    auto& hops = found[route.key.destination];
    for (const NextHop& hop : route.next_hops) hops.emplace_back(*hop.via, hop.device);
    std::ranges::sort(hops);
  }
  const std::pair by_left{*left.via, left_}, by_right{*right.via, right_}, by_old{*old.via, left_};
  EXPECT_EQ(found, (decltype(found){{v4(1), {by_left}},
                                    {v4(2), {by_left, by_right}},
                                    {v4(3), {by_old, by_right}},
                                    {v4(4), {by_left}}}));
  start();
  want_all();
  EXPECT_FALSE(routes().has_writes()) << "what is right is not written again";
  routes().allow_deletes();
  routes().unwant(v4(4));
  ASSERT_TRUE(in_sync());
  EXPECT_EQ(in_kernel(AddressFamily::kIpv4).size(), 3U);
}

TEST_F(DataplaneKernelTest, OwnBlocksAreBlackholesThatMoreSpecificRoutesGoBefore) {
  routes().allow_deletes();
  for (const auto& prefix : {v4(1), v6(1)}) routes().want_own_block(prefix);
  ASSERT_TRUE(in_sync());
  for (const auto family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    const auto found = in_kernel(family);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].type, netlink::RouteType::kBlackhole);
    EXPECT_EQ(found[0].key.metric, 4096U);
  }
  start();
  EXPECT_EQ(routes().counters().adopted, 2U);
  for (const auto& prefix : {v4(1), v6(1)}) routes().want_own_block(prefix);
  EXPECT_FALSE(routes().has_writes());
}

TEST_F(DataplaneKernelTest, UnreachableNextHopStaysPendingUntilItIsReachable) {
  routes().want(v4(1), via("203.0.113.2"));
  routes().want(v6(1), via("2001:db8:3::2"));
  EXPECT_FALSE(in_sync());
  EXPECT_THAT(routes().find(RouteRole::kLearned, v4(1))->reason, ::testing::HasSubstr("203.0.113.2"));
  add_address(right_, "203.0.113.1/24");
  add_address(right_, "2001:db8:3::1/64");
  dataplane_->tick();
  ASSERT_TRUE(in_sync());
}

TEST_F(DataplaneKernelTest, RoutesComeBackAfterTheInterfaceWasDown) {
  auto monitor = netlink::KernelMonitor::open(netlink::kMainTable, netlink::kRouteProtocol, port_);
  ASSERT_TRUE(monitor) << monitor.error().message;
  const auto left_gone = [&](const char* command) {
    ASSERT_EQ(::system(command), 0);
    take_events(*monitor);
  };
  routes().want(v4(1), via("192.0.2.2"));
  routes().want(v6(1), via("2001:db8:1::2"));
  ASSERT_TRUE(in_sync());
  left_gone("ip link set left down");
  ASSERT_TRUE(loop_.run_until([this] { return routes().counters().failed == 2; }))
      << "both are gone, and refused";
  EXPECT_TRUE(in_kernel(AddressFamily::kIpv4).empty());
  left_gone(
      "ip link set left up && ip route add 192.0.2.0/24 dev left && ip -6 address add 2001:db8:1::1/64 dev "
      "left nodad");
  ASSERT_TRUE(loop_.run_until([this] {
    if (routes().counters().in_flight == 0) dataplane_->tick();
    return routes().in_sync();
  }));
  EXPECT_EQ(in_kernel(AddressFamily::kIpv4).size(), 1U);
  EXPECT_EQ(in_kernel(AddressFamily::kIpv6).size(), 1U);
}

}  // namespace
}  // namespace towpath::agent
