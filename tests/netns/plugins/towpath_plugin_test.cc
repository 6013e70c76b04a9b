// The verbs of the towpath plugin against the real kernel.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/netns/plugins/plugin_fixture.h"
#include "towpath/ipam/endpoint_names.h"
#include "towpath/netlink/sysctl.h"

namespace towpath::test {
namespace {

using testing::HasSubstr;

class TowpathPluginTest : public PluginTest {};

TEST_F(TowpathPluginTest, AddGivesTheContainerANetwork) {
  const NetworkNamespace sandbox;
  const PluginAnswer added = add("a", sandbox);
  ASSERT_TRUE(added.ok()) << added.text;
  const Json& document = added.document;
  const std::string host_name = ipam::host_ifname({"a", "eth0"});
  EXPECT_EQ(document["interfaces"][0],
            Json({{"name", host_name}, {"mac", "02:74:70:00:00:01"}, {"mtu", kUplinkMtu}}));
  EXPECT_EQ(document["interfaces"][1]["name"], "eth0");
  EXPECT_EQ(document["interfaces"][1]["sandbox"], sandbox.path());
  EXPECT_EQ(document["interfaces"][1]["mtu"], kUplinkMtu) << "that of the uplink";
  EXPECT_EQ(document["ips"], Json::parse(R"([{"address":"10.9.0.1/32","gateway":"169.254.1.1","interface":1},
                                             {"address":"fd00:9::1/128","gateway":"fe80::1","interface":1}])"));
  EXPECT_EQ(document["routes"],
            Json::parse(R"([{"dst":"0.0.0.0/0","gw":"169.254.1.1"},{"dst":"::/0","gw":"fe80::1"}])"));

  const auto link = netlink::find_link(*socket_, host_name);
  ASSERT_TRUE(link);
  EXPECT_EQ(link->alias, "a/eth0");
  EXPECT_TRUE(ping("10.9.0.1"));
  EXPECT_TRUE(ping("fd00:9::1"));
  EXPECT_TRUE(ping_from(sandbox, "192.0.2.1")) << "the container reaches its host";
  EXPECT_TRUE(ping_from(sandbox, "2001:db8::1"));
  ASSERT_EQ(records().size(), 1U);
  EXPECT_EQ(records()[0].state, ipam::AllocationState::kLive);
  EXPECT_EQ(records()[0].host_ifname, host_name);
}

TEST_F(TowpathPluginTest, TheRuntimeAsksForMacAndDns) {
  const NetworkNamespace sandbox;
  const PluginAnswer added =
      add("a", sandbox, R"({"dns":{"nameservers":["192.0.2.9"],"search":["net.test"],"domain":"net.test"},
                            "runtimeConfig":{"mac":"02:00:5e:00:53:01","aliases":{"net":["web"],"other":[]},
                                             "dns":{"servers":["192.0.2.53"],"options":["ndots:5"]}}})");
  ASSERT_TRUE(added.ok()) << added.text;
  EXPECT_EQ(added.document["interfaces"][1]["mac"], "02:00:5e:00:53:01");
  EXPECT_EQ(added.document["dns"], Json::parse(R"({"nameservers":["192.0.2.53"],"search":["net.test"],
                                                   "domain":"net.test","options":["ndots:5"]})"));
  EXPECT_TRUE(ping(address_of(added, 0)));
  EXPECT_TRUE(ping(address_of(added, 1)));
  EXPECT_TRUE(check("a", sandbox, added).ok());
  const NetworkNamespace other;
  const PluginAnswer refused = add("b", other, R"({"runtimeConfig":{"deviceID":"0000:00:1f.6"}})");
  EXPECT_EQ(refused.code(), 2U) << refused.text;
  EXPECT_EQ(records().size(), 1U);
  EXPECT_TRUE(call("DEL", "b", other.path(), R"({"runtimeConfig":{"deviceID":"0000:00:1f.6"}})").ok())
      << "what ADD refused, DEL must not";
}

TEST_F(TowpathPluginTest, TwoContainersReachEachOther) {
  const NetworkNamespace one;
  const NetworkNamespace two;
  ASSERT_TRUE(add("one", one).ok());
  const PluginAnswer second = add("two", two);
  ASSERT_TRUE(second.ok()) << second.text;
  EXPECT_TRUE(ping_from(one, address_of(second, 0)));
  EXPECT_TRUE(ping_from(one, address_of(second, 1)));
}

TEST_F(TowpathPluginTest, EveryVersionFromAddToDel) {
  for (const cni::CniVersion& version : cni::kSupportedVersions) {
    const std::string text = version.to_string();
    const std::string key = R"({"cniVersion":")" + text + "\"}";
    const NetworkNamespace sandbox;
    const PluginAnswer added = add("a", sandbox, key);
    ASSERT_TRUE(added.ok()) << text << added.text;
    EXPECT_EQ(added.document["cniVersion"], text);
    EXPECT_EQ(added.document["ips"][0].contains("version"), version < cni::kFirstWithoutIpVersion) << text;
    EXPECT_EQ(added.document["interfaces"][0].contains("mtu"), version >= cni::kFirstWithMtu) << text;
    const std::string previous = R"({"cniVersion":")" + text + R"(","prevResult":)" + added.text + "}";
    const PluginAnswer checked = call("CHECK", "a", sandbox.path(), previous);
    EXPECT_EQ(checked.ok(), version >= cni::kFirstWithCheck) << text << checked.text;
    EXPECT_EQ(call("STATUS", "a", "", key).ok(), version >= cni::kFirstWithGc) << text;
    EXPECT_EQ(call("GC", "a", "", key).ok(), version >= cni::kFirstWithGc) << text;
    EXPECT_TRUE(call("DEL", "a", sandbox.path(), previous).ok()) << text;
    expect_nothing_left();
    EXPECT_FALSE(has_link(sandbox, "eth0"));
  }
}

