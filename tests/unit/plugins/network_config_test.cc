#include "plugins/towpath/network_config.h"

#include <gtest/gtest.h>

namespace towpath::cni {
namespace {

CniExpected<NetworkConfig> parse(const std::string& keys) {
  CniRequest request;
  request.config = Json::parse(R"({"cniVersion":"1.1.0","name":"n","type":"towpath")" +
                               (keys.empty() ? "" : "," + keys) + "}");
  return NetworkConfig::parse(request);
}

TEST(NetworkConfig, DefaultsAreComplete) {
  const auto config = parse("");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->mtu, 0U);
  EXPECT_EQ(config->ipam.type, "towpath-ipam");
  EXPECT_EQ(config->ipam.state_dir, "/run/towpath");
  EXPECT_EQ(config->control_socket, "/run/towpath/towpathd.sock");
  EXPECT_EQ(config->network_policies, "/etc/towpath/policies");
  EXPECT_TRUE(config->ipam.choice.blocks.empty());
  EXPECT_FALSE(config->maps_ports);
}

TEST(NetworkConfig, EverythingSet) {
  const auto config = parse(R"("mtu":1400,"stateDir":"/s","dns":{"domain":"x"},
    "ipam":{"type":"towpath-ipam","blocks":["10.0.0.0/26","fd00::/122"],"routes":[{"dst":"10.0.0.0/8","mtu":1300}]},
    "args":{"cni":{"labels":[{"key":"app","value":"web"},{"key":"bare"}],"ips":["10.0.0.9"]}},
    "capabilities":{"portMappings":true},"runtimeConfig":{},"unknown":1)");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->mtu, 1400U);
  EXPECT_EQ(config->ipam.choice.blocks.size(), 2U);
  EXPECT_EQ(config->ipam.choice.addresses.at(0).to_string(), "10.0.0.9");
  EXPECT_EQ(config->ipam.routes.at(0).mtu, 1300U);
  EXPECT_EQ(config->ipam.labels, (std::map<std::string, std::string>{{"app", "web"}, {"bare", ""}}));
  EXPECT_EQ(config->dns, Json::parse(R"({"domain":"x"})"));
  EXPECT_TRUE(config->maps_ports);
}

TEST(NetworkConfig, AForeignIpamIsNotLookedInto) {
  const auto config = parse(R"("ipam":{"type":"host-local","ranges":7})");
  ASSERT_TRUE(config);
  EXPECT_FALSE(config->ipam.is_own());
}

TEST(NetworkConfig, WhatIsWrongIsNamedWithItsValue) {
  struct Row {
    const char* keys;
    unsigned code;
    const char* message;
  };
  const Row rows[] = {
      {R"("mtu":"1500")", 7, "mtu: '1500' is not a whole number from 0 to 65535"},
      {R"("mtu":-1)", 7, "mtu: '-1' is not a whole number from 0 to 65535"},
      {R"("mtu":70000)", 7, "mtu: '70000' is not a whole number from 0 to 65535"},
      {R"("mtu":67)", 7, "mtu: '67' is below 68"},
      {R"("stateDir":7)", 7, "stateDir: '7' is not a string"},
      {R"("stateDir":"state")", 7, "stateDir: 'state' is not an absolute path"},
      {R"("controlSocket":{})", 7, "controlSocket: '{}' is not a string"},
      {R"("controlSocket":"sock")", 7, "controlSocket: 'sock' is not an absolute path"},
      {R"("networkPolicies":1)", 7, "networkPolicies: '1' is not a string"},
      {R"("networkPolicies":"policies")", 7, "networkPolicies: 'policies' is not an absolute path"},
      {R"("capabilities":{"portMappings":"true"})", 7,
       "capabilities.portMappings: 'true' is neither true nor false"},
      {R"("ipam":"towpath-ipam")", 7, "ipam: 'towpath-ipam' is not an object"},
      {R"("ipam":{"type":1})", 7, "ipam.type: '1' is not a string"},
      {R"("ipam":{"type":"towpath-ipam","ranges":[]})", 2,
       "ipam.ranges: '[]': unknown key; known here are type, blocks, routes, pools, pool, exclude, reserve, "
       "coolDown, borrow, gateway"},
      {R"("ipam":{"blocks":"10.0.0.0/26"})", 7, "ipam.blocks: '10.0.0.0/26' is not a list"},
      {R"("ipam":{"blocks":[1]})", 7, "ipam.blocks[0]: '1' is not a string"},
      {R"("ipam":{"blocks":["10.0.0.1/26"]})", 7,
       "ipam.blocks[0]: '10.0.0.1/26' has bits set beyond its length; the network is 10.0.0.0/26"},
      {R"("ipam":{"blocks":["10.0.0.0/26","10.0.0.32/27"]})", 7,
       "ipam.blocks[1]: '10.0.0.32/27' overlaps 10.0.0.0/26"},
      {R"("ipam":{"routes":[{"gw":"10.0.0.1"}]})", 7, "ipam.routes[0].dst is missing"},
      {R"("ipam":{"routes":[{"dst":"0.0.0.0/0","advmss":1400}]})", 2,
       "ipam.routes[0].advmss: '1400' is not supported by this plugin"},
      {R"("dns":[])", 7, "dns: '[]' is not an object"},
      {R"("dns":{"nameservers":"10.0.0.1"})", 7, "dns.nameservers: '10.0.0.1' is not a list"},
      {R"("dns":{"nameservers":["fe80::1%eth0","resolver"]})", 7,
       "dns.nameservers[1]: 'resolver' is not an IP address"},
      {R"("dns":{"search":[1]})", 7, "dns.search[0]: '1' is not a string"},
      {R"("dns":{"domain":["x"]})", 7, R"(dns.domain: '["x"]' is not a string)"},
      {R"("dns":{"options":[{}]})", 7, "dns.options[0]: '{}' is not a string"},
      {R"("args":[])", 7, "args: '[]' is not an object"},
      {R"("args":{"cni":{"labels":{}}})", 7, "args.cni.labels: '{}' is not a list"},
      {R"("args":{"cni":{"labels":[{"value":"x"}]}})", 7,
       R"(args.cni.labels[0]: '{"value":"x"}' has no key)"},
  };
  for (const Row& row : rows) {
    const auto config = parse(row.keys);
    ASSERT_FALSE(config) << row.keys;
    EXPECT_EQ(config.error().message, row.message);
    EXPECT_EQ(static_cast<unsigned>(config.error().code), row.code) << row.keys;
  }
}

}  // namespace
}  // namespace towpath::cni
