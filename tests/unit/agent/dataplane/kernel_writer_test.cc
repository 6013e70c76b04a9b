#include "agent/dataplane/kernel_writer.h"

#include <future>
#include <thread>

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
