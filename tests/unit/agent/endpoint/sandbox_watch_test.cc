#include "agent/endpoint/sandbox_watch.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/agent/endpoint/endpoint_fixture.h"

namespace towpath::agent {
namespace {

using namespace std::chrono_literals;
using test::make_record;

class SandboxWatchTest : public ::testing::Test {
 protected:
  SandboxLooks looks() {
    return {[this](const std::string&) { return inode_; },
            [this](const std::string& ifname, const ipam::AttachmentId&) { return links_.contains(ifname); }};
  }
  bool dead_after(const ipam::EndpointRecord& record, std::chrono::seconds since_start) {
    return watch_.is_dead(record, TimePoint(since_start));
  }
  std::optional<std::uint64_t> inode_ = 0;
  std::set<std::string> links_;
  SandboxWatch watch_{looks()};
  ipam::EndpointRecord record_ = make_record(1);
};

TEST_F(SandboxWatchTest, OneEndThatIsThereIsEnough) {
  struct Row {
    const char* reason;
    std::optional<std::uint64_t> inode;
    bool link;
    bool gone;
  };
  const Row rows[] = {
      {"both there", 1001, true, false},
      {"the link was deleted by hand", 1001, false, false},
      {"the path is gone, the namespace lives", 0, true, false},
      {"the agent does not see the path", std::nullopt, true, false},
      {"both gone", 0, false, true},
      {"another namespace at the path", 7, false, true},
      {"nor the directory of the path", std::nullopt, false, true},
  };
  for (const Row& row : rows) {
    watch_ = SandboxWatch(looks());
    inode_ = row.inode;
    links_.clear();
    if (row.link) links_.insert(record_.host_ifname);
    EXPECT_FALSE(dead_after(record_, 0s)) << row.reason;
    EXPECT_EQ(dead_after(record_, SandboxWatch::kGrace), row.gone) << row.reason;
  }
}

TEST_F(SandboxWatchTest, TheRuntimeHasAGraceForItsDel) {
  EXPECT_FALSE(dead_after(record_, 100s));
  EXPECT_FALSE(dead_after(record_, 129s));
  EXPECT_TRUE(dead_after(record_, 130s));
}

TEST_F(SandboxWatchTest, WhatComesBackStartsAnew) {
  EXPECT_FALSE(dead_after(record_, 0s));
  inode_ = record_.sandbox_inode;
  EXPECT_FALSE(dead_after(record_, 20s));
  inode_ = 0;
  EXPECT_FALSE(dead_after(record_, 40s));
  EXPECT_FALSE(dead_after(record_, 60s));
  record_.generation = 9;  // attached again meanwhile
  EXPECT_FALSE(dead_after(record_, 80s));
  EXPECT_TRUE(dead_after(record_, 110s));
}

TEST_F(SandboxWatchTest, ARecordOfTheStandAloneIpamPluginNeedsAViewOfItsDirectory) {
  record_.host_ifname.clear();
  inode_ = std::nullopt;
  EXPECT_FALSE(dead_after(record_, 0s));
  EXPECT_FALSE(dead_after(record_, 60s));
  inode_ = 0;
  EXPECT_FALSE(dead_after(record_, 100s));
  EXPECT_TRUE(dead_after(record_, 130s));
}

TEST_F(SandboxWatchTest, APendingRecordIsOfALinkThatFollowsFromItsNames) {
  record_.state = ipam::AllocationState::kPending;
  links_ = {record_.host_ifname};
  record_.host_ifname.clear();
  EXPECT_FALSE(dead_after(record_, 0s));
  EXPECT_FALSE(dead_after(record_, 60s));
  links_.clear();
  EXPECT_FALSE(dead_after(record_, 100s));
  EXPECT_TRUE(dead_after(record_, 130s));
}

}  // namespace
}  // namespace towpath::agent
