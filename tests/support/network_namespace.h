// Network namespaces for tests of the real kernel, without names: nothing to clean up, nothing to collide
// with.
//
// NamespaceTest puts the test's thread into a fresh namespace, so that a test cannot touch the machine, and
// skips with a clear message where that is not allowed. NetworkNamespace is one more, to be used as a sandbox
// or as another host.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "tests/support/eventually.h"
#include "towpath/base/unique_fd.h"

namespace towpath::test {

inline UniqueFd current_namespace() {
  return UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
}

inline void set_loopback_up() {
  UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  ASSERT_EQ(::ioctl(socket.get(), SIOCSIFFLAGS, &request), 0) << std::strerror(errno);
}

// Lives as long as this object, or as long as something runs in it.
class NetworkNamespace {
 public:
  NetworkNamespace() {
    std::thread maker([this] {
      if (::unshare(CLONE_NEWNET) != 0) return;
      fd_ = current_namespace();
      set_loopback_up();
    });
    maker.join();
    EXPECT_TRUE(fd_) << "cannot make a network namespace";
  }

  int fd() const { return fd_.get(); }
  // Opens as a namespace file for as long as this object lives, in this process.
  std::string path() const {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd_.get());
  }

  // Runs `work` in a thread of its own inside; the caller stays where it is.
  void run(const std::function<void()>& work) const {
    std::thread runner([&] {
      ASSERT_EQ(::setns(fd_.get(), CLONE_NEWNET), 0) << std::strerror(errno);
      work();
    });
    runner.join();
  }

 private:
  UniqueFd fd_;
};

class NamespaceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    home_ = current_namespace();
    if (::geteuid() != 0 || ::unshare(CLONE_NEWNET) != 0) {
      GTEST_SKIP() << "needs root, to make network namespaces";
    }
    set_loopback_up();
  }
  void TearDown() override { ASSERT_EQ(::setns(home_.get(), CLONE_NEWNET), 0); }

 private:
  UniqueFd home_;
};

}  // namespace towpath::test
