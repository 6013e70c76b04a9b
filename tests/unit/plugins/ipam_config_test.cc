// What a network configuration and a runtime may say about addresses, and what towpath-ipam then gives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/common/host_ipam.h"
#include "plugins/towpath-ipam/ipam_plugin.h"
#include "tests/support/plugin_call.h"
#include "tests/support/temporary_directory.h"

namespace towpath::cni {
namespace {

using testing::HasSubstr;

// Several pools in one network; this host owns a block of each.
class IpamConfigTest : public testing::Test {
 protected:
  static constexpr const char* kPools = R"("pools":[
      {"name":"databases","prefixes":["10.65.0.0/16","fd00:65::/32"],"namespaces":["db","cache"]},
      {"name":"web","prefixes":["10.66.0.0/16"],"namespaces":["web"]},
      {"name":"rest","prefixes":["10.64.0.0/16","fd00:64::/32"]}])";

  IpamConfigTest() {
    auto store = ipam::StateStore::open(directory_.path(), ipam::StateStore::OpenMode::kCreate);
    std::vector<Prefix> blocks;
    for (const char* text :
         {"10.64.1.0/26", "fd00:64:1::/122", "10.65.1.0/26", "fd00:65:1::/122", "10.66.1.0/26"}) {
      blocks.push_back(*Prefix::parse(text));
    }
    if (!store || !store->set_owned_blocks(blocks)) throw std::runtime_error("no state store");
  }

  // `ipam`: further keys of that object; `more`: of the configuration.
  test::PluginAnswer call(const std::string& verb, const std::string& ipam, const std::string& more = "",
                          const std::string& args = "", const std::string& container = "a") {
    const std::string config = R"({"cniVersion":"1.1.0","name":"net","type":"x","stateDir":")" +
                               directory_.path() + R"(","ipam":{"type":"towpath-ipam")" +
                               (ipam.empty() ? "" : "," + ipam) + "}" + (more.empty() ? "" : "," + more) +
                               "}";
    const std::map<std::string, std::string> environment{{"CNI_COMMAND", verb},
                                                         {"CNI_CONTAINERID", container},
                                                         {"CNI_IFNAME", "eth0"},
                                                         {"CNI_NETNS", "/run/netns/x"},
                                                         {"CNI_ARGS", args}};
    return test::call_plugin(ipam_plugin(), environment, config,
                             [](const std::string&) { return NetnsFacts{true, true, false, 7}; });
  }
  // The addresses of an ADD in one text, or its error; the container is gone again afterwards.
  std::string add(const std::string& ipam, const std::string& more = "", const std::string& args = "") {
    const test::PluginAnswer answer = call("ADD", ipam, more, args);
    if (!answer.ok()) return std::to_string(answer.code()) + " " + answer.message();
    std::string text;
    for (const Json& ip : answer.document["ips"])
      text += (text.empty() ? "" : " ") + ip["address"].get<std::string>();
    EXPECT_TRUE(call("DEL", ipam, more, args).ok());
    return text;
  }

  test::TemporaryDirectory directory_;
};

TEST_F(IpamConfigTest, ThePoolFollowsTheNamespaceOrIsAskedFor) {
  EXPECT_EQ(add(kPools, "", "K8S_POD_NAMESPACE=db"), "10.65.1.1/32 fd00:65:1::1/128");
  EXPECT_EQ(add(kPools, "", "K8S_POD_NAMESPACE=cache"), "10.65.1.2/32 fd00:65:1::2/128");
  EXPECT_EQ(add(kPools, "", "K8S_POD_NAMESPACE=web"), "10.66.1.1/32") << "this pool has one family";
  EXPECT_EQ(add(kPools, "", "K8S_POD_NAMESPACE=other"), "10.64.1.1/32 fd00:64:1::1/128");
  EXPECT_EQ(add(kPools), "10.64.1.2/32 fd00:64:1::2/128") << "no Kubernetes";
  EXPECT_EQ(add(std::string(kPools) + R"(,"pool":"web")", "", "K8S_POD_NAMESPACE=db"), "10.66.1.2/32")
      << "the network's choice";
  EXPECT_EQ(add(std::string(kPools) + R"(,"pool":"web")", R"("args":{"cni":{"pool":"databases"}})"),
            "10.65.1.3/32 fd00:65:1::3/128")
      << "the container's counts more";
}

TEST_F(IpamConfigTest, NoPoolFits) {
  EXPECT_EQ(add(kPools, R"("args":{"cni":{"pool":"gold"}})"),
            "7 pool: 'gold' is none of ipam.pools (databases, web, rest)");
  EXPECT_EQ(add(R"("pools":[{"name":"w","prefixes":["10.66.0.0/16"],"namespaces":["web"]}])", "",
                "K8S_POD_NAMESPACE=db"),
            "7 ipam.pools: none is for the namespace 'db'");
  EXPECT_EQ(add(R"("pools":[{"name":"p","prefixes":["10.99.0.0/16"]}])"),
            "11 this host has no block inside the pool 10.99.0.0/16");
  EXPECT_EQ(add(R"("pools":[{"name":"p","prefixes":["10.64.1.0/28"]}])"),
            "7 pool 10.64.1.0/28 is smaller than the block 10.64.1.0/26 of this host");
}

