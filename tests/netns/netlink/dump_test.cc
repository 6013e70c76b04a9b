#include <atomic>
#include <set>
#include <thread>

#include "tests/support/network_namespace.h"
#include "towpath/netlink/batch.h"

namespace towpath::netlink {
namespace {

Route blackhole(std::uint32_t number) {
  Route route;
  route.key = {Prefix::host(IpAddress::v4(0x0A000000 + number)), kMainTable, 32};
  route.type = RouteType::kBlackhole;
  return route;
}

class DumpTest : public test::NamespaceTest {};

// While other routes come and go, every dump that succeeds has each route that was there all the time,
// exactly once.
TEST_F(DumpTest, UnderChangeHasEveryLastingRouteOnce) {
  constexpr std::uint32_t kLasting = 5000;
  auto socket = NetlinkSocket::open();
  ASSERT_TRUE(socket);
  Batch batch(*socket);
  for (std::uint32_t i = 0; i < kLasting; ++i) batch.add_route(blackhole(2 * i));
  ASSERT_TRUE(batch.execute());

  auto other = NetlinkSocket::open();
  ASSERT_TRUE(other);
  std::atomic<bool> stop = false;
  std::thread changer([&] {
    Batch changes(*other);
    for (std::uint32_t i = 0; !stop; i = (i + 1) % kLasting) {
      changes.add_route(blackhole(2 * i + 1));
      changes.delete_route(blackhole(2 * i + 1));
      EXPECT_TRUE(changes.execute());
      std::this_thread::yield();
    }
  });
  int complete = 0;
  for (int round = 0; round < 30; ++round) {
    const auto routes =
        dump_routes(*socket, AddressFamily::kIpv4, {.table = kMainTable, .protocol = kRouteProtocol});
    if (!routes) {
      EXPECT_EQ(routes.error().kind, ErrorKind::kUnavailable) << routes.error().message;
      continue;
    }
    ++complete;
    std::multiset<Prefix> lasting;
    for (const Route& route : *routes) {
      if (route.key.destination.address().v4_host_order() % 2 == 0) lasting.insert(route.key.destination);
    }
    EXPECT_EQ(lasting.size(), kLasting);
    EXPECT_EQ(std::set<Prefix>(lasting.begin(), lasting.end()).size(), kLasting);
  }
  stop = true;
  changer.join();
  EXPECT_TRUE(dump_routes(*socket, AddressFamily::kIpv4, {.table = kMainTable, .protocol = kRouteProtocol}));
  RecordProperty("complete_dumps", complete);
}

TEST_F(DumpTest, TableThatNobodyUsedIsEmpty) {
  auto socket = NetlinkSocket::open();
  ASSERT_TRUE(socket);
  for (const auto family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    const auto routes = dump_routes(*socket, family, {.table = 4711});
    ASSERT_TRUE(routes) << routes.error().message;
    EXPECT_TRUE(routes->empty());
  }
}

}  // namespace
}  // namespace towpath::netlink
