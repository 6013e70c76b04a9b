// ADD that fails at each of its steps: the code and the message, and nothing left behind.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/netns/plugins/plugin_fixture.h"
#include "towpath/ipam/endpoint_names.h"

namespace towpath::test {
namespace {

using testing::HasSubstr;

class RollbackTest : public PluginTest {
 protected:
  void script(const std::string& name, const std::string& text) {
    const std::string path = directory_.path() + "/" + name;
    std::ofstream(path) << "#!/bin/sh\n" << text << "\n";
    ASSERT_EQ(chmod(path.c_str(), 0755), 0);
  }
  void expect_refused(const PluginAnswer& answer, unsigned code, const std::string& message) {
    EXPECT_EQ(answer.code(), code) << answer.text;
    EXPECT_THAT(answer.message(), HasSubstr(message));
  }
};

TEST_F(RollbackTest, TheInterfaceNameIsTaken) {
  const NetworkNamespace sandbox;
  sandbox.run([] { ASSERT_EQ(std::system("ip link add eth0 type veth peer name other"), 0); });
  expect_refused(add("a", sandbox), 4,
                 "CNI_IFNAME: there is an interface 'eth0' in " + sandbox.path() + " already");
  expect_nothing_left();
  EXPECT_TRUE(has_link(sandbox, "eth0")) << "it is another's";
}

TEST_F(RollbackTest, TheHostNameIsTakenBySomebodyElse) {
  const NetworkNamespace sandbox;
  const std::string name = ipam::host_ifname({"a", "eth0"});
  ASSERT_EQ(std::system(
                ("ip link add " + name + " type veth peer name other && ip link set " + name + " alias mine")
                    .c_str()),
            0);
  expect_refused(add("a", sandbox), 5, "create interface " + name + ": File exists");
  EXPECT_TRUE(records().empty());
  EXPECT_EQ(addresses_in_use(), 0U);
  EXPECT_EQ(netlink::find_link(*socket_, name)->alias, "mine");
  EXPECT_FALSE(has_link(sandbox, "eth0"));
  EXPECT_TRUE(call("DEL", "a", sandbox.path()).ok());
  EXPECT_TRUE(netlink::find_link(*socket_, name)) << "nor does DEL take it";
}

TEST_F(RollbackTest, ALinkLeftByAKilledAddIsTakenOver) {
  const NetworkNamespace sandbox;
  const std::string name = ipam::host_ifname({"a", "eth0"});
  ASSERT_EQ(std::system(("ip link add " + name + " type veth peer name other").c_str()), 0);
  const PluginAnswer added = add("a", sandbox);
  EXPECT_TRUE(added.ok()) << added.text;
}

// The store was lost, and the containers of the host are still there.
TEST_F(RollbackTest, AddressesThatTheHostLeadsElsewhereAreSkipped) {
  const NetworkNamespace first, second, third;
  ASSERT_TRUE(add("a", first).ok());
  ASSERT_TRUE(add("b", second).ok());
  std::filesystem::remove_all(state_dir());
  netlink::Batch batch(*socket_);
  batch.add_address(uplink_, *InterfaceAddress::parse("10.9.0.3/32"));
  netlink::Route route;
  route.key.destination = *Prefix::parse("fd00:9::3/128");
  route.key.metric = 1;
  route.type = netlink::RouteType::kBlackhole;
  batch.add_route(route);
  ASSERT_TRUE(batch.execute());
  const PluginAnswer added = add("c", third);
  ASSERT_TRUE(added.ok()) << added.text;
  EXPECT_EQ(address_of(added, 0), "10.9.0.4");
  EXPECT_EQ(address_of(added, 1), "fd00:9::4");
  EXPECT_TRUE(ping_from(third, "10.9.0.1")) << "the old ones are there";
  EXPECT_EQ(addresses_in_use(), 2U);

  // By name there is nothing to choose.
  const NetworkNamespace fourth;
  const char* by_name = R"({"runtimeConfig":{"ips":["10.9.0.2"]}})";
  expect_refused(add("d", fourth, by_name), 103, "runtimeConfig.ips[0]: address 10.9.0.2 is in use");
  EXPECT_EQ(records().size(), 1U);
  EXPECT_EQ(addresses_in_use(), 2U);
  EXPECT_EQ(host_links().size(), 3U);
}

// Another host has borrowed them, or serves something there; its route stands where the agent writes those
// that it learns.
TEST_F(RollbackTest, AddressesThatAnotherHostAnnouncesAreSkipped) {
  netlink::Batch batch(*socket_);
  for (const auto& [destination, gateway] :
       {std::pair("10.9.0.1/32", "192.0.2.9"), std::pair("fd00:9::1/128", "2001:db8::9")}) {
    netlink::Route route;
    route.key.destination = *Prefix::parse(destination);
    route.key.metric = 32;
    route.next_hops = {{.via = *IpAddress::parse(gateway), .device = uplink_, .onlink = true}};
    batch.add_route(route);
  }
  // An own block may be a single address: its blackhole is no clash.
  netlink::Route blackhole;
  blackhole.key.destination = *Prefix::parse("10.9.0.2/32");
  blackhole.key.metric = 4096;
  blackhole.type = netlink::RouteType::kBlackhole;
  batch.add_route(blackhole);
  const auto written = batch.execute();
  ASSERT_TRUE(written) << written.error().message;
  const NetworkNamespace first, second;
  const PluginAnswer added = add("a", first);
  ASSERT_TRUE(added.ok()) << added.text;
  EXPECT_EQ(address_of(added, 0), "10.9.0.2");
  EXPECT_EQ(address_of(added, 1), "fd00:9::2");
  for (const char* address : {"10.9.0.1", "fd00:9::1"}) {
    expect_refused(
        add("b", second, fmt::format(R"({{"runtimeConfig":{{"ips":["{}"]}}}})", address)), 103,
        fmt::format("runtimeConfig.ips[0]: address {} is in use: another host announces it", address));
  }
  EXPECT_EQ(addresses_in_use(), 2U);
}

// The same container again: what its first ADD left is in nobody's way.
TEST_F(RollbackTest, WhatTheSameContainerLeftIsNoClash) {
  const NetworkNamespace sandbox;
  const char* by_name = R"({"runtimeConfig":{"ips":["10.9.0.2","fd00:9::2"]}})";
  ASSERT_TRUE(add("a", sandbox, by_name).ok());
  std::filesystem::remove_all(state_dir());
  const NetworkNamespace again;
  const PluginAnswer added = add("a", again, by_name);
  EXPECT_TRUE(added.ok()) << added.text;
  EXPECT_EQ(host_links().size(), 1U);
}

TEST_F(RollbackTest, TheSandboxHasARouteOfTheMetricThatWasAskedFor) {
  const NetworkNamespace sandbox;
  sandbox.run([] {
    ASSERT_EQ(std::system("ip link add x0 type veth peer name x1 && ip link set x0 up && "
                          "ip route add default dev x0 metric 7"),
              0);
  });
  const std::string routes =
      R"({"ipam":{"type":"towpath-ipam","blocks":["10.9.0.0/24"],"routes":[{"dst":"0.0.0.0/0","priority":7}]}})";
  expect_refused(add("a", sandbox, routes), 5, "0.0.0.0/0");
  expect_nothing_left();
  EXPECT_FALSE(has_link(sandbox, "eth0"));
}

TEST_F(RollbackTest, TheMtuIsTooSmallForIpv6) {
  const NetworkNamespace sandbox;
  expect_refused(add("a", sandbox, R"({"mtu":1000})"), 7, "mtu: '1000' is below 1280, which IPv6 needs");
  expect_nothing_left();
}

TEST_F(RollbackTest, TheBlockIsFull) {
  const std::string one = R"({"ipam":{"type":"towpath-ipam","blocks":["10.9.0.1/32"]}})";
  const NetworkNamespace first;
  const NetworkNamespace second;
  const PluginAnswer added = add("a", first, one);
  ASSERT_TRUE(added.ok());
  expect_refused(add("b", second, one), 11, "no free ipv4 address in 10.9.0.1/32");
  EXPECT_EQ(records().size(), 1U);
  EXPECT_EQ(host_links().size(), 1U);
  EXPECT_TRUE(check("a", first, added).ok()) << "the other container does not notice";
}

TEST_F(RollbackTest, TheRecordGoesAwayBeforeTheCommit) {
  // An IPAM plugin that removes the attachment while it is made.
  script("saboteur", R"(config=$(cat)
if [ "$CNI_COMMAND" = ADD ]; then
  printf '%s' "$config" | sed 's/"saboteur"/"towpath-ipam"/' | env -u TOWPATH_IPAM_CALL CNI_COMMAND=DEL )" TOWPATH_PLUGIN
                     R"(
  echo '{"cniVersion":"1.0.0","ips":[{"address":"10.9.0.9/24"}]}'
fi)");
  // DEL asks the IPAM plugin of the record, which is this script again and does nothing then.
  const NetworkNamespace sandbox;
  expect_refused(add("a", sandbox, R"({"ipam":{"type":"saboteur"}})"), 11,
                 "the attachment a/eth0 was removed while it was made");
  expect_nothing_left();
  EXPECT_FALSE(has_link(sandbox, "eth0"));
}

TEST_F(RollbackTest, TheIpamPluginFailsAndIsToldToUndo) {
  script("failing", R"(echo "$CNI_COMMAND" >>"$(dirname "$0")/calls"
if [ "$CNI_COMMAND" = ADD ]; then echo '{"cniVersion":"1.0.0","code":11,"msg":"not now"}'; exit 1; fi)");
  const NetworkNamespace sandbox;
  expect_refused(add("a", sandbox, R"({"ipam":{"type":"failing"}})"), 11, "failing: not now");
  expect_nothing_left();
  std::ifstream calls(directory_.path() + "/calls");
  std::string first;
  std::string second;
  calls >> first >> second;
  EXPECT_EQ(first + second, "ADDDEL");
}

TEST_F(RollbackTest, GcGoesOnAfterAnErrorAndTellsIt) {
  script("failing", R"(echo '{"cniVersion":"1.1.0","code":5,"msg":"not now"}'; exit 1)");
  for (const char* name : {"a", "b"}) {
    const NetworkNamespace sandbox;
    ASSERT_TRUE(add(name, sandbox).ok());
  }
  const PluginAnswer collected =
      call("GC", "", "", R"({"ipam":{"type":"failing"},"cni.dev/valid-attachments":[]})");
  expect_refused(collected, 5, "failing: not now");
  EXPECT_TRUE(eventually([&] { return host_links().empty(); }));
  expect_nothing_left();
}

TEST_F(RollbackTest, AStateDirectoryThatCannotBeMade) {
  std::ofstream(state_dir()) << "a file";
  const NetworkNamespace sandbox;
  expect_refused(add("a", sandbox), 5, state_dir());
  EXPECT_TRUE(host_links().empty());
  EXPECT_FALSE(has_link(sandbox, "eth0"));
}

TEST_F(RollbackTest, ADamagedStore) {
  {
    const NetworkNamespace sandbox;
    ASSERT_TRUE(add("a", sandbox).ok());
    ASSERT_TRUE(call("DEL", "a", sandbox.path()).ok());
  }
  const std::string file = state_dir() + "/db/data.mdb";
  std::ofstream(file, std::ios::trunc | std::ios::binary) << std::string(20000, 'x');
  const NetworkNamespace sandbox;
  expect_refused(add("b", sandbox), 5, "state store " + file + " is damaged (not an LMDB file)");
  EXPECT_TRUE(host_links().empty());
  EXPECT_FALSE(has_link(sandbox, "eth0"));
}

}  // namespace
}  // namespace towpath::test
