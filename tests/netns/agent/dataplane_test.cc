#include "agent/dataplane/dataplane.h"

#include <linux/rtnetlink.h>
#include <poll.h>

#include "agent/dataplane/netlink_route_kernel.h"
#include "netlink/message_reader.h"
#include "tests/support/netlink_fixture.h"
#include "tests/support/task_loop.h"

namespace towpath::agent {
namespace {

using netlink::NextHop;
using netlink::Route;

// One host with two uplinks; the routers behind them exist as addresses only.
class DataplaneKernelTest : public test::NetlinkTest {
 protected:
  void SetUp() override {
    NetlinkTest::SetUp();
    if (IsSkipped()) return;
    left_ = make_interface("left");
    right_ = make_interface("right");
    add_address(left_, "192.0.2.1/24");
    add_address(right_, "198.51.100.1/24");
    add_address(left_, "2001:db8:1::1/64");
    add_address(right_, "2001:db8:2::1/64");
    start();
  }
  void add_address(IfIndex device, const char* text) {
    const auto address = *InterfaceAddress::parse(text);
    netlink::Batch batch(*socket_);
    batch.add_address(device, address);
    batch.add_route({.key = {address.prefix()}, .protocol = 2, .next_hops = {{.device = device}}});
    const auto status = batch.execute();
    ASSERT_TRUE(status) << status.error().message;
  }
  // A new agent process, as far as the kernel can tell.
  void start() {
    dataplane_.reset();
    auto kernel = NetlinkRouteKernel::open({});
    ASSERT_TRUE(kernel) << kernel.error().message;
    port_ = (*kernel)->port_id();
    auto started = Dataplane::start(std::move(*kernel), {}, loop_.post());
    ASSERT_TRUE(started) << started.error().message;
    dataplane_ = std::move(*started);
  }
  ::testing::AssertionResult in_sync() {
    dataplane_->apply();
    auto result =
        loop_.run_until([this] { return routes().counters().in_flight == 0 && !routes().has_writes(); });
    if (!result || routes().in_sync()) return result;
    std::string reasons;
    routes().walk(RouteRole::kLearned, Prefix{}, [&](const RouteRow& row) {
      if (row.pending) reasons += fmt::format("{}: {}; ", row.prefix.to_string(), row.reason);
      return true;
    });
    return ::testing::AssertionFailure() << reasons;
  }
  RouteSyncer& routes() { return dataplane_->routes(); }

  static Prefix v4(std::uint32_t number) {
    return *Prefix::make(IpAddress::v4(0x0A000000 + number * 16), 28);
  }
  static Prefix v6(std::uint32_t number) {
    std::array<std::uint8_t, 16> bytes{0xfd, 0x00, 0x00, 0x64};
    for (std::size_t i = 0; i < 4; ++i) bytes[4 + i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
    return *Prefix::make(IpAddress::v6(bytes), 64);
  }
  static std::vector<NextHop> via(const char* address) { return {{.via = *IpAddress::parse(address)}}; }
  std::vector<Route> in_kernel(AddressFamily family,
                               std::optional<std::uint8_t> protocol = netlink::kRouteProtocol) {
    const auto found =
        netlink::dump_routes(*socket_, family, {.table = netlink::kMainTable, .protocol = protocol});
    EXPECT_TRUE(found) << found.error().message;
    return *found;
  }

  test::TaskLoop loop_;
  IfIndex left_, right_;
  std::uint32_t port_ = 0;
  std::unique_ptr<Dataplane> dataplane_;
};

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
  for (auto datagram = listener->receive(false); datagram; datagram = listener->receive(false)) {
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
  EXPECT_THAT(routes().find(RouteRole::kLearned, v4(1))->reason, ::testing::HasSubstr("invalid gateway"));
  add_address(right_, "203.0.113.1/24");
  add_address(right_, "2001:db8:3::1/64");
  dataplane_->tick();
  ASSERT_TRUE(in_sync());
}

TEST_F(DataplaneKernelTest, RoutesComeBackAfterTheInterfaceWasDown) {
  auto monitor = netlink::KernelMonitor::open(netlink::kRouteProtocol, port_);
  ASSERT_TRUE(monitor) << monitor.error().message;
  const auto left_gone = [&](const char* command) {
    ASSERT_EQ(::system(command), 0);
    pollfd poll{monitor->fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&poll, 1, 5000), 1);
    const auto events = monitor->read();
    ASSERT_TRUE(events);
    for (const auto& event : *events) dataplane_->on_kernel_event(event);
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