TEST_F(IpamConfigTest, AddressesByName) {
  constexpr const char* kCapability = R"("runtimeConfig":{"ips":["10.64.1.40/24","fd00:64:1::9"]})";
  EXPECT_EQ(add(kPools, kCapability), "10.64.1.40/32 fd00:64:1::9/128");
  EXPECT_EQ(add(kPools, R"("args":{"cni":{"ips":["10.64.1.41"]}})"), "10.64.1.41/32 fd00:64:1::1/128");
  EXPECT_EQ(add(kPools, "", "IP=10.64.1.42,fd00:64:1::a"), "10.64.1.42/32 fd00:64:1::a/128");
  EXPECT_EQ(
      add(kPools, std::string(kCapability) + R"(,"args":{"cni":{"ips":["10.64.1.41"]}})", "IP=10.64.1.42"),
      "10.64.1.40/32 fd00:64:1::9/128")
      << "the capability counts most";
}

TEST_F(IpamConfigTest, TwoContainersAskForTheSameAddress) {
  ASSERT_TRUE(call("ADD", kPools, R"("runtimeConfig":{"ips":["10.64.1.7"]})", "", "first").ok());
  const auto second =
      call("ADD", kPools, R"("runtimeConfig":{"ips":["10.64.1.8","10.64.1.7"]})", "", "second");
  EXPECT_EQ(second.code(), 103U);
  EXPECT_EQ(second.message(),
            "runtimeConfig.ips[1]: address 10.64.1.7 is in use by first/eth0 of network net");
  EXPECT_EQ(add(kPools, R"("runtimeConfig":{"ips":["10.64.1.8"]})"), "10.64.1.8/32 fd00:64:1::2/128")
      << "the refused call has left nothing";
  ASSERT_TRUE(call("DEL", kPools, "", "", "first").ok());
  EXPECT_TRUE(call("ADD", kPools, R"("runtimeConfig":{"ips":["10.64.1.7"]})", "", "second").ok())
      << "at once";
}

TEST_F(IpamConfigTest, ExcludedAndReserved) {
  const std::string ipam =
      std::string(kPools) +
      R"(,"exclude":["10.64.1.1","10.64.1.3-10.64.1.4"],"reserve":["10.64.1.2","fd00:64:1::/123"])";
  EXPECT_EQ(add(ipam), "10.64.1.5/32 fd00:64:1::20/128");
  EXPECT_EQ(add(ipam, "", "IP=10.64.1.2"), "10.64.1.2/32 fd00:64:1::21/128") << "reserved for who asks";
  EXPECT_EQ(add(ipam, "", "IP=10.64.1.4"), "7 CNI_ARGS: IP: address 10.64.1.4 is in ipam.exclude");
}

TEST_F(IpamConfigTest, RangesOfTheRuntime) {
  const auto ranges = [](const std::string& sets) { return R"("runtimeConfig":{"ipRanges":)" + sets + "}"; };
  EXPECT_EQ(add("", ranges(R"([[{"subnet":"10.70.0.0/24","rangeStart":"10.70.0.9","rangeEnd":"10.70.0.10",
                                 "gateway":"10.70.0.9"}],[{"subnet":"fd00:70::/64"}]])")),
            "10.70.0.10/32 fd00:70::1/128")
      << "the gateway of another plugin's network is left out";
  EXPECT_EQ(add("", ranges(R"([[{"subnet":"10.70.0.0/24","rangeStart":"10.70.0.20"}]])"), "IP=10.70.0.9"),
            "7 CNI_ARGS: IP: address 10.70.0.9 lies outside the ranges");
  EXPECT_EQ(add("", ranges(R"([[{"subnet":"10.70.0.0/24","rangeStart":"10.71.0.9"}]])")),
            "7 runtimeConfig.ipRanges[0][0].rangeStart: '10.71.0.9' lies outside 10.70.0.0/24");
  EXPECT_EQ(
      add("", ranges(R"([[{"subnet":"10.70.0.0/24","rangeStart":"10.70.0.9","rangeEnd":"10.70.0.8"}]])")),
      "7 runtimeConfig.ipRanges[0][0].rangeEnd: '10.70.0.8' lies before rangeStart 10.70.0.9");
}

TEST_F(IpamConfigTest, AWrongWishDoesNotKeepDelFromItsWork) {
  ASSERT_TRUE(call("ADD", kPools).ok());
  EXPECT_TRUE(
      call("DEL", kPools, R"("runtimeConfig":{"ips":[7]},"args":{"cni":{"pool":"gold"}})", "IP=x").ok());
  EXPECT_TRUE(call("STATUS", kPools).ok());
}

