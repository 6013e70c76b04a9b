#include "towpath/netlink/reachability.h"

#include <array>
#include <cstdlib>

#include "tests/support/netlink_fixture.h"

namespace towpath::netlink {
namespace {

constexpr RouteOwner kOurs{kMainTable, kRouteProtocol};

class ReachabilityTest : public test::NetlinkTest {
 protected:
  void SetUp() override {
    NetlinkTest::SetUp();
    if (IsSkipped()) return;
    device_ = make_interface("up0");
    Batch batch(*socket_);
    batch.add_address(device_, {*IpAddress::parse("192.0.2.1"), 32});
    batch.add_address(device_, {*IpAddress::parse("2001:db8::1"), 128});
    ASSERT_TRUE(batch.execute());
    add("192.0.2.0/24", "", 0);
    add("2001:db8::/64", "", 256);
  }
  Route route(const char* destination, const std::string& via, std::uint32_t metric, std::uint8_t protocol) {
    Route route;
    route.key = {*Prefix::parse(destination), kMainTable, metric};
    route.protocol = protocol;
    route.next_hops = {{.device = device_}};
    if (!via.empty()) route.next_hops[0].via = *IpAddress::parse(via);
    return route;
  }
  void add(const char* destination, const std::string& via, std::uint32_t metric = 0,
           std::uint8_t protocol = 4) {
    Batch batch(*socket_);
    batch.add_route(route(destination, via, metric, protocol));
    const auto status = batch.execute();
    ASSERT_TRUE(status) << status.error().message;
  }
  void remove(const char* destination, const std::string& via, std::uint8_t protocol = 4) {
    Batch batch(*socket_);
    batch.delete_route(route(destination, via, 0, protocol));
    ASSERT_TRUE(batch.execute());
  }
  // "no", "hidden", "link", "via 192.0.2.9 cost 21"
  std::string text(const Reach& reach) {
    if (reach.hidden) return "hidden";
    if (!reach.found) return "no";
    EXPECT_EQ(reach.device, device_);
    if (!reach.gateway) return reach.cost == 0 ? "link" : "link that costs something";
    return "via " + reach.gateway->to_string() + " cost " + std::to_string(reach.cost);
  }
  std::string at_once(const char* address) {
    const auto found = look_up(*socket_, kOurs, std::array{*IpAddress::parse(address)});
    return found ? text(found->front()) : found.error().message;
  }
  std::string through(const char* address) {
    const auto found = look_through(*socket_, kOurs, std::array{*IpAddress::parse(address)});
    return found ? text(found->front()) : found.error().message;
  }

