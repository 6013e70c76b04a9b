#include "towpath/netlink/uplink.h"

#include "tests/support/netlink_fixture.h"

namespace towpath::netlink {
namespace {

class UplinkTest : public test::NetlinkTest {
 protected:
  void route(const char* destination, const char* via, IfIndex device, std::uint32_t metric) {
    Route route;
    route.key = {*Prefix::parse(destination), kMainTable, metric};
    route.protocol = 3;
    route.next_hops = {{.via = *IpAddress::parse(via), .device = device, .onlink = true}};
    Batch batch(*socket_);
    batch.add_route(route);
    const auto status = batch.execute();
    EXPECT_TRUE(status) << status.error().message;
  }
};

TEST_F(UplinkTest, NoDefaultRouteIsNoDevice) {
  for (const auto family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    const auto device = default_route_device(*socket_, family);
    ASSERT_TRUE(device) << device.error().message;
    EXPECT_FALSE(*device);
  }
  EXPECT_EQ(*uplink_mtu(*socket_), 1500U);
}

TEST_F(UplinkTest, BestMetricWinsInBothFamilies) {
  const IfIndex worse = make_interface("worse", 1500), better = make_interface("better", 1400);
  route("0.0.0.0/0", "192.0.2.1", worse, 200);
  route("0.0.0.0/0", "192.0.2.2", better, 100);
  route("::/0", "fe80::1", worse, 200);
  route("::/0", "fe80::2", better, 100);
  EXPECT_EQ(**default_route_device(*socket_, AddressFamily::kIpv4), better);
  EXPECT_EQ(**default_route_device(*socket_, AddressFamily::kIpv6), better);
  EXPECT_EQ(*uplink_mtu(*socket_), 1400U);
}

TEST_F(UplinkTest, SmallestOfTheFamiliesCounts) {
  route("0.0.0.0/0", "192.0.2.1", make_interface("four", 9000), 100);
  route("::/0", "fe80::1", make_interface("six", 1420), 100);
  EXPECT_EQ(*uplink_mtu(*socket_), 1420U);
}

TEST_F(UplinkTest, RouteThatCoversTheProbeAddressDoesNotHideTheDefaultRoute) {
  const IfIndex uplink = make_interface("uplink", 1500), other = make_interface("other", 1500);
  route("0.0.0.0/0", "192.0.2.1", uplink, 100);
  route("192.0.0.0/8", "192.0.2.2", other, 100);
  route("::/0", "fe80::1", uplink, 100);
  route("2000::/3", "fe80::2", other, 100);
  EXPECT_EQ(**default_route_device(*socket_, AddressFamily::kIpv4), uplink);
  EXPECT_EQ(**default_route_device(*socket_, AddressFamily::kIpv6), uplink);
}

TEST_F(UplinkTest, WithoutDefaultRouteTheSmallestRunningInterfaceCountsButNoContainersOne) {
  make_interface("fabric0", 9000);
  make_interface("fabric1", 8000);
  make_interface("tp0123456789a", 1280);
  EXPECT_EQ(*uplink_mtu(*socket_), 8000U);
}

}  // namespace
}  // namespace towpath::netlink