TEST_F(IpamConfigTest, WhatIsWrongIsNamedWithItsValue) {
  struct Row {
    const char* ipam;
    const char* more;
    const char* args;
    const char* error;
  };
  const Row rows[] = {
      {R"("frob":1)", "", "",
       "2 ipam.frob: '1': unknown key; known here are type, blocks, routes, pools, pool, exclude, reserve, "
       "coolDown, borrow, gateway"},
      {R"("pools":{})", "", "", "7 ipam.pools: '{}' is not a list"},
      {R"("pools":[1])", "", "", "7 ipam.pools[0]: '1' is not an object"},
      {R"("pools":[{"prefixes":["10.0.0.0/8"]}])", "", "",
       "7 ipam.pools[0]: '{\"prefixes\":[\"10.0.0.0/8\"]}' has no name"},
      {R"("pools":[{"name":"a"}])", "", "", "7 ipam.pools[0]: '{\"name\":\"a\"}' has no prefixes"},
      {R"("pools":[{"name":"a","prefixes":["10.0.0.0/8"],"size":1}])", "", "",
       "2 ipam.pools[0].size: '1': unknown key; known here are name, prefixes, namespaces"},
      {R"("pools":[{"name":"a","prefixes":["10.0.0.1/8"]}])", "", "",
       "7 ipam.pools[0].prefixes[0]: '10.0.0.1/8' has bits set beyond its length; the network is 10.0.0.0/8"},
      {R"("pools":[{"name":"a","prefixes":["10.0.0.0/8","10.1.0.0/16"]}])", "", "",
       "7 ipam.pools[0].prefixes[1]: '10.1.0.0/16' overlaps 10.0.0.0/8"},
      {R"("pools":[{"name":"a","prefixes":["10.0.0.0/8"]},{"name":"b","prefixes":["10.1.0.0/16"]}])", "", "",
       "7 ipam.pools[1].prefixes: '10.1.0.0/16' overlaps 10.0.0.0/8 of pool a"},
      {R"("pools":[{"name":"a","prefixes":["10.0.0.0/8"]},{"name":"a","prefixes":["11.0.0.0/8"]}])", "", "",
       "7 ipam.pools[1].name: 'a' is the name of another pool"},
      {R"("pools":[{"name":"a","prefixes":["10.0.0.0/8"],"namespaces":[1]}])", "", "",
       "7 ipam.pools[0].namespaces[0]: '1' is not a string"},
      {R"("pool":1)", "", "", "7 ipam.pool: '1' is not a string"},
      {R"("exclude":["10.0.0.9-10.0.0.1"])", "", "",
       "7 ipam.exclude[0]: '10.0.0.9-10.0.0.1': 10.0.0.1 does not come after 10.0.0.9"},
      {R"("reserve":[7])", "", "", "7 ipam.reserve[0]: '7' is not a string"},
      {R"("borrow":1)", "", "", "7 ipam.borrow: '1' is neither true nor false"},
      {R"("coolDown":-1)", "", "", "7 ipam.coolDown: '-1' is not a whole number from 0 to 86400"},
      {"", R"("runtimeConfig":{"ips":["10.64.1.9","10.64.1.9/24"]})", "",
       "7 runtimeConfig.ips[1]: '10.64.1.9/24' stands there twice"},
      {"", R"("runtimeConfig":{"ips":"10.64.1.9"})", "", "7 runtimeConfig.ips: '10.64.1.9' is not a list"},
      {"", R"("runtimeConfig":{"ips":["10.64.1.9"]})", "IP=x", "ok"},
      {"", R"("runtimeConfig":{"ips":["10.99.1.9"]})", "",
       "7 runtimeConfig.ips[0]: address 10.99.1.9 lies in none of the blocks 10.64.1.0/26, 10.65.1.0/26, "
       "10.66.1.0/26"},
      {"", R"("args":{"cni":{"ips":["10.64.1.9","10.99.1.9/24"]}})", "",
       "7 args.cni.ips[1]: address 10.99.1.9 lies in none of the blocks 10.64.1.0/26, 10.65.1.0/26, "
       "10.66.1.0/26"},
      {"", "", "IP=10.64.1.9,10.64.1.0",
       "7 CNI_ARGS: IP: address 10.64.1.0 is the first of the block 10.64.1.0/26, which serves no container"},
      {"", R"("runtimeConfig":{"ipRanges":[{}]})", "",
       "7 runtimeConfig.ipRanges[0]: '{}' is not a list of ranges"},
      {"", R"("runtimeConfig":{"ipRanges":[[{"subnet":"10.0.0.0/24"},{"subnet":"10.0.0.0/25"}]]})", "",
       "7 runtimeConfig.ipRanges[0][1].subnet: '10.0.0.0/25' overlaps 10.0.0.0/24"},
      {"", R"("args":{"cni":{"ips":[1]}})", "", "7 args.cni.ips[0]: '1' is not a string"},
  };
  for (const Row& row : rows) {
    const auto answer = call("ADD", row.ipam, row.more, row.args);
    const std::string said = answer.ok() ? "ok" : std::to_string(answer.code()) + " " + answer.message();
    EXPECT_EQ(said, row.error) << row.ipam << row.more;
  }
  const auto variable = call("ADD", "", "", "IP=10.64.1", "b");
  EXPECT_EQ(variable.code(), 4U);
  EXPECT_THAT(variable.message(), HasSubstr("CNI_ARGS: IP: '10.64.1'"));
}

}  // namespace
}  // namespace towpath::cni