  IfIndex device_;
};

TEST_F(ReachabilityTest, LinksGatewaysAndNothing) {
  add("198.51.100.0/24", "192.0.2.9", 20);
  add("2001:db8:9::/48", "2001:db8::9", 1024);
  EXPECT_EQ(at_once("192.0.2.7"), "link");
  EXPECT_EQ(at_once("198.51.100.1"), "via 192.0.2.9 cost 21");
  EXPECT_EQ(at_once("203.0.113.1"), "no");
  EXPECT_EQ(at_once("2001:db8::7"), "link");
  EXPECT_EQ(at_once("2001:db8:9::1"), "via 2001:db8::9 cost 1025");
  EXPECT_EQ(at_once("2001:db8:77::1"), "no");
}

TEST_F(ReachabilityTest, OwnAddressesAndLinkLocalOnesLeadNowhere) {
  EXPECT_EQ(at_once("192.0.2.1"), "no");
  // The kernel makes the local route of an IPv6 address a moment later.
  EXPECT_TRUE(test::eventually([&] { return at_once("2001:db8::1") == "no"; }));
  EXPECT_EQ(at_once("fe80::9"), "no") << "on which interface?";
}

TEST_F(ReachabilityTest, ManyAreAnsweredInTheirOrder) {
  std::vector<IpAddress> addresses;
  for (std::uint32_t i = 0; i < 2000; ++i) {
    addresses.push_back(i % 3 == 0 ? IpAddress::v4(0xCB007100 + i % 256)
                                   : IpAddress::v4(0xC0000202 + i % 200));
  }
  const auto found = look_up(*socket_, kOurs, addresses);
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->size(), addresses.size());
  for (std::size_t i = 0; i < addresses.size(); ++i) EXPECT_EQ((*found)[i].found, i % 3 != 0) << i;
}

TEST_F(ReachabilityTest, OwnRoutesAreLookedThrough) {
  add("0.0.0.0/0", "192.0.2.9", 32, kRouteProtocol);
  EXPECT_EQ(at_once("203.0.113.1"), "hidden");
  EXPECT_EQ(through("203.0.113.1"), "no");
  EXPECT_EQ(through("192.0.2.7"), "link");
  add("192.0.2.128/25", "192.0.2.9", 32, kRouteProtocol);
  EXPECT_EQ(at_once("192.0.2.200"), "hidden");
  EXPECT_EQ(through("192.0.2.200"), "link") << "what we write must not decide about what we write";
  add("2001:db8:9::/48", "2001:db8::9", 32, kRouteProtocol);
  add("2001:db8::/32", "2001:db8::8", 5);
  EXPECT_EQ(at_once("2001:db8:9::1"), "hidden");
  EXPECT_EQ(through("2001:db8:9::1"), "via 2001:db8::8 cost 6");
}

TEST_F(ReachabilityTest, ABlackholeLeadsNowhereButOursIsLookedThrough) {
  Route hole = route("198.51.100.0/24", "", 0, 4);
  hole.type = RouteType::kBlackhole;
  hole.next_hops.clear();
  Batch batch(*socket_);
  batch.add_route(hole);
  hole.protocol = kRouteProtocol;
  hole.key.destination = *Prefix::parse("192.0.2.200/32");
  batch.add_route(hole);
  ASSERT_TRUE(batch.execute());
  EXPECT_EQ(through("198.51.100.1"), "no");
  EXPECT_EQ(through("192.0.2.200"), "link");
}

TEST_F(ReachabilityTest, AnInterfaceWithoutCarrierLeadsNowhere) {
  other_->run([] { ASSERT_EQ(std::system("ip link set up0 down"), 0); });
  ASSERT_TRUE(test::eventually([&] { return !find_link(*socket_, device_)->running; }));
  EXPECT_EQ(at_once("192.0.2.7"), "no");
  EXPECT_EQ(at_once("2001:db8::7"), "no");
}

TEST_F(ReachabilityTest, TheMonitorHearsOfAllButOurOwnRoutes) {
  auto monitor = ReachabilityMonitor::open(kRouteProtocol);
  ASSERT_TRUE(monitor) << monitor.error().message;
  EXPECT_FALSE(monitor->take());
  add("10.1.0.0/16", "192.0.2.9", 32, kRouteProtocol);
  EXPECT_FALSE(monitor->take());
  add("198.51.100.0/24", "192.0.2.9");
  EXPECT_TRUE(monitor->take());
  EXPECT_FALSE(monitor->take());
  remove("198.51.100.0/24", "192.0.2.9");
  EXPECT_TRUE(monitor->take());
  add("2001:db8:9::/48", "2001:db8::9");
  EXPECT_TRUE(monitor->take());
  make_interface("up1");
  EXPECT_TRUE(monitor->take());
}

TEST_F(ReachabilityTest, AFloodIsOneChange) {
  auto monitor = ReachabilityMonitor::open(kRouteProtocol);
  ASSERT_TRUE(monitor);
  for (std::uint32_t i = 0; i < 5000; ++i) {
    Batch batch(*socket_);
    Route one = route("10.0.0.0/32", "192.0.2.9", 0, 4);
    one.key.destination = *Prefix::make(IpAddress::v4(0x0A000000 + i), 32);
    batch.add_route(one);
    ASSERT_TRUE(batch.execute());
  }
  EXPECT_TRUE(monitor->take());
  EXPECT_FALSE(monitor->take());
}

}  // namespace
}  // namespace towpath::netlink
