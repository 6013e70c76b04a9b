#include "agent/policy/policies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <poll.h>

#include <deque>
#include <filesystem>
#include <fstream>

#include "agent/policy/directory_watch.h"
#include "tests/support/eventually.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/agent/policy/fake_policy_kernel.h"

namespace towpath::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const char* const kDenyAll =
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\nspec: {}\n";

ipam::EndpointRecord record(const std::string& container) {
  ipam::EndpointRecord record;
  record.attachment = {container, "eth0"};
  record.state = ipam::AllocationState::kLive;
  record.host_ifname = "tp" + container;
  record.addresses = {IpAddress::v4(0x0A400001)};
  return record;
}

class PoliciesTest : public ::testing::Test, public PolicyObserver {
 protected:
  PoliciesTest() : path_(directory_.path() + "/policies") {}
  void policies_read(const PolicyOutcome& outcome) override { readings_.push_back(outcome); }
  void policy_problem(std::string_view reason) override { problems_.emplace_back(reason); }

  void start() {
    policies_.emplace(
        path_, std::make_unique<FakePolicyKernel>(table_), *this,
        [this](PolicyWriter::Task task) {
          const std::lock_guard lock(loop_mutex_);
          loop_.push_back(std::move(task));
        },
        [this] {
          if (untold_) policies_->record_changed(*untold_);
        });
  }
  void run_loop() {
    for (;;) {
      PolicyWriter::Task task;
      {
        const std::lock_guard lock(loop_mutex_);
        if (loop_.empty()) return;
        task = std::move(loop_.front());
        loop_.pop_front();
      }
      task();
    }
  }
  // When the kernel has what is wanted now.
  Status settle() {
    std::optional<Status> status;
    policies_->when_in_force([&](const Status& answer) { status = answer; });
    EXPECT_FALSE(status) << "never within the call";
    EXPECT_TRUE(test::eventually([&] {
      run_loop();
      return status.has_value();
    }));
    return status.value_or(fail(ErrorKind::kSystem, "no answer"));
  }
  void make_directory() const { std::filesystem::create_directory(path_); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ + "/" + name) << text;
  }

  test::TemporaryDirectory directory_;
  std::string path_;
  FakePolicyTable table_;
  std::vector<PolicyOutcome> readings_;
  std::vector<std::string> problems_;
  std::mutex loop_mutex_;
  std::deque<PolicyWriter::Task> loop_;
  std::optional<ipam::EndpointRecord> untold_;  // of a plugin that had no reason to say so
  std::optional<Policies> policies_;
};

TEST_F(PoliciesTest, WithoutADirectoryThereAreNoRules) {
  table_.exists = true;  // of an agent before
  start();
  policies_->record_changed(record("a"));
  policies_->listed();
  EXPECT_TRUE(settle());
  EXPECT_FALSE(table_.exists);
  EXPECT_EQ(table_.replaced, 0);
  EXPECT_FALSE(policies_->counters().is_on);
  policies_->record_changed(record("b"));
  EXPECT_TRUE(settle());
  EXPECT_EQ(table_.removed, 1) << "once";
}

TEST_F(PoliciesTest, NothingIsWrittenBeforeTheRecordsAreListed) {
  make_directory();
  start();
  policies_->record_changed(record("a"));
  policies_->tick();
  run_loop();
  EXPECT_EQ(table_.replaced, 0);
  policies_->listed();
  EXPECT_TRUE(settle());
  EXPECT_THAT(table_.interfaces, ElementsAre("tpa"));
}

TEST_F(PoliciesTest, AnEndpointIsAChangeOfItsOwn) {
  make_directory();
  write("deny.yaml", kDenyAll);
  start();
  policies_->listed();
  EXPECT_TRUE(settle());
  EXPECT_EQ(table_.replaced, 1) << "a fresh process replaces the table";
  policies_->record_changed(record("a"));
  EXPECT_TRUE(settle());
  EXPECT_THAT(table_.interfaces, ElementsAre("tpa"));
  EXPECT_THAT(table_.chains, SizeIs(1));
  policies_->record_changed(record("a"));
  EXPECT_TRUE(settle());
  EXPECT_EQ(table_.changed, 1) << "the same record is no change";
  auto pending = record("a");
  pending.state = ipam::AllocationState::kPending;
  policies_->record_changed(pending);
  EXPECT_TRUE(settle());
  EXPECT_THAT(table_.interfaces, IsEmpty()) << "an ADD that begins anew";
  policies_->record_changed(record("a"));
  policies_->record_gone({"a", "eth0"});
  EXPECT_TRUE(settle());
  EXPECT_THAT(table_.interfaces, IsEmpty());
  EXPECT_THAT(table_.chains, IsEmpty());
  EXPECT_EQ(table_.replaced, 1);
}

