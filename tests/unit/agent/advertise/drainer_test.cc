#include "agent/advertise/drainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "tests/support/run_loop.h"
#include "tests/support/temporary_directory.h"

namespace towpath::agent {
namespace {

using namespace std::chrono_literals;
using bgp::Drain;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Recorder final : public DrainEvents {
 public:
  void drain_changed() override { phases.emplace_back(format(drainer->phase())); }
  bool all_told() override { return told; }
  void drain_problem(std::string_view what, const Error&) override { problems.emplace_back(what); }

  Drainer* drainer = nullptr;
  bool told = true;
  std::vector<std::string> phases;
  std::vector<std::string> problems;
};

class DrainerTest : public testing::Test {
 protected:
  std::unique_ptr<Drainer> make() {
    auto drainer = std::make_unique<Drainer>(loop_, events_, directory_.path());
    events_.drainer = drainer.get();
    return drainer;
  }
  bool run_until(const std::function<bool()>& condition) { return test::run_until(loop_, condition); }

  test::TemporaryDirectory directory_;
  boost::asio::io_context loop_;
  Recorder events_;
};

TEST_F(DrainerTest, OneStepAfterTheOther) {
  const auto drainer = make();
  EXPECT_EQ(drainer->phase(), Drain::kNone);
  events_.told = false;
  const auto begun = std::chrono::steady_clock::now();
  drainer->start(1s, "moves to rack 7");
  EXPECT_THAT(events_.phases, ElementsAre("announced"));
  EXPECT_LE(drainer->left(), 1s);
  drainer->start(0s, "again");
  EXPECT_EQ(drainer->reason(), "moves to rack 7") << "it is under way";
  ASSERT_TRUE(run_until([&] { return drainer->phase() == Drain::kWithdrawn; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 1s);
  EXPECT_EQ(drainer->left(), 0s);
  events_.told = true;
  ASSERT_TRUE(run_until([&] { return drainer->phase() == Drain::kClosed; }));
  EXPECT_THAT(events_.phases, ElementsAre("announced", "withdrawn", "drained"));
  drainer->undo();
  EXPECT_THAT(events_.phases, ElementsAre("announced", "withdrawn", "drained", "no"));
  EXPECT_EQ(drainer->reason(), "");
  EXPECT_THAT(events_.problems, IsEmpty());
}

TEST_F(DrainerTest, APeerThatReadsNothingHoldsUpNothingForLong) {
  const auto drainer = make();
  events_.told = false;
  drainer->start(0s, "");
  EXPECT_TRUE(run_until([&] { return drainer->phase() == Drain::kClosed; }));
}

TEST_F(DrainerTest, CanBeGivenUpAtAnyTime) {
  const auto drainer = make();
  drainer->undo();
  EXPECT_THAT(events_.phases, IsEmpty()) << "nothing to give up";
  drainer->start(3600s, "");
  drainer->undo();
  EXPECT_EQ(drainer->phase(), Drain::kNone);
  events_.told = false;
  drainer->start(0s, "");
  ASSERT_TRUE(run_until([&] { return drainer->phase() == Drain::kWithdrawn; }));
  drainer->undo();
  EXPECT_EQ(drainer->phase(), Drain::kNone);
  loop_.restart();
  loop_.run_for(100ms);
  EXPECT_EQ(drainer->phase(), Drain::kNone) << "no timer is left over";
  EXPECT_THAT(events_.phases, ElementsAre("announced", "no", "announced", "withdrawn", "no"));
}

TEST_F(DrainerTest, ARestartedAgentStaysAway) {
  make()->start(3600s, "two\nlines");
  EXPECT_EQ(make()->phase(), Drain::kClosed) << "its sessions are gone in any case";
  EXPECT_EQ(make()->reason(), "two lines");
  const auto drainer = make();
  drainer->undo();
  EXPECT_EQ(make()->phase(), Drain::kNone);
}

TEST_F(DrainerTest, AnotherBootKnowsNothingOfIt) {
  make()->start(3600s, "reason");
  const std::string path = directory_.path() + "/drained";
  for (const char* text : {"", "towpathd drained 1\n", "towpathd drained 1\nboot 0\nreason\n", "drained\n"}) {
    std::ofstream(path, std::ios::trunc) << text;
    EXPECT_EQ(make()->phase(), Drain::kNone) << text;
  }
}

TEST_F(DrainerTest, WithoutItsFileItDrainsAllTheSame) {
  Drainer drainer(loop_, events_, "/nonexistent");
  events_.drainer = &drainer;
  drainer.start(0s, "");
  EXPECT_THAT(events_.problems, ElementsAre("stay drained over a restart"));
  EXPECT_TRUE(run_until([&] { return drainer.phase() == Drain::kClosed; }));
}

}  // namespace
}  // namespace towpath::agent
