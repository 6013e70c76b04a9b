#include "towpath/netlink/host_side_monitor.h"

#include <cstdlib>

#include "tests/support/netlink_fixture.h"
#include "towpath/netlink/host_side.h"

namespace towpath::netlink {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class HostSideMonitorTest : public test::NetlinkTest {
 protected:
  void SetUp() override {
    NetlinkTest::SetUp();
    if (IsSkipped()) return;
    device_ = make_interface("eth9");
    auto opened = HostSideMonitor::open({*socket_->port_id()});
    ASSERT_TRUE(opened) << opened.error().message;
    monitor_.emplace(std::move(*opened));
  }
  HostSideMonitor::Changes changes(const std::string& command) {
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    auto changes = monitor_->read();
    EXPECT_TRUE(changes) << changes.error().message;
    EXPECT_FALSE(changes->lost);
    return *std::move(changes);
  }

  IfIndex device_;
  std::optional<HostSideMonitor> monitor_;
  const IpAddress kV4 = *IpAddress::parse("10.9.0.1");
  const IpAddress kV6 = *IpAddress::parse("fd00:9::1");
};

TEST_F(HostSideMonitorTest, TellsOfRoutesToOneAddressThatWentOrChanged) {
  std::ignore = changes("ip route add 10.9.0.1 dev eth9 proto static");
  std::ignore = changes("ip route add fd00:9::1 dev eth9 proto static metric 1");
  EXPECT_THAT(changes("ip route replace blackhole 10.9.0.1 proto 99").addresses, ElementsAre(kV4));
  EXPECT_THAT(changes("ip route del blackhole 10.9.0.1").addresses, ElementsAre(kV4));
  const auto removed = changes("ip route del fd00:9::1");
  EXPECT_THAT(removed.addresses, ElementsAre(kV6));
  EXPECT_THAT(removed.devices, ElementsAre(device_));
  EXPECT_NE(removed.culprit, 0U);
}

TEST_F(HostSideMonitorTest, TellsOfNeighboursThatWentOrWereWritten) {
  const std::string neighbour = "10.9.0.1 lladdr 02:00:00:00:00:01 nud permanent dev eth9";
  EXPECT_THAT(changes("ip neigh add " + neighbour).devices, ElementsAre(device_));
  EXPECT_THAT(changes("ip neigh del 10.9.0.1 dev eth9").devices, ElementsAre(device_));
}

TEST_F(HostSideMonitorTest, SaysNothingOfOtherRoutesNorOfWhatWeDid) {
  for (const char* command : {"ip route add 10.9.0.0/24 dev eth9", "ip route replace 10.9.0.0/24 dev lo",
                              "ip route del 10.9.0.0/24", "ip -6 route add fd00::/32 dev eth9",
                              "ip -6 route del fd00::/32", "ip route add 10.9.0.1 dev eth9",
                              "ip route add 10.9.0.1 dev eth9 table 99", "ip route del 10.9.0.1 table 99"}) {
    const auto seen = changes(command);
    EXPECT_THAT(seen.addresses, IsEmpty()) << command;
    EXPECT_THAT(seen.devices, IsEmpty()) << command;
  }
  Batch batch(*socket_);
  batch.replace_route(host_route(kV4, device_));
  batch.delete_route(host_route(kV4, device_));
  batch.set_neighbour(device_, kV4, kHostMac);
  ASSERT_TRUE(batch.execute());
  const auto seen = monitor_->read();
  ASSERT_TRUE(seen);
  EXPECT_THAT(seen->addresses, IsEmpty());
  EXPECT_THAT(seen->devices, IsEmpty());
}

}  // namespace
}  // namespace towpath::netlink
