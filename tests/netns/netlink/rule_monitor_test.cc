#include "towpath/netlink/rule_monitor.h"

#include <linux/netlink.h>

#include <cstdlib>

#include "tests/support/netlink_fixture.h"
#include "towpath/netlink/anti_spoofing.h"

namespace towpath::netlink {
namespace {

class RuleMonitorTest : public test::NetlinkTest {
 protected:
  void SetUp() override {
    NetlinkTest::SetUp();
    if (IsSkipped()) return;
    own_.emplace(*NetlinkSocket::open(NETLINK_NETFILTER));
    ASSERT_TRUE(install_anti_spoofing(*own_));
    auto opened = RuleMonitor::open({*own_->port_id()});
    ASSERT_TRUE(opened) << opened.error().message;
    monitor_.emplace(std::move(*opened));
  }
  bool changed() {
    const auto culprit = monitor_->read();
    EXPECT_TRUE(culprit) << culprit.error().message;
    return culprit->has_value();
  }
  static void nft(const std::string& command) {
    ASSERT_EQ(::system(("nft '" + command + "'").c_str()), 0) << command;
  }

  std::optional<NetlinkSocket> own_;
  std::optional<RuleMonitor> monitor_;
};

TEST_F(RuleMonitorTest, WhatOthersDoToOurTableIsSeen) {
  for (const char* command : {"flush chain inet towpath anti_spoofing", "add chain inet towpath more",
                              "delete chain inet towpath more", "add rule inet towpath anti_spoofing accept",
                              "add set inet towpath ports { type inet_service; }",
                              "add element inet towpath ports { 80 }", "delete table inet towpath"}) {
    EXPECT_FALSE(changed());
    ASSERT_NO_FATAL_FAILURE(nft(command));
    EXPECT_TRUE(changed()) << command;
  }
}

TEST_F(RuleMonitorTest, WhatWeDoAndWhatOthersDoElsewhereIsNot) {
  ASSERT_TRUE(install_anti_spoofing(*own_));
  for (const char* command : {"add table inet other", "add chain inet other anti_spoofing",
                              "add table ip towpath", "add chain ip towpath anti_spoofing",
                              "add rule ip towpath anti_spoofing accept", "delete table ip towpath"}) {
    ASSERT_NO_FATAL_FAILURE(nft(command));
  }
  EXPECT_FALSE(changed());
}

TEST_F(RuleMonitorTest, OneOfManyInATransactionIsEnough) {
  ASSERT_NO_FATAL_FAILURE(nft("add table inet a; add table inet b; flush chain inet towpath anti_spoofing"));
  EXPECT_TRUE(changed());
}

TEST_F(RuleMonitorTest, InstallingPutsBackWhatWasTakenAway) {
  ASSERT_NO_FATAL_FAILURE(nft("delete table inet towpath"));
  EXPECT_FALSE(read_anti_spoofing()->installed);
  ASSERT_TRUE(install_anti_spoofing(*own_));
  EXPECT_TRUE(read_anti_spoofing()->installed);
}

}  // namespace
}  // namespace towpath::netlink