TEST_F(TowpathPluginTest, DelInAllItsForms) {
  EXPECT_TRUE(call("DEL", "never", "").ok()) << "never added, no sandbox";
  EXPECT_TRUE(call("DEL", "never", "/run/netns/none").ok());
  auto sandbox = std::make_unique<NetworkNamespace>();
  ASSERT_TRUE(add("a", *sandbox).ok());
  EXPECT_TRUE(call("DEL", "a", "").ok()) << "empty CNI_NETNS, no prevResult";
  expect_nothing_left();
  EXPECT_FALSE(has_link(*sandbox, "eth0"));
  EXPECT_TRUE(call("DEL", "a", sandbox->path()).ok()) << "twice";
  ASSERT_TRUE(add("a", *sandbox).ok());
  const std::string path = sandbox->path();
  sandbox.reset();
  EXPECT_TRUE(call("DEL", "a", path).ok()) << "the sandbox is gone, and its path too";
  EXPECT_TRUE(eventually([&] { return host_links().empty(); }));
  expect_nothing_left();
}

// The configuration went wrong after ADD: nobody may be left behind for that.
TEST_F(TowpathPluginTest, DelAndGcReadOnlyTheKeysThatTheyNeed) {
  const char* const broken[] = {R"({"mtu":-1})",
                                R"({"dns":5})",
                                R"({"capabilities":7})",
                                R"({"controlSocket":"relative"})",
                                R"({"controlSocket":[]})",
                                R"({"prevResult":"none"})",
                                R"({"prevResult":{"ips":[{"address":"x"}]}})",
                                R"({"runtimeConfig":3,"args":[]})",
                                R"({"args":{"cni":{"labels":1}}})",
                                R"({"ipam":{"type":"towpath-ipam","blocks":["x"],"pools":9,"what":0}})",
                                R"({"ipam":"none"})",
                                R"({"ipam":{"type":null}})"};
  for (const std::string keys : broken) {
    const NetworkNamespace sandbox;
    ASSERT_TRUE(add("a", sandbox).ok());
    const PluginAnswer refused = call("ADD", "b", sandbox.path(), keys);
    EXPECT_TRUE(!refused.ok() || keys.find("null") != std::string::npos) << keys;
    static_cast<void>(call("DEL", "b", sandbox.path()));
    const PluginAnswer deleted = call("DEL", "a", sandbox.path(), keys);
    EXPECT_TRUE(deleted.ok()) << keys << deleted.text;
    expect_nothing_left();
    {
      const NetworkNamespace dead;
      ASSERT_TRUE(add("c", dead).ok());
    }
    Json list = Json::parse(keys);
    list["cni.dev/valid-attachments"] = Json::array();
    const PluginAnswer collected = call("GC", "", "", list.dump());
    EXPECT_TRUE(collected.ok()) << keys << collected.text;
    EXPECT_TRUE(records().empty()) << keys;
  }
  const NetworkNamespace sandbox;
  EXPECT_EQ(call("DEL", "a", sandbox.path(), R"({"stateDir":5})").code(), 7U) << "where to look it must know";
  EXPECT_EQ(call("DEL", "a", sandbox.path(), R"({"name":"-"})").code(), 7U);
}

