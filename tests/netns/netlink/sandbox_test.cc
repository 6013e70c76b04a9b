#include "towpath/netlink/sandbox.h"

#include <sys/stat.h>

#include "tests/support/network_namespace.h"
#include "towpath/netlink/link.h"
#include "towpath/netlink/sysctl.h"

namespace towpath::netlink {
namespace {

class SandboxTest : public test::NamespaceTest {};

TEST_F(SandboxTest, MissingPathIsNotFound) {
  const auto sandbox = Sandbox::open("/run/netns/towpath-no-such-sandbox");
  ASSERT_FALSE(sandbox);
  EXPECT_EQ(sandbox.error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(sandbox.error().message, ::testing::HasSubstr("/run/netns/towpath-no-such-sandbox"));
}

TEST_F(SandboxTest, WhatIsNoNetworkNamespaceIsInvalid) {
  char folder[] = "/tmp/towpath-sandbox-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string pipe = std::string(folder) + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& path :
       {std::string(folder), pipe, std::string("/dev/null"), std::string("/proc/self/ns/mnt")}) {
    const auto sandbox = Sandbox::open(path);
    ASSERT_FALSE(sandbox) << path;
    EXPECT_EQ(sandbox.error().kind, ErrorKind::kInvalid) << sandbox.error().message;
    EXPECT_THAT(sandbox.error().message, ::testing::HasSubstr(path));
  }
  ::unlink(pipe.c_str());
  ::rmdir(folder);
}

TEST_F(SandboxTest, KnowsItsInodeAndWhetherWeAreInIt) {
  test::NetworkNamespace other;
  const auto sandbox = Sandbox::open(other.path());
  ASSERT_TRUE(sandbox) << sandbox.error().message;
  EXPECT_FALSE(*sandbox->is_current());
  const auto own = Sandbox::open("/proc/thread-self/ns/net");
  ASSERT_TRUE(own) << own.error().message;
  EXPECT_TRUE(*own->is_current());
  EXPECT_NE(own->inode(), sandbox->inode());
}

TEST_F(SandboxTest, RunInComesBackAlsoAfterAnError) {
  test::NetworkNamespace other;
  const auto sandbox = Sandbox::open(other.path());
  const auto own = Sandbox::open("/proc/thread-self/ns/net");
  ASSERT_TRUE(sandbox && own);
  const auto status = sandbox->run_in([&]() -> Status {
    EXPECT_TRUE(*sandbox->is_current());
    return fail(ErrorKind::kInvalid, "on purpose");
  });
  EXPECT_EQ(status.error().message, "on purpose");
  EXPECT_TRUE(*own->is_current());
}

TEST_F(SandboxTest, SysctlsAndSocketsBelongToTheSandbox) {
  test::NetworkNamespace other;
  const auto sandbox = Sandbox::open(other.path());
  ASSERT_TRUE(sandbox);
  const auto changed = sandbox->run_in([] { return ensure_sysctl("net/ipv4/ip_forward", "1"); });
  ASSERT_TRUE(changed) << changed.error().message;
  EXPECT_TRUE(*changed);
  EXPECT_FALSE(*sandbox->run_in([] { return ensure_sysctl("net/ipv4/ip_forward", "1"); }));
  EXPECT_EQ(*read_sysctl("net/ipv4/ip_forward"), "0");
  EXPECT_EQ(*sandbox->run_in([] { return read_sysctl("net/ipv4/ip_forward"); }), "1");
}

TEST_F(SandboxTest, EnableForwardingSaysWhatItChangedAndKeepsRouterAdvertisements) {
  auto socket = NetlinkSocket::open();
  ASSERT_TRUE(socket);
  test::NetworkNamespace other;
  ASSERT_TRUE(create_veth(*socket, {.host_name = "up0",
                                    .host_mac = MacAddress::random(),
                                    .sandbox_name = "up0",
                                    .sandbox_mac = MacAddress::random(),
                                    .sandbox_fd = other.fd()}));
  ASSERT_TRUE(write_sysctl("net/ipv6/conf/up0/accept_ra", "1"));
  const auto changes = enable_forwarding();
  ASSERT_TRUE(changes) << changes.error().message;
  std::vector<std::string> keys;
  for (const auto& change : *changes) keys.push_back(change.key + "=" + change.after);
  EXPECT_THAT(keys, ::testing::ElementsAre("net/ipv4/ip_forward=1", "net/ipv6/conf/up0/accept_ra=2",
                                           "net/ipv6/conf/all/forwarding=1"));
  EXPECT_TRUE(enable_forwarding()->empty()) << "a second call has nothing to do";
}

TEST_F(SandboxTest, EnsureForwardingSwitchesOnWhateverFamilyIsOff) {
  auto socket = NetlinkSocket::open();
  ASSERT_TRUE(socket);
  for (const std::string off : {"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"}) {
    ASSERT_TRUE(enable_forwarding());
    ASSERT_TRUE(write_sysctl(off, "0"));
    const auto status = ensure_forwarding(*socket);
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_TRUE(enable_forwarding()->empty()) << off;
  }
}

TEST_F(SandboxTest, MissingSysctlNamesTheKey) {
  const auto value = read_sysctl("net/ipv4/no_such_key");
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(value.error().message, ::testing::HasSubstr("net/ipv4/no_such_key"));
}

}  // namespace
}  // namespace towpath::netlink
