#include "towpath/netlink/batch.h"

#include "tests/support/netlink_fixture.h"

namespace towpath::netlink {
namespace {

using ::testing::HasSubstr;

class BatchTest : public test::NetlinkTest {
 protected:
  void SetUp() override {
    NetlinkTest::SetUp();
    if (!IsSkipped()) device_ = make_interface("up0");
  }
  Route route(const std::string& destination, const std::string& via) const {
    Route route;
    route.key = {*Prefix::parse(destination), kMainTable, 32};
    route.next_hops = {{.via = *IpAddress::parse(via), .device = device_, .onlink = true}};
    return route;
  }
  IfIndex device_;
};

TEST_F(BatchTest, RefusalNamesOperationObjectAndTheKernelsReason) {
  Route unreachable = route("10.64.2.0/26", "192.0.2.7");
  unreachable.next_hops.front().onlink = false;
  unreachable.next_hops.front().device = {};
  Batch batch(*socket_);
  batch.add_route(unreachable);
  const auto status = batch.execute();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().sys_errno, ENETUNREACH);
  EXPECT_THAT(status.error().message, HasSubstr("add route 10.64.2.0/26 via 192.0.2.7 metric 32"));
  EXPECT_THAT(status.error().message, HasSubstr("Nexthop has invalid gateway"));
}

TEST_F(BatchTest, EveryOtherRequestIsCarriedOutAndFailuresKeepTheirIndex) {
  Batch batch(*socket_);
  const IfIndex nobody{4711};
  EXPECT_EQ(batch.add_address(IfIndex{1}, *InterfaceAddress::parse("192.0.2.1/32")), 0U);
  EXPECT_EQ(batch.add_address(nobody, *InterfaceAddress::parse("192.0.2.2/32")), 1U);
  EXPECT_EQ(batch.add_address(IfIndex{1}, *InterfaceAddress::parse("2001:db8::1/128")), 2U);
  EXPECT_EQ(batch.add_address(IfIndex{1}, *InterfaceAddress::parse("2001:db8::1/128")), 3U);
  EXPECT_EQ(batch.set_neighbour(nobody, *IpAddress::parse("fe80::1"), MacAddress::random()), 4U);
  const auto failures = batch.execute_all();
  ASSERT_TRUE(failures) << failures.error().message;
  ASSERT_EQ(failures->size(), 3U);
  EXPECT_EQ((*failures)[0].index, 1U);
  EXPECT_EQ((*failures)[0].error.kind, ErrorKind::kNotFound);
  EXPECT_THAT((*failures)[0].error.message, HasSubstr("add address 192.0.2.2/32 ifindex 4711"));
  EXPECT_EQ((*failures)[1].index, 3U);
  EXPECT_EQ((*failures)[1].error.kind, ErrorKind::kExists);
  EXPECT_EQ((*failures)[2].index, 4U);
  EXPECT_THAT((*failures)[2].error.message, HasSubstr("set neighbour fe80::1 ifindex 4711"));
  EXPECT_EQ(dump_addresses(*socket_, IfIndex{1})->size(), 4U);  // with those of the loopback itself
}

TEST_F(BatchTest, IsEmptyAfterwardsAndCanBeUsedAgain) {
  Batch batch(*socket_);
  EXPECT_TRUE(batch.execute()) << "nothing to do is no failure";
  batch.add_route(route("10.64.2.0/26", "192.0.2.7"));
  ASSERT_TRUE(batch.execute());
  EXPECT_TRUE(batch.empty());
  batch.add_route(route("10.64.3.0/26", "192.0.2.7"));
  ASSERT_TRUE(batch.execute());
  EXPECT_EQ(
      dump_routes(*socket_, AddressFamily::kIpv4, {.table = kMainTable, .protocol = kRouteProtocol})->size(),
      2U);
}

TEST_F(BatchTest, AddRefusesATakenKeyAndReplacePutsItInPlace) {
  for (const auto& [destination, first, second] : {std::tuple{"10.64.2.0/26", "192.0.2.7", "192.0.2.8"},
                                                   std::tuple{"fd00:64::/64", "fe80::7", "fe80::8"}}) {
    Batch batch(*socket_);
    batch.add_route(route(destination, first));
    ASSERT_TRUE(batch.execute());
    batch.add_route(route(destination, second));
    const auto taken = batch.execute();
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().kind, ErrorKind::kExists);
    batch.replace_route(route(destination, second));
    const auto replaced = batch.execute();
    ASSERT_TRUE(replaced) << replaced.error().message;
    const auto family = Prefix::parse(destination)->family();
    const auto routes = dump_routes(*socket_, family, {.table = kMainTable, .protocol = kRouteProtocol});
    ASSERT_EQ(routes->size(), 1U);
    EXPECT_EQ(*routes->front().next_hops.front().via, *IpAddress::parse(second));
    batch.delete_route(route(destination, second));
    const auto deleted = batch.execute();
    ASSERT_TRUE(deleted) << deleted.error().message;
    batch.delete_route(route(destination, second));
    EXPECT_EQ(batch.execute().error().kind, ErrorKind::kNotFound);
  }
}