TEST_F(TowpathPluginTest, DelWithoutTheStoreStillRemovesTheLink) {
  const NetworkNamespace sandbox;
  ASSERT_TRUE(add("a", sandbox).ok());
  std::filesystem::remove_all(state_dir());
  EXPECT_TRUE(call("DEL", "a", sandbox.path()).ok());
  expect_nothing_left();
}

TEST_F(TowpathPluginTest, AddTwiceIsRefusedAndTheFirstStays) {
  const NetworkNamespace sandbox;
  const PluginAnswer added = add("a", sandbox);
  ASSERT_TRUE(added.ok());
  const PluginAnswer again = add("a", sandbox);
  EXPECT_EQ(again.code(), 4U);
  EXPECT_EQ(again.message(), "CNI_CONTAINERID, CNI_IFNAME: a/eth0 is attached to network net already");
  EXPECT_TRUE(check("a", sandbox, added).ok());
}

TEST_F(TowpathPluginTest, ADeadSandboxGivesItsPlaceToTheNewOne) {
  auto old = std::make_unique<NetworkNamespace>();
  ASSERT_TRUE(add("a", *old).ok());
  const NetworkNamespace fresh;  // made before the old one ends, so that its inode is another one
  old.reset();
  const PluginAnswer again = add("a", fresh);
  ASSERT_TRUE(again.ok()) << again.text;
  EXPECT_EQ(records().size(), 1U);
  EXPECT_EQ(addresses_in_use(), 2U);
  EXPECT_TRUE(ping(address_of(again, 0)));
}

TEST_F(TowpathPluginTest, AnInterfaceThatWasTakenAwayGivesItsPlace) {
  const NetworkNamespace sandbox;
  ASSERT_TRUE(add("a", sandbox).ok());
  netlink::Batch batch(*socket_);
  batch.delete_link(netlink::find_link(*socket_, ipam::host_ifname({"a", "eth0"}))->index);
  ASSERT_TRUE(batch.execute());
  EXPECT_TRUE(add("a", sandbox).ok());
  EXPECT_EQ(addresses_in_use(), 2U);
}

TEST_F(TowpathPluginTest, CheckSeesEveryDifference) {
  struct Row {
    const char* reason;
    const char* where;  // "host" or "sandbox"
    std::string command;
    const char* message;
    const char* undo = "true";  // what does not go away with the interface
  };
  const std::string host = ipam::host_ifname({"a", "eth0"});
  const Row rows[] = {
      {"address v4", "sandbox", "ip addr del 10.9.0.1/32 dev eth0",
       "address 10.9.0.1 of eth0 in the sandbox is gone"},
      {"address v6", "sandbox", "ip addr del fd00:9::1/128 dev eth0",
       "address fd00:9::1 of eth0 in the sandbox is gone"},
      {"route v4", "sandbox", "ip route del default",
       "the route to 0.0.0.0/0 by 169.254.1.1 over eth0 in the sandbox"},
      {"route v6", "sandbox", "ip -6 route del default",
       "the route to ::/0 by fe80::1 over eth0 in the sandbox"},
      {"neighbour v4", "sandbox", "ip neigh del 169.254.1.1 dev eth0",
       "the permanent neighbour entry for 169.254.1.1 on eth0"},
      {"neighbour v6", "sandbox", "ip neigh replace fe80::1 lladdr 02:00:00:00:00:09 dev eth0 nud permanent",
       "the permanent neighbour entry for fe80::1 on eth0"},
      {"MTU", "sandbox", "ip link set eth0 mtu 1300", "interface eth0 in the sandbox has MTU 1300, not 1430"},
      {"down", "sandbox", "ip link set eth0 down", "interface eth0 in the sandbox is down"},
      {"renamed", "sandbox", "ip link set eth0 name eth7", "interface eth0 in the sandbox is gone"},
      {"host route v4", "host", "ip route del 10.9.0.1", "the route to 10.9.0.1/32 over "},
      {"host route v6", "host", "ip -6 route del fd00:9::1", "the route to fd00:9::1/128 over "},
      {"better host route v4", "host", "ip route prepend unreachable 10.9.0.1", "and does not use them",
       "ip route del unreachable 10.9.0.1"},
      {"better host route v6", "host", "ip -6 route add fd00:9::1 dev lo table local",
       "and does not use them", "ip -6 route del fd00:9::1 dev lo table local"},
      {"host neighbour", "host", "ip neigh del fd00:9::1 dev " + host,
       "the permanent neighbour entry for fd00:9::1 on "},
      {"host MTU", "host", "ip link set " + host + " mtu 1300", "on the host has MTU 1300, not 1430"},
      {"host MAC", "host", "ip link set " + host + " address 02:00:00:00:00:07",
       "has MAC address 02:00:00:00:00:07, not 02:74:70:00:00:01"},
      {"gone", "host", "ip link del " + host, "on the host is gone"},
  };
  for (const Row& row : rows) {
    std::filesystem::remove_all(state_dir());
    const NetworkNamespace sandbox;
    const PluginAnswer added = add("a", sandbox);
    ASSERT_TRUE(added.ok()) << row.reason << added.text;
    const PluginAnswer before = check("a", sandbox, added);
    ASSERT_TRUE(before.ok()) << row.reason << before.text;
    if (std::string(row.where) == "host") {
      ASSERT_EQ(std::system(row.command.c_str()), 0) << row.command;
    } else {
      sandbox.run([&] { ASSERT_EQ(std::system(row.command.c_str()), 0) << row.command; });
    }
    const PluginAnswer after = check("a", sandbox, added);
    EXPECT_EQ(after.code(), 101U) << row.reason;
    EXPECT_THAT(after.message(), HasSubstr(row.message)) << row.reason;
    ASSERT_TRUE(call("DEL", "a", sandbox.path()).ok());
    ASSERT_EQ(std::system(row.undo), 0) << row.undo;
  }
}

