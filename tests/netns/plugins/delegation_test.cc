// The towpath plugin with the reference IPAM plugin host-local, for every verb that it knows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/netns/plugins/plugin_fixture.h"

namespace towpath::test {
namespace {

class DelegationTest : public PluginTest {
 protected:
  void SetUp() override {
    PluginTest::SetUp();
    if (IsSkipped()) return;
    if (access("/usr/lib/cni/host-local", X_OK) != 0) {
      GTEST_SKIP() << "needs host-local (containernetworking-plugins)";
    }
  }
  std::string keys(const std::string& more = "") const {
    return R"({"cniVersion":"1.0.0","ipam":{"type":"host-local","dataDir":")" + directory_.path() +
           R"(/hl","ranges":[[{"subnet":"10.9.0.0/24"}],[{"subnet":"fd00:9::/120"}]],"routes":[{"dst":"0.0.0.0/0"}]})" +
           more + "}";
  }
  // Files of host-local that name an address.
  std::size_t reserved() const {
    std::size_t count = 0;
    const std::filesystem::path folder = directory_.path() + "/hl/net";
    if (!std::filesystem::exists(folder)) return 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string name = entry.path().filename();
      count += !name.starts_with("last_") && name != "lock";
    }
    return count;
  }
};

TEST_F(DelegationTest, WholeLife) {
  const NetworkNamespace sandbox;
  const PluginAnswer added = add("a", sandbox, keys());
  ASSERT_TRUE(added.ok()) << added.text;
  EXPECT_EQ(added.document["ips"][0]["address"], "10.9.0.2/32")
      << "a routed address, whatever the length of the pool";
  EXPECT_EQ(added.document["ips"][0]["gateway"], "169.254.1.1");
  EXPECT_EQ(added.document["routes"],
            Json::parse(R"([{"dst":"0.0.0.0/0","gw":"169.254.1.1"},{"dst":"::/0","gw":"fe80::1"}])"));
  EXPECT_TRUE(ping("10.9.0.2"));
  EXPECT_TRUE(ping("fd00:9::2"));
  EXPECT_EQ(reserved(), 2U);
  ASSERT_EQ(records().size(), 1U);
  EXPECT_EQ(records()[0].ipam_type, "host-local");
  EXPECT_EQ(records()[0].addresses.size(), 2U);

  const std::string previous = keys(R"(,"prevResult":)" + added.text);
  const PluginAnswer checked = call("CHECK", "a", sandbox.path(), previous);
  EXPECT_TRUE(checked.ok()) << checked.text;
  std::filesystem::remove_all(directory_.path() + "/hl");
  EXPECT_FALSE(call("CHECK", "a", sandbox.path(), previous).ok()) << "host-local's own CHECK was asked";
  EXPECT_TRUE(call("DEL", "a", sandbox.path(), keys()).ok());
  expect_nothing_left();
}

TEST_F(DelegationTest, DelGivesBackWithoutASandbox) {
  auto sandbox = std::make_unique<NetworkNamespace>();
  ASSERT_TRUE(add("a", *sandbox, keys()).ok());
  sandbox.reset();
  EXPECT_TRUE(call("DEL", "a", "", keys()).ok());
  EXPECT_EQ(reserved(), 0U);
  EXPECT_TRUE(call("DEL", "a", "", keys()).ok());
}

TEST_F(DelegationTest, RollbackGivesBack) {
  const NetworkNamespace sandbox;
  sandbox.run([] { ASSERT_EQ(std::system("ip link add eth0 type veth peer name other"), 0); });
  EXPECT_EQ(add("a", sandbox, keys()).code(), 4U);
  EXPECT_EQ(reserved(), 0U);
  expect_nothing_left();
}

TEST_F(DelegationTest, StaticAddresses) {
  const std::string fixed =
      R"({"cniVersion":"1.0.0","ipam":{"type":"static","addresses":[{"address":"10.9.0.77/24","gateway":"10.9.0.1"},
          {"address":"fd00:9::77/64","gateway":"fd00:9::1"}],
          "routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"}]})";
  const NetworkNamespace sandbox;
  const PluginAnswer added = add("a", sandbox, fixed + "}");
  ASSERT_TRUE(added.ok()) << added.text;
  EXPECT_EQ(address_of(added, 0), "10.9.0.77");
  EXPECT_TRUE(ping("10.9.0.77"));
  EXPECT_TRUE(ping("fd00:9::77"));
  const PluginAnswer checked =
      call("CHECK", "a", sandbox.path(), fixed + R"(,"prevResult":)" + added.text + "}");
  EXPECT_TRUE(checked.ok()) << checked.text << ": it was given its own gateways";

  const NetworkNamespace second;
  const PluginAnswer refused = add("b", second, fixed + "}");
  EXPECT_EQ(refused.code(), 103U) << refused.text;
  EXPECT_EQ(refused.message(),
            "ipam.type: 'static' gave 10.9.0.77, which this host leads to another interface");
  EXPECT_FALSE(has_link(second, "eth0"));
  EXPECT_TRUE(call("DEL", "b", second.path(), fixed + "}").ok());
  EXPECT_TRUE(ping("10.9.0.77"));
  EXPECT_TRUE(call("DEL", "a", sandbox.path(), fixed + "}").ok());
  expect_nothing_left();
}

// It asks its daemon, which asks the Ethernet segment of the interface: a routed container has none. The
// error comes back, and nothing stays.
TEST_F(DelegationTest, DhcpCannotServeARoutedContainer) {
  const NetworkNamespace sandbox;
  const PluginAnswer refused = add("a", sandbox,
                                   R"({"cniVersion":"1.0.0","ipam":{"type":"dhcp","daemonSocketPath":")" +
                                       directory_.path() + R"(/none.sock"}})");
  EXPECT_FALSE(refused.ok());
  EXPECT_THAT(refused.message(), testing::StartsWith("dhcp: "));
  EXPECT_FALSE(has_link(sandbox, "eth0"));
  expect_nothing_left();
}

TEST_F(DelegationTest, AddressesThatNoContainerCanHave) {
  const NetworkNamespace sandbox;
  const auto given = [](const std::string& addresses) {
    return R"({"cniVersion":"1.0.0","ipam":{"type":"static","addresses":[)" + addresses + "]}}";
  };
  EXPECT_EQ(add("a", sandbox, given(R"({"address":"224.0.0.5/32"})")).message(),
            "static: its result has 224.0.0.5, which no container can have");
  EXPECT_EQ(add("a", sandbox, given(R"({"address":"10.9.0.7/24"},{"address":"10.9.0.7/32"})")).message(),
            "static: its result has 10.9.0.7, and has it twice");
  expect_nothing_left();
}

TEST_F(DelegationTest, ANameThatIsNotInTheCniPath) {
  const NetworkNamespace sandbox;
  const PluginAnswer answer = add("a", sandbox, R"({"ipam":{"type":"no-such-ipam"}})");
  EXPECT_EQ(answer.code(), 7U);
  EXPECT_THAT(answer.message(), testing::HasSubstr("there is no plugin 'no-such-ipam' in CNI_PATH"));
  expect_nothing_left();
}

}  // namespace
}  // namespace towpath::test