struct RoundTrip {
  const char* reason;
  Route route;
};

TEST_F(BatchTest, RoutesComeBackAsTheyWereWritten) {
  const auto v4 = *IpAddress::parse("192.0.2.7");
  const auto v6 = *IpAddress::parse("2001:db8::7");
  const auto via6 = *IpAddress::parse("fe80::7");
  const auto make = [](const char* destination, RouteType type, std::vector<NextHop> hops,
                       std::uint32_t table = 254) {
    Route route;
    route.key = {*Prefix::parse(destination), table, 32};
    route.type = type;
    route.next_hops = std::move(hops);
    return route;
  };
  std::vector<RoundTrip> cases = {
      {"IPv4 by gateway",
       make("10.1.0.0/16", RouteType::kUnicast, {{.via = v4, .device = device_, .onlink = true}})},
      {"IPv4 on link", make("10.2.0.0/16", RouteType::kUnicast, {{.via = {}, .device = device_}})},
      {"IPv4 by IPv6 gateway", make("10.3.0.0/16", RouteType::kUnicast, {{.via = via6, .device = device_}})},
      {"IPv4 several paths",
       make("10.4.0.0/16", RouteType::kUnicast,
            {{.via = v4, .device = device_, .onlink = true},
             {.via = *IpAddress::parse("192.0.2.8"), .device = device_, .onlink = true, .weight = 3}})},
      {"IPv4 several paths by IPv6",
       make("10.5.0.0/16", RouteType::kUnicast,
            {{.via = via6, .device = device_}, {.via = *IpAddress::parse("fe80::8"), .device = device_}})},
      {"IPv4 blackhole", make("10.6.0.0/16", RouteType::kBlackhole, {})},
      {"IPv4 default",
       make("0.0.0.0/0", RouteType::kUnicast, {{.via = v4, .device = device_, .onlink = true}})},
      {"IPv4 high table", make("10.7.0.0/16", RouteType::kBlackhole, {}, 84000)},
      {"IPv6 by gateway",
       make("fd01::/64", RouteType::kUnicast, {{.via = v6, .device = device_, .onlink = true}})},
      {"IPv6 by link-local", make("fd02::/64", RouteType::kUnicast, {{.via = via6, .device = device_}})},
      {"IPv6 on link", make("fd03::/64", RouteType::kUnicast, {{.via = {}, .device = device_}})},
      {"IPv6 several paths",
       make("fd04::/64", RouteType::kUnicast,
            {{.via = via6, .device = device_}, {.via = *IpAddress::parse("fe80::8"), .device = device_}})},
      {"IPv6 blackhole", make("fd05::/64", RouteType::kBlackhole, {})},
      {"IPv6 default", make("::/0", RouteType::kUnicast, {{.via = via6, .device = device_}})},
      {"IPv6 high table", make("fd06::/64", RouteType::kBlackhole, {}, 84000)},
  };
  cases.push_back(
      {"with an MTU", make("10.8.0.0/16", RouteType::kUnicast, {{.via = {}, .device = device_}})});
  cases.back().route.mtu = 1400;
  Batch batch(*socket_);
  for (const auto& row : cases) batch.add_route(row.route);
  const auto failures = batch.execute_all();
  ASSERT_TRUE(failures) << failures.error().message;
  for (const auto& failure : *failures)
    ADD_FAILURE() << cases[failure.index].reason << ": " << failure.error.message;
  for (const auto& row : cases) {
    SCOPED_TRACE(row.reason);
    const auto routes = dump_routes(*socket_, row.route.key.destination.family(),
                                    {.table = row.route.key.table, .protocol = kRouteProtocol});
    ASSERT_TRUE(routes) << routes.error().message;
    std::vector<Route> same;
    for (const Route& found : *routes) {
      if (found.key == row.route.key) same.push_back(found);
    }
    ASSERT_EQ(same.size(), 1U);
    EXPECT_EQ(same.front(), row.route) << format(same.front());
  }
}

TEST_F(BatchTest, LostAnswersAreAnErrorAndTheSocketGoesOnWorking) {
  auto small = NetlinkSocket::open(0, 2048);
  ASSERT_TRUE(small) << small.error().message;
  Batch batch(*small);
  for (int i = 0; i < 200; ++i) batch.add_address(IfIndex{4711}, *InterfaceAddress::parse("192.0.2.2/32"));
  const auto failures = batch.execute_all();
  ASSERT_FALSE(failures);
  EXPECT_EQ(failures.error().sys_errno, ENOBUFS);
  batch.add_route(route("10.64.2.0/26", "192.0.2.7"));
  const auto status = batch.execute();
  EXPECT_TRUE(status) << status.error().message;
}

}  // namespace
}  // namespace towpath::netlink