TEST_F(TowpathPluginTest, CheckTakesWhatLaterPluginsSaidInTheResult) {
  const NetworkNamespace sandbox;
  PluginAnswer added = add("a", sandbox);
  ASSERT_TRUE(added.ok());
  sandbox.run([] { ASSERT_EQ(std::system("ip link set eth0 mtu 1350"), 0); });
  EXPECT_FALSE(check("a", sandbox, added).ok());
  added.document["interfaces"][1]["mtu"] = 1350;
  added.text = added.document.dump();
  // The host side keeps what ADD gave it.
  const PluginAnswer checked = check("a", sandbox, added);
  EXPECT_TRUE(checked.ok()) << checked.text;
}

TEST_F(TowpathPluginTest, CheckTakesASmallerMtuWhereNoResultCanSayIt) {
  const NetworkNamespace sandbox;
  const std::string version = R"({"cniVersion":"1.0.0")";
  const PluginAnswer added = add("a", sandbox, version + "}");
  ASSERT_TRUE(added.ok());
  const auto check_at = [&](const std::string& mtu) {
    sandbox.run([&] { EXPECT_EQ(std::system(("ip link set eth0 mtu " + mtu).c_str()), 0); });
    return call("CHECK", "a", sandbox.path(), version + R"(,"prevResult":)" + added.text + "}");
  };
  const PluginAnswer smaller = check_at("1350");
  EXPECT_TRUE(smaller.ok()) << smaller.text;
  EXPECT_THAT(check_at("1440").message(), HasSubstr("in the sandbox has MTU 1440, not 1430"))
      << "more than the host end takes";
}

TEST_F(TowpathPluginTest, CheckOfWhatIsNotAttached) {
  const NetworkNamespace sandbox;
  EXPECT_EQ(call("CHECK", "a", sandbox.path()).message(),
            "prevResult is missing: CHECK compares with the result of ADD");
  const PluginAnswer added = add("a", sandbox);
  EXPECT_EQ(check("b", sandbox, added).message(), "b/eth0 is not attached to this network");
  const NetworkNamespace other;
  EXPECT_EQ(check("a", other, added).message(), "a/eth0 is attached in another sandbox");
}

