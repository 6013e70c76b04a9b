// One host with two uplinks, and an agent's dataplane on it.
#pragma once

#include <poll.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/dataplane/dataplane.h"
#include "agent/dataplane/netlink_route_kernel.h"
#include "tests/support/netlink_fixture.h"
#include "tests/support/task_loop.h"

namespace towpath::agent {

// The routers behind the uplinks exist as addresses only.
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
  static std::vector<netlink::NextHop> via(const char* address) {
    return {{.via = *IpAddress::parse(address)}};
  }
  std::vector<netlink::Route> in_kernel(AddressFamily family,
                                        std::optional<std::uint8_t> protocol = netlink::kRouteProtocol) {
    const auto found =
        netlink::dump_routes(*socket_, family, {.table = netlink::kMainTable, .protocol = protocol});
    EXPECT_TRUE(found) << found.error().message;
    return *found;
  }

  // What others did since `monitor` was opened.
  void take_events(netlink::KernelMonitor& monitor) {
    pollfd poll{monitor.fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&poll, 1, 5000), 1);
    const auto events = monitor.read();
    ASSERT_TRUE(events) << events.error().message;
    for (const auto& event : *events) dataplane_->on_kernel_event(event);
  }

  test::TaskLoop loop_;
  IfIndex left_, right_;
  std::uint32_t port_ = 0;
  std::unique_ptr<Dataplane> dataplane_;
};

}  // namespace towpath::agent
