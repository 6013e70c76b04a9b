#include "agent/service/instance_lock.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace towpath::agent {
namespace {

class InstanceLockTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/towpath-lock-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string directory_;
};

TEST_F(InstanceLockTest, TheSecondIsRefusedWithTheFirstOnesPid) {
  const auto first = InstanceLock::acquire(directory_);
  ASSERT_TRUE(first.has_value()) << first.error().message;
  const auto second = InstanceLock::acquire(directory_);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(second.error().message,
            fmt::format("another towpathd (pid {}) uses state_dir {}", ::getpid(), directory_));
}

TEST_F(InstanceLockTest, EndsWithItsProcessHoweverThatEnds) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = InstanceLock::acquire(directory_);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/towpathd.lock"));
  EXPECT_TRUE(InstanceLock::acquire(directory_).has_value());
}

TEST_F(InstanceLockTest, MakesTheDirectory) {
  EXPECT_TRUE(InstanceLock::acquire(directory_ + "/a/b").has_value());
}

TEST_F(InstanceLockTest, SaysWhereItCannot) {
  const auto lock = InstanceLock::acquire("/proc/nowhere");
  ASSERT_FALSE(lock.has_value());
  EXPECT_EQ(lock.error().message, "make state_dir /proc/nowhere: No such file or directory");
}

}  // namespace
}  // namespace towpath::agent