TEST_F(TowpathPluginTest, GcRemovesTheDeadAndNothingElse) {
  const NetworkNamespace living;
  auto listed = std::make_unique<NetworkNamespace>();
  auto dead = std::make_unique<NetworkNamespace>();
  auto foreign = std::make_unique<NetworkNamespace>();
  ASSERT_TRUE(add("living", living).ok());
  ASSERT_TRUE(add("listed", *listed).ok());
  ASSERT_TRUE(add("dead", *dead).ok());
  ASSERT_TRUE(add("foreign", *foreign, R"({"name":"other"})").ok());
  listed.reset();
  dead.reset();
  foreign.reset();
  EXPECT_TRUE(call("GC", "", "").ok());
  EXPECT_EQ(records().size(), 4U) << "no list: nothing is removed";
  EXPECT_TRUE(
      call("GC", "", "", R"({"cni.dev/valid-attachments":[{"containerID":"listed","ifname":"eth0"}]})").ok());
  std::vector<std::string> left;
  for (const auto& record : records()) left.push_back(record.attachment.container_id);
  EXPECT_EQ(left, (std::vector<std::string>{"foreign", "listed", "living"}));
  EXPECT_TRUE(call("GC", "", "", R"({"cni.dev/valid-attachments":null})").ok());
  EXPECT_EQ(records().size(), 2U);
  EXPECT_TRUE(ping(records()[1].addresses[0].to_string()))
      << "the list says nothing of it, but its sandbox lives";
}

// The process that made it has gone, and with it the path; another one is still in there.
TEST_F(TowpathPluginTest, GcKeepsASandboxThatHasLostItsPath) {
  const NetworkNamespace sandbox;
  const TemporaryDirectory place;
  const std::string path = place.path() + "/ns";
  ASSERT_EQ(std::system(("touch " + path + " && mount --bind " + sandbox.path() + " " + path).c_str()), 0);
  const PluginAnswer added = call("ADD", "a", path);
  ASSERT_TRUE(added.ok()) << added.text;
  ASSERT_EQ(std::system(("umount " + path + " && rm " + path).c_str()), 0);
  const std::string everything = R"({"cni.dev/valid-attachments":[]})";
  ASSERT_TRUE(call("GC", "", "", everything).ok());
  EXPECT_EQ(records().size(), 1U);
  EXPECT_TRUE(ping(address_of(added, 0)));
  EXPECT_TRUE(ping(address_of(added, 1)));
  sandbox.run([] { ASSERT_EQ(std::system("ip link del eth0"), 0); });
  ASSERT_TRUE(call("GC", "", "", everything).ok());
  EXPECT_TRUE(records().empty());
}

TEST_F(TowpathPluginTest, DelNeedsNoArguments) {
  const NetworkNamespace sandbox;
  ASSERT_TRUE(add("a", sandbox).ok());
  for (const char* args : {"no pair", "K8S_POD_NAME=\xff"}) {
    auto all = variables("ADD", "b", sandbox.path());
    all["CNI_ARGS"] = args;
    EXPECT_EQ(call_plugin(cni::towpath_plugin(), all, config().dump()).code(), 4U);
    all["CNI_COMMAND"] = "DEL";
    EXPECT_TRUE(call_plugin(cni::towpath_plugin(), all, config().dump()).ok());
  }
  auto all = variables("DEL", "a", sandbox.path());
  all["CNI_ARGS"] = "no pair";
  EXPECT_TRUE(call_plugin(cni::towpath_plugin(), all, config().dump()).ok());
  expect_nothing_left();
}

TEST_F(TowpathPluginTest, StatusTellsWhetherAddWouldWork) {
  EXPECT_TRUE(call("STATUS", "", "").ok());
  const PluginAnswer no_block = call("STATUS", "", "", R"({"ipam":{"type":"towpath-ipam"}})");
  EXPECT_EQ(no_block.code(), 50U);
  const std::string one = R"({"ipam":{"type":"towpath-ipam","blocks":["10.9.7.1/32"]}})";
  const NetworkNamespace sandbox;
  ASSERT_TRUE(add("a", sandbox, one).ok());
  EXPECT_EQ(call("STATUS", "", "", one).code(), 50U);
  EXPECT_EQ(call("STATUS", "", "", one).message(), "no free ipv4 address in 10.9.7.1/32");
}

TEST_F(TowpathPluginTest, ASandboxWithIpv6SwitchedOff) {
  const NetworkNamespace sandbox;
  sandbox.run([] {
    ASSERT_TRUE(netlink::write_sysctl("net/ipv6/conf/all/disable_ipv6", "1"));
    ASSERT_TRUE(netlink::write_sysctl("net/ipv6/conf/default/disable_ipv6", "1"));
  });
  const PluginAnswer added = add("a", sandbox);
  ASSERT_TRUE(added.ok()) << added.text;
  EXPECT_TRUE(ping("fd00:9::1"));
  const PluginAnswer checked = check("a", sandbox, added);
  EXPECT_TRUE(checked.ok()) << checked.text;
}

