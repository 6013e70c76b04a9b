#include "agent/dataplane/kernel_writer.h"

#include <future>
#include <thread>

#include "tests/support/eventually.h"
#include "tests/support/fake_kernel.h"
#include "tests/support/task_loop.h"

namespace towpath::agent {
namespace {

RouteWrite add(const char* prefix) {
  return {*Prefix::parse(prefix), RouteWrite::Operation::kAdd, 32,
          std::make_shared<const Forwarding>(make_blackhole())};
}

TEST(KernelWriter, AnswersComeInOrderOnTheOwnersThread) {
  test::TaskLoop loop;
  auto kernel = std::make_unique<test::FakeKernel>();
  kernel->refuse("10.2.0.0/16", EINVAL);
  KernelWriter writer(std::move(kernel), loop.post());
  std::vector<std::string> answers;
  const auto here = std::this_thread::get_id();
  writer.write({add("10.1.0.0/16"), add("10.2.0.0/16")}, [&](auto writes, auto outcome) {
    EXPECT_EQ(std::this_thread::get_id(), here);
    EXPECT_EQ(writes.size(), 2U);
    ASSERT_EQ(outcome.failures.size(), 1U);
    answers.push_back(fmt::format("write, {} failed", outcome.failures[0].index));
  });
  writer.dump([&](auto routes) { answers.push_back(fmt::format("dump of {}", routes->size())); });
  writer.write({add("10.3.0.0/16")}, [&](auto, auto) { answers.push_back("write"); });
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(loop.run_one());
  EXPECT_THAT(answers, ::testing::ElementsAre("write, 1 failed", "dump of 1", "write"));
}

TEST(KernelWriter, LostNextHopsGoBeforeEverythingInTheQueueInTheirOrder) {
  struct Kernel final : RouteKernel {
    std::shared_future<void> go;
    std::vector<std::string>* log;
    WriteOutcome write(std::span<const RouteWrite>) override {
      go.wait();
      log->push_back("write");
      return {};
    }
    Result<std::vector<KernelRoute>> dump() override { return {}; }
    void lose(std::span<const IpAddress> lost) override {
      log->push_back(fmt::format("lose {}", lost.size()));
    }
    Result<NextHopReport> tend(const std::optional<std::vector<ForwardingPtr>>& in_use) override {
      log->push_back(in_use ? "sweep" : "tend");
      return NextHopReport{.objects = 3};
    }
  };
  test::TaskLoop loop;
  std::promise<void> go;
  std::vector<std::string> log;
  auto kernel = std::make_unique<Kernel>();
  kernel->go = go.get_future().share();
  kernel->log = &log;
  KernelWriter writer(std::move(kernel), loop.post());
  for (int i = 0; i < 2; ++i) writer.write({add("10.1.0.0/16")}, [](auto, auto) {});
  ASSERT_TRUE(test::eventually([&] { return writer.queued() == 1; })) << "one is in hand";
  writer.tend(std::nullopt, [](auto report) { EXPECT_EQ(report->objects, 3U); });
  writer.tend(std::vector<ForwardingPtr>{}, [](auto) {});
  const IpAddress one = *IpAddress::parse("192.0.2.1"), two = *IpAddress::parse("2001:db8::1");
  writer.lose({one, two});
  writer.lose({one});
  go.set_value();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(loop.run_one());
  EXPECT_THAT(log, ::testing::ElementsAre("write", "lose 2", "lose 1", "write", "tend", "sweep"));
}

TEST(KernelWriter, EndsWithJobsInTheQueue) {
  // The kernel holds the first job until the destructor has begun.
  struct SlowKernel final : RouteKernel {
    std::promise<void> begun;
    std::shared_future<void> go;
    int writes = 0;
    int* total;
    WriteOutcome write(std::span<const RouteWrite>) override {
      if (writes++ == 0) begun.set_value();
      go.wait();
      ++*total;
      return {};
    }
    Result<std::vector<KernelRoute>> dump() override { return {}; }
  };
  test::TaskLoop loop;
  std::promise<void> go;
  int total = 0;
  auto kernel = std::make_unique<SlowKernel>();
  kernel->go = go.get_future().share();
  kernel->total = &total;
  auto begun = kernel->begun.get_future();
  auto writer = std::make_unique<KernelWriter>(std::move(kernel), loop.post());
  for (int i = 0; i < 5; ++i) writer->write({add("10.1.0.0/16")}, [](auto, auto) {});
  ASSERT_EQ(begun.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  EXPECT_EQ(writer->queued(), 4U);
  std::thread ender([&] { writer.reset(); });
  go.set_value();
  ender.join();
  EXPECT_GE(total, 1);
  EXPECT_LE(total, 5);
}

}  // namespace
}  // namespace towpath::agent
