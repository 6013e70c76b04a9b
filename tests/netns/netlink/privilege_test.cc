// What a process without CAP_NET_ADMIN is told, and that it is told at all.
#include "towpath/netlink/privilege.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "tests/support/netlink_fixture.h"
#include "towpath/netlink/anti_spoofing.h"

namespace towpath::netlink {
namespace {

constexpr uid_t kNobody = 65534;

class PrivilegeTest : public test::NetlinkTest {
 protected:
  // In a process of its own, which ends by SIGALRM if it is kept waiting.
  static std::string message_of(const std::function<Status()>& act) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      if (setresuid(kNobody, kNobody, kNobody) != 0) _exit(2);
      const Status status = act();
      const std::string text = status ? "done" : status.error().message;
      _exit(write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 2);
    }
    close(ends[1]);
    std::string text(4096, '\0');
    const ssize_t size = read(ends[0], text.data(), text.size());
    close(ends[0]);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return text;
  }
};

TEST_F(PrivilegeTest, RootMay) {
  const Status status = check_privilege();
  EXPECT_TRUE(status) << status.error().message;
}

TEST_F(PrivilegeTest, NobodyMayNot) {
  EXPECT_EQ(message_of(check_privilege), "this process may not change the network: it needs CAP_NET_ADMIN");
}

// The kernel answers for the opening marker of such a transaction, and for nothing else in it.
TEST_F(PrivilegeTest, AnNftTransactionOfNobodyIsRefused) {
  EXPECT_EQ(message_of([] { return install_anti_spoofing(); }),
            "commit the nf_tables transaction: Operation not permitted");
}

TEST_F(PrivilegeTest, WhatDoesNotComeIsNotWaitedFor) {
  const auto answer = socket_->receive_answer();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message, "the kernel did not answer a netlink request");
}

}  // namespace
}  // namespace towpath::netlink