TEST_F(TowpathPluginTest, RoutesOfTheConfigurationReplaceTheDefaultRoutes) {
  const NetworkNamespace sandbox;
  const PluginAnswer added =
      add("a", sandbox, R"({"ipam":{"type":"towpath-ipam","blocks":["10.9.0.0/24","fd00:9::/120"],
      "routes":[{"dst":"192.0.2.0/24","mtu":1400,"priority":50},{"dst":"2001:db8::/32","gw":"fe80::1","table":0}]}})");
  ASSERT_TRUE(added.ok()) << added.text;
  EXPECT_EQ(added.document["routes"],
            Json::parse(R"([{"dst":"192.0.2.0/24","gw":"169.254.1.1","mtu":1400,"priority":50},
                                                      {"dst":"2001:db8::/32","gw":"fe80::1"}])"));
  EXPECT_TRUE(ping_from(sandbox, "192.0.2.1"));
  EXPECT_TRUE(ping_from(sandbox, "2001:db8::1"));
  sandbox.run(
      [] { EXPECT_NE(std::system("ip route get 203.0.113.1 >/dev/null 2>&1"), 0) << "no default route"; });
  const PluginAnswer checked = check("a", sandbox, added);
  EXPECT_TRUE(checked.ok()) << checked.text;
  const PluginAnswer refused = add("b", sandbox, R"({"ipam":{"type":"towpath-ipam","blocks":["10.9.0.0/24"],
      "routes":[{"dst":"192.0.2.0/24","gw":"10.9.0.1"}]}})");
  EXPECT_EQ(refused.code(), 2U);
  EXPECT_EQ(refused.message(),
            "ipam.routes[0].gw: '10.9.0.1' is not supported by this plugin: all routes of a container are by "
            "169.254.1.1, its host");
}

TEST_F(TowpathPluginTest, TheLongestContainerId) {
  const NetworkNamespace sandbox;
  const std::string longest(239, 'c');
  const std::string name = "interface-15-ch";  // the longest of these, too
  auto variables_of = [&](const std::string& verb, const std::string& id) {
    auto all = variables(verb, id, sandbox.path());
    all["CNI_IFNAME"] = name;
    return all;
  };
  const PluginAnswer added =
      call_plugin(cni::towpath_plugin(), variables_of("ADD", longest), config().dump());
  ASSERT_TRUE(added.ok()) << added.text;
  EXPECT_EQ(netlink::find_link(*socket_, ipam::host_ifname({longest, name}))->alias, longest + "/" + name);
  EXPECT_TRUE(call_plugin(cni::towpath_plugin(), variables_of("DEL", longest), config().dump()).ok());
  const PluginAnswer refused =
      call_plugin(cni::towpath_plugin(), variables_of("ADD", longest + "c"), config().dump());
  EXPECT_EQ(refused.code(), 4U);
  EXPECT_EQ(refused.message(), "CNI_CONTAINERID: 240 characters are more than 239");
  expect_nothing_left();
}

TEST_F(TowpathPluginTest, OneFamilyOnly) {
  const NetworkNamespace sandbox;
  const PluginAnswer added =
      add("a", sandbox, R"({"mtu":1000,"ipam":{"type":"towpath-ipam","blocks":["10.9.0.0/24"]}})");
  ASSERT_TRUE(added.ok()) << added.text;
  EXPECT_EQ(added.document["ips"].size(), 1U);
  EXPECT_EQ(added.document["interfaces"][1]["mtu"], 1000);
  EXPECT_TRUE(ping("10.9.0.1"));
}

TEST_F(TowpathPluginTest, ResultsOfEarlierPluginsArePassedOn) {
  const NetworkNamespace sandbox;
  const PluginAnswer added =
      add("a", sandbox, R"({"prevResult":{"cniVersion":"1.1.0","interfaces":[{"name":"lo","sandbox":"/x"}],
      "ips":[{"address":"127.0.0.1/8","interface":0}],"dns":{"domain":"x"}}})");
  ASSERT_TRUE(added.ok()) << added.text;
  ASSERT_EQ(added.document["interfaces"].size(), 3U);
  EXPECT_EQ(added.document["interfaces"][0]["name"], "lo");
  EXPECT_EQ(added.document["ips"][0]["interface"], 0);
  EXPECT_EQ(added.document["ips"][1]["interface"], 2);
  EXPECT_EQ(added.document["dns"]["domain"], "x");
}

}  // namespace
}  // namespace towpath::test
