#include "agent/dataplane/dataplane.h"

#include "tests/support/eventually.h"
#include "tests/support/fake_kernel.h"
#include "tests/support/task_loop.h"

namespace towpath::agent {
namespace {

using ::testing::Contains;
using ::testing::Not;

class DataplaneTest : public ::testing::Test {
 protected:
  DataplaneTest() {
    auto owned = std::make_unique<test::FakeKernel>();
    kernel = owned.get();
    kernel_ = std::move(owned);
  }
  void start() {
    auto started = Dataplane::start(std::move(kernel_), {}, loop.post());
    ASSERT_TRUE(started) << started.error().message;
    dataplane = std::move(*started);
  }
  ::testing::AssertionResult run_until_in_sync() {
    return loop.run_until(
        [this] { return dataplane->routes().in_sync() && dataplane->routes().counters().in_flight == 0; });
  }
  static Prefix host(std::uint32_t number) { return Prefix::host(IpAddress::v4(0x0A000000 + number)); }
  static std::vector<netlink::NextHop> via(const char* address) {
    return {{.via = *IpAddress::parse(address)}};
  }

  test::TaskLoop loop;
  std::unique_ptr<RouteKernel> kernel_;
  test::FakeKernel* kernel = nullptr;
  std::unique_ptr<Dataplane> dataplane;
};

TEST_F(DataplaneTest, WritesManyRoutesWithoutBeingAskedAgain) {
  start();
  constexpr std::uint32_t kRoutes = 20'000;
  for (std::uint32_t i = 0; i < kRoutes; ++i) dataplane->routes().want(host(i), via("192.0.2.1"));
  dataplane->apply();
  ASSERT_TRUE(run_until_in_sync());
  EXPECT_EQ(dataplane->routes().counters().in_kernel, kRoutes);
  EXPECT_EQ(dataplane->routes().counters().added, kRoutes);
}

TEST_F(DataplaneTest, ReadsTheKernelBeforeItWrites) {
  kernel->set("10.0.0.1/32", 32, 84, make_unicast(via("192.0.2.1")));
  start();
  EXPECT_EQ(dataplane->routes().counters().adopted, 1U);
  dataplane->routes().want(host(1), via("192.0.2.1"));
  dataplane->apply();
  EXPECT_TRUE(dataplane->routes().in_sync());
  EXPECT_THAT(kernel->take_log(), ::testing::ElementsAre("dump"));
}

TEST_F(DataplaneTest, TickTriesAgain) {
  start();
  kernel->refuse("10.0.0.1/32", ENETUNREACH);
  dataplane->routes().want(host(1), via("192.0.2.1"));
  dataplane->apply();
  ASSERT_TRUE(loop.run_until([this] { return dataplane->routes().counters().failed == 1; }));
  kernel->heal();
  dataplane->tick();
  ASSERT_TRUE(run_until_in_sync());
}

TEST_F(DataplaneTest, LostAnswersAreReadBack) {
  start();
  kernel->lose_next_answers();
  dataplane->routes().want(host(1), via("192.0.2.1"));
  dataplane->apply();
  ASSERT_TRUE(loop.run_until([this] { return dataplane->routes().counters().resyncs == 2; }));
  ASSERT_TRUE(run_until_in_sync());
  EXPECT_EQ(kernel->dump_text(), "10.0.0.1/32 metric 32 proto 84: via 192.0.2.1\n");
}

TEST_F(DataplaneTest, FailedResyncWaitsForTheNextTick) {
  start();
  kernel->refuse_dumps(EBUSY);
  dataplane->on_kernel_event(netlink::Overflow{});
  ASSERT_TRUE(loop.run_until([this] { return dataplane->resync_error().has_value(); }));
  kernel->take_log();
  kernel->heal();
  dataplane->apply();
  EXPECT_THAT(kernel->take_log(), Not(Contains("dump")));
  dataplane->tick();
  ASSERT_TRUE(loop.run_until(
      [this] { return !dataplane->resync_error() && dataplane->routes().counters().resyncs == 2; }));
}

TEST_F(DataplaneTest, InterfaceThatGoesDownMeansReadingTheKernel) {
  start();
  dataplane->routes().want(host(1), via("192.0.2.1"));
  dataplane->apply();
  ASSERT_TRUE(run_until_in_sync());
  kernel->remove("10.0.0.1/32", 32);
  dataplane->on_kernel_event(netlink::LinkEvent{true, {.name = "tp0123456789a"}});
  EXPECT_TRUE(dataplane->routes().in_sync()) << "a container went away";
  dataplane->on_kernel_event(netlink::LinkEvent{false, {.name = "eth0"}});
  ASSERT_TRUE(loop.run_until([this] { return dataplane->routes().counters().added == 2; }));
  EXPECT_EQ(kernel->dump_text(), "10.0.0.1/32 metric 32 proto 84: via 192.0.2.1\n");
}

TEST_F(DataplaneTest, NextHopObjectThatSomeoneRemovedMeansReadingTheKernel) {
  start();
  dataplane->routes().want(host(1), via("192.0.2.1"));
  dataplane->apply();
  ASSERT_TRUE(run_until_in_sync());
  kernel->remove("10.0.0.1/32", 32);
  dataplane->on_kernel_event(netlink::NextHopEvent{true, {.id = 7}});
  EXPECT_TRUE(dataplane->routes().in_sync()) << "an object of somebody else";
  dataplane->on_kernel_event(netlink::NextHopEvent{true, {.id = netlink::kNextHopIdFirst}});
  ASSERT_TRUE(loop.run_until([this] { return dataplane->routes().counters().added == 2; }));
  EXPECT_EQ(kernel->dump_text(), "10.0.0.1/32 metric 32 proto 84: via 192.0.2.1\n");
}

TEST_F(DataplaneTest, RouteThatSomeoneRemovedComesBack) {
  start();
  dataplane->routes().want(host(1), via("192.0.2.1"));
  dataplane->apply();
  ASSERT_TRUE(run_until_in_sync());
  kernel->remove("10.0.0.1/32", 32);
  netlink::Route removed;
  removed.key = {host(1), netlink::kMainTable, 32};
  removed.next_hops = via("192.0.2.1");
  dataplane->on_kernel_event(netlink::RouteEvent{true, removed});
  ASSERT_TRUE(run_until_in_sync());
  EXPECT_EQ(kernel->dump_text(), "10.0.0.1/32 metric 32 proto 84: via 192.0.2.1\n");
}

TEST_F(DataplaneTest, AnswerAfterTheEndIsHarmless) {
  start();
  dataplane->routes().want(host(1), via("192.0.2.1"));
  dataplane->apply();
  ASSERT_TRUE(test::eventually([this] { return loop.waiting() == 1; }));
  dataplane.reset();
  EXPECT_TRUE(loop.run_one());
}

}  // namespace
}  // namespace towpath::agent