TEST_F(PoliciesTest, ARefusedReadingLeavesTheOldOneInForce) {
  make_directory();
  write("deny.yaml", kDenyAll);
  start();
  policies_->record_changed(record("a"));
  policies_->listed();
  EXPECT_TRUE(settle());
  write("bad.yaml", "kind: Nonsense\napiVersion: v1\n");
  policies_->read_files();
  EXPECT_TRUE(settle());
  EXPECT_TRUE(policies_->counters().refused);
  EXPECT_THAT(policies_->counters().problem, HasSubstr("bad.yaml:1: kind: value 'Nonsense'"));
  EXPECT_EQ(policies_->counters().policies, 1U);
  EXPECT_THAT(table_.chains, SizeIs(1));
  policies_->record_changed(record("b"));
  EXPECT_TRUE(settle()) << "by the old policies";
  EXPECT_THAT(table_.interfaces, SizeIs(2));
  std::filesystem::remove(path_ + "/bad.yaml");
  policies_->read_files();
  EXPECT_TRUE(settle());
  EXPECT_FALSE(policies_->counters().refused);
  EXPECT_EQ(policies_->counters().problem, "");
}

TEST_F(PoliciesTest, AFreshProcessThatCanReadNothingLeavesTheTableAlone) {
  make_directory();
  write("bad.yaml", "nonsense\n");
  table_.exists = true;
  table_.interfaces = {"tpa"};
  start();
  policies_->record_changed(record("b"));
  policies_->listed();
  const Status status = settle();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(status.error().message, HasSubstr("bad.yaml:1"));
  EXPECT_THAT(table_.interfaces, ElementsAre("tpa"));
  EXPECT_EQ(table_.replaced + table_.changed + table_.removed, 0);
  EXPECT_THAT(problems_, SizeIs(1));
}

TEST_F(PoliciesTest, TheDirectoryComesAndGoes) {
  start();
  policies_->record_changed(record("a"));
  policies_->listed();
  EXPECT_TRUE(settle());
  make_directory();
  EXPECT_TRUE(settle()) << "who waits is not told of yesterday";
  EXPECT_THAT(table_.interfaces, ElementsAre("tpa"));
  EXPECT_TRUE(policies_->counters().is_on);
  std::filesystem::remove(path_);
  policies_->tick();
  EXPECT_TRUE(settle());
  EXPECT_FALSE(table_.exists);
  EXPECT_FALSE(policies_->counters().is_on);
}

TEST_F(PoliciesTest, AnEndpointThatNobodyWasToldOfIsNotCutOffWhenPoliciesCome) {
  start();
  policies_->listed();
  EXPECT_TRUE(settle());
  untold_ = record("a");
  make_directory();
  policies_->read_files();
  EXPECT_TRUE(settle());
  EXPECT_THAT(table_.interfaces, ElementsAre("tpa"));
  EXPECT_EQ(table_.replaced, 1) << "with the first rules, not behind them";
  EXPECT_EQ(table_.changed, 0);
}

TEST_F(PoliciesTest, WhatSomebodyTookAwayIsPutBack) {
  make_directory();
  start();
  policies_->record_changed(record("a"));
  policies_->listed();
  EXPECT_TRUE(settle());
  {
    const std::lock_guard lock(table_.mutex);
    table_.exists = false;
    table_.interfaces.clear();
  }
  policies_->rules_changed();
  EXPECT_TRUE(settle());
  EXPECT_THAT(table_.interfaces, ElementsAre("tpa"));
  EXPECT_EQ(policies_->counters().repaired, 1U);
  // Before the word of it has come, a change finds out.
  {
    const std::lock_guard lock(table_.mutex);
    table_.exists = false;
    table_.interfaces.clear();
  }
  policies_->record_changed(record("b"));
  EXPECT_TRUE(settle());
  EXPECT_THAT(table_.interfaces, ElementsAre("tpa", "tpb"));
}

