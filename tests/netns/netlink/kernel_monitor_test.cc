#include "towpath/netlink/kernel_monitor.h"

#include "tests/support/netlink_fixture.h"

namespace towpath::netlink {
namespace {

Route blackhole(std::uint32_t number, std::uint8_t protocol = kRouteProtocol) {
  Route route;
  route.key = {Prefix::host(IpAddress::v4(0x0A000000 + number)), kMainTable, 32};
  route.type = RouteType::kBlackhole;
  route.protocol = protocol;
  return route;
}

std::string format(const KernelEvent& event) {
  if (const auto* link = std::get_if<LinkEvent>(&event)) {
    return fmt::format("{} {}",
                       link->removed        ? "link gone"
                       : link->link.running ? "link running"
                                            : "link",
                       link->link.name);
  }
  if (const auto* route = std::get_if<RouteEvent>(&event)) {
    return fmt::format("{} {}", route->removed ? "route gone" : "route", format(route->route));
  }
  if (const auto* next_hop = std::get_if<NextHopEvent>(&event)) {
    return fmt::format("{} {}", next_hop->removed ? "next hop gone" : "next hop", format(next_hop->object));
  }
  return "overflow";
}

class KernelMonitorTest : public test::NetlinkTest {
 protected:
  static std::vector<std::string> events(KernelMonitor& monitor) {
    std::vector<std::string> texts;
    const auto read = monitor.read();
    EXPECT_TRUE(read) << read.error().message;
    for (const auto& event : *read) texts.push_back(format(event));
    return texts;
  }
};

TEST_F(KernelMonitorTest, InterfacesComeAndGo) {
  auto monitor = KernelMonitor::open(kMainTable, kRouteProtocol, 0);
  ASSERT_TRUE(monitor) << monitor.error().message;
  EXPECT_TRUE(events(*monitor).empty());
  const IfIndex device = make_interface("up0");
  EXPECT_THAT(events(*monitor), ::testing::Contains("link running up0"));
  Batch batch(*socket_);
  batch.delete_link(device);
  ASSERT_TRUE(batch.execute());
  EXPECT_THAT(events(*monitor), ::testing::Contains("link gone up0"));
}

TEST_F(KernelMonitorTest, RoutesOfOursThatOthersChangeAndNoOther) {
  Batch ours(*socket_);
  ours.add_route(blackhole(1));
  ASSERT_TRUE(ours.execute());
  auto monitor = KernelMonitor::open(kMainTable, kRouteProtocol, *socket_->port_id());
  ASSERT_TRUE(monitor) << monitor.error().message;
  ours.add_route(blackhole(2));
  ASSERT_TRUE(ours.execute());
  auto other = NetlinkSocket::open();
  ASSERT_TRUE(other);
  Batch theirs(*other);
  theirs.add_route(blackhole(3, 12));
  theirs.delete_route(blackhole(1));
  ASSERT_TRUE(theirs.execute());
  EXPECT_THAT(events(*monitor), ::testing::ElementsAre("route gone blackhole 10.0.0.1/32 metric 32"));
}

TEST_F(KernelMonitorTest, ARouteThatAnotherOwnerPutsInThePlaceOfOursIsOursRemoved) {
  Batch batch(*socket_);
  batch.add_route(blackhole(1));
  ASSERT_TRUE(batch.execute());
  auto monitor = KernelMonitor::open(kMainTable, kRouteProtocol, *socket_->port_id());
  ASSERT_TRUE(monitor) << monitor.error().message;
  auto other = NetlinkSocket::open();
  ASSERT_TRUE(other);
  Batch theirs(*other);
  theirs.replace_route(blackhole(1, 12));
  theirs.replace_route(blackhole(3, 12));  // in nobody's place
  ASSERT_TRUE(theirs.execute());
  EXPECT_THAT(events(*monitor), ::testing::ElementsAre("route gone blackhole 10.0.0.1/32 metric 32"));
}

TEST_F(KernelMonitorTest, NextHopObjectsOfOursThatOthersChangeAndNoOther) {
  const IfIndex device = make_interface("up0");
  const auto object = [&](std::uint32_t id, const char* via) {
    return NextHopObject{.id = id, .hop = {.via = *IpAddress::parse(via), .device = device, .onlink = true}};
  };
  auto monitor = KernelMonitor::open(kMainTable, kRouteProtocol, *socket_->port_id());
  ASSERT_TRUE(monitor) << monitor.error().message;
  Batch ours(*socket_);
  ours.add_next_hop(object(kNextHopIdFirst, "192.0.2.2"));
  ours.add_next_hop(object(kNextHopIdLast, "2001:db8::2"));
  ASSERT_TRUE(ours.execute());
  auto other = NetlinkSocket::open();
  ASSERT_TRUE(other);
  Batch theirs(*other);
  theirs.add_next_hop(object(7, "192.0.2.7"));
  theirs.add_next_hop(object(kNextHopIdLast + 1, "192.0.2.7"));
  theirs.replace_next_hop(object(kNextHopIdFirst, "192.0.2.3"));
  theirs.delete_next_hop(kNextHopIdLast);
  theirs.delete_next_hop(7);
  ASSERT_TRUE(theirs.execute());
  const auto seen = events(*monitor);
  EXPECT_THAT(
      seen,
      ::testing::IsSupersetOf(
          {fmt::format("next hop {} via 192.0.2.3 ifindex {} onlink", kNextHopIdFirst, device.value),
           fmt::format("next hop gone {} via 2001:db8::2 ifindex {} onlink", kNextHopIdLast, device.value)}));
  EXPECT_EQ(std::ranges::count_if(seen, [](const auto& text) { return text.starts_with("next hop"); }), 2);
}

TEST_F(KernelMonitorTest, LostEventsAreOneOverflow) {
  auto monitor = KernelMonitor::open(kMainTable, kRouteProtocol, 0);
  ASSERT_TRUE(monitor) << monitor.error().message;
  Batch batch(*socket_);
  for (std::uint32_t i = 0; i < 60'000; ++i) {
    batch.add_route(blackhole(i));
    if (batch.size() == 1000) {
      ASSERT_TRUE(batch.execute());
    }
  }
  std::size_t overflows = 0, routes = 0;
  for (auto read = events(*monitor); !read.empty(); read = events(*monitor)) {
    overflows += static_cast<std::size_t>(std::ranges::count(read, "overflow"));
    routes += read.size();
  }
  EXPECT_EQ(overflows, 1U);
  EXPECT_LT(routes, 60'000U);
  // And it goes on.
  batch.delete_route(blackhole(7));
  ASSERT_TRUE(batch.execute());
  EXPECT_THAT(events(*monitor), ::testing::ElementsAre("route gone blackhole 10.0.0.7/32 metric 32"));
}

}  // namespace
}  // namespace towpath::netlink
