#include "plugins/common/cni_result.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace towpath::cni {
namespace {

// Everything a result can say.
CniResult full_result() {
  CniResult result;
  result.interfaces = {
      {.name = "tp0123456789abc", .mac = "02:74:70:00:00:01", .mtu = 1450},
      {.name = "eth0",
       .mac = "02:00:5e:00:53:01",
       .mtu = 1450,
       .sandbox = "/run/netns/a",
       .socket_path = "/s",
       .pci_id = "0000:00:1f.6"},
  };
  result.ips = {{*InterfaceAddress::parse("10.64.1.5/32"), *IpAddress::parse("169.254.1.1"), 1},
                {*InterfaceAddress::parse("fd00::5/128"), *IpAddress::parse("fe80::1"), 0},
                {*InterfaceAddress::parse("10.64.1.6/32"), std::nullopt, std::nullopt}};
  result.routes = {{.destination = *Prefix::parse("0.0.0.0/0"), .gateway = *IpAddress::parse("169.254.1.1")},
                   {.destination = *Prefix::parse("fd00::/8"),
                    .gateway = std::nullopt,
                    .mtu = 1400,
                    .advmss = 1340,
                    .priority = 7,
                    .table = 0,
                    .scope = 0}};
  result.dns = Json::parse(R"({"nameservers":["10.64.0.10"],"domain":"test"})");
  return result;
}

std::string golden_path(const std::string& name) {
  return std::string(TOWPATH_GOLDEN_DIR) + "/" + name;
}

// Compares with the file, or rewrites it when TOWPATH_UPDATE_GOLDEN is set.
void expect_golden(const std::string& name, const std::string& text) {
  if (std::getenv("TOWPATH_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(golden_path(name)) << text;
    return;
  }
  std::stringstream wanted;
  wanted << std::ifstream(golden_path(name)).rdbuf();
  EXPECT_EQ(text, wanted.str()) << name << " (TOWPATH_UPDATE_GOLDEN=1 rewrites it)";
}

TEST(CniResult, EachVersionSaysWhatItHasKeysFor) {
  for (const CniVersion& version : kSupportedVersions) {
    expect_golden("result-" + version.to_string() + ".json", full_result().to_json(version).dump(2) + "\n");
    CniResult abbreviated = full_result();
    abbreviated.interfaces.clear();
    for (CniIp& ip : abbreviated.ips) ip.interface.reset();
    expect_golden("ipam-result-" + version.to_string() + ".json",
                  abbreviated.to_json(version).dump(2) + "\n");
  }
}

TEST(CniResult, TheNewestVersionComesBackWhole) {
  const CniResult result = full_result();
  const auto parsed = CniResult::parse(result.to_json(kNewestVersion), "prevResult");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->interfaces, result.interfaces);
  EXPECT_EQ(parsed->ips, result.ips);
  EXPECT_EQ(parsed->routes, result.routes);
  EXPECT_EQ(parsed->dns, result.dns);
}

TEST(CniResult, EveryVersionIsReadAlike) {
  for (const CniVersion& version : kSupportedVersions) {
    const auto parsed = CniResult::parse(full_result().to_json(version), "prevResult");
    ASSERT_TRUE(parsed) << version.to_string() << parsed.error().message;
    EXPECT_EQ(parsed->ips, full_result().ips) << "index 0 is an index, absent is not";
    EXPECT_EQ(parsed->to_json(version), full_result().to_json(version));
  }
}

TEST(CniResult, WhatIsWrongIsNamed) {
  struct Row {
    const char* json;
    const char* message;
  };
  const Row rows[] = {
      {"7", "r: '7' is not an object"},
      {R"({"ips":{}})", "r.ips: '{}' is not a list"},
      {R"({"ips":[7]})", "r.ips[0]: '7' is not an object"},
      {R"({"ips":[{}]})", "r.ips[0].address is missing"},
      {R"({"ips":[{"address":"10.0.0.1/33"}]})",
       "r.ips[0].address: '10.0.0.1/33': the prefix length must be 0 to 32"},
      {R"({"ips":[{"address":"10.0.0.1/32","gateway":"x"}]})", "r.ips[0].gateway: 'x' is not an IP address"},
      {R"({"ips":[{"address":"10.0.0.1/32","interface":-1}]})",
       "r.ips[0].interface: '-1' is not a whole number from 0 to 4294967295"},
      {R"({"interfaces":[{"name":1}]})", "r.interfaces[0].name: '1' is not a string"},
      {R"({"routes":[{"dst":"x/1"}]})", "r.routes[0].dst: 'x/1' is not a prefix"},
      {R"({"routes":[{"dst":"::/0","scope":256}]})",
       "r.routes[0].scope: '256' is not a whole number from 0 to 255"},
      {R"({"dns":"8.8.8.8"})", "r.dns: '8.8.8.8' is not an object"},
  };
  for (const Row& row : rows) {
    const auto parsed = CniResult::parse(Json::parse(row.json), "r");
    ASSERT_FALSE(parsed) << row.json;
    EXPECT_EQ(parsed.error().message, row.message);
    EXPECT_EQ(parsed.error().code, CniCode::kInvalidConfig);
  }
}

TEST(CniResult, NullIsAbsent) {
  const auto parsed =
      CniResult::parse(Json::parse(R"({"ips":null,"interfaces":null,"routes":null,"dns":null})"), "r");
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->ips.empty());
}

}  // namespace
}  // namespace towpath::cni