TEST_F(PoliciesTest, WhoFightsUsIsAnsweredOnceATick) {
  make_directory();
  start();
  policies_->listed();
  EXPECT_TRUE(settle());
  for (int i = 0; i < 100; ++i) {
    policies_->rules_changed();
    EXPECT_TRUE(settle());
  }
  EXPECT_EQ(policies_->counters().repaired, 50U);
  policies_->tick();
  EXPECT_TRUE(settle());
  EXPECT_EQ(policies_->counters().repaired, 51U);
}

TEST_F(PoliciesTest, ARefusalOfTheKernelIsToldAndTriedAgain) {
  make_directory();
  start();
  policies_->record_changed(record("a"));
  table_.refuse_all = Error{ErrorKind::kSystem, 0, "no"};
  policies_->listed();
  EXPECT_FALSE(settle());
  EXPECT_FALSE(settle());
  EXPECT_THAT(problems_, ElementsAre("no")) << "once";
  {
    const std::lock_guard lock(table_.mutex);
    table_.refuse_all.reset();
  }
  policies_->tick();
  EXPECT_TRUE(settle());
  EXPECT_THAT(table_.interfaces, ElementsAre("tpa"));
}

TEST_F(PoliciesTest, FlowsThatAreForbiddenNowAreCutAndOnlyThose) {
  make_directory();
  start();
  policies_->record_changed(record("a"));
  policies_->listed();
  EXPECT_TRUE(settle());
  const IpAddress a = record("a").addresses[0], away = IpAddress::v4(0x0A410001);
  {
    const std::lock_guard lock(table_.mutex);
    const auto flow = [](std::uint32_t id, const IpAddress& from, const IpAddress& to) {
      netlink::TrackedFlow made{.protocol = 17, .source = from, .destination = to};
      made.source_port = 4000;
      made.destination_port = made.reply_source_port = 80;
      made.reply_source = to;
      made.id = id;
      return made;
    };
    // One by a mapped port of the host: what counts is whom it reached.
    auto mapped = flow(3, away, a);
    mapped.destination = IpAddress::v4(0xC0000201);
    table_.flows = {flow(1, away, a), flow(2, a, away), mapped, flow(4, away, IpAddress::v4(0x0A410002))};
  }
  write("deny.yaml", kDenyAll);
  policies_->read_files();
  EXPECT_TRUE(settle());
  std::vector<std::uint32_t> left;
  for (const auto& flow : table_.flows) left.push_back(flow.id);
  EXPECT_THAT(left, ElementsAre(2, 4)) << "its own flow outward, and what is none of ours";
  EXPECT_EQ(policies_->counters().cut, 2U);
  const int looks = table_.looked_at_flows;
  policies_->record_changed(record("b"));
  EXPECT_TRUE(settle());
  EXPECT_EQ(table_.looked_at_flows, looks) << "an endpoint more forbids nothing";
}

TEST_F(PoliciesTest, AnAnswerAfterTheEndIsForNobody) {
  make_directory();
  start();
  policies_->listed();
  policies_->when_in_force([](const Status&) { FAIL(); });
  policies_.reset();
  run_loop();
  EXPECT_THAT(readings_, IsEmpty());
}

TEST(DirectoryWatch, SeesFilesThatAreWholeAndItsOwnEnd) {
  test::TemporaryDirectory directory;
  EXPECT_EQ(DirectoryWatch::open(directory.path() + "/none").error().kind, ErrorKind::kNotFound);
  const std::string path = directory.path() + "/d";
  std::filesystem::create_directory(path);
  auto watch = DirectoryWatch::open(path);
  ASSERT_TRUE(watch);
  const auto is_readable = [&] {
    pollfd wait{watch->fd(), POLLIN, 0};
    return ::poll(&wait, 1, 0) == 1;
  };
  {
    std::ofstream file(path + "/a");
    file << "half" << std::flush;
    EXPECT_FALSE(is_readable());
  }
  EXPECT_TRUE(is_readable());
  EXPECT_TRUE(watch->read());
  EXPECT_FALSE(is_readable());
  std::filesystem::rename(path + "/a", path + "/b");
  EXPECT_TRUE(is_readable());
  EXPECT_TRUE(watch->read());
  std::filesystem::remove_all(path);
  EXPECT_TRUE(is_readable());
  EXPECT_FALSE(watch->read());
}

}  // namespace
}  // namespace towpath::agent
