#include "agent/config/read_advertise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/config/parse_config.h"

namespace towpath::agent {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string file_with(const std::string& more) {
  return "node: host-a\nrouter_id: 192.0.2.1\nas: 64512\npools: [10.64.0.0/16]\nblocks: [10.64.1.0/26]\n"
         "peers: [{name: host-b, address: 192.0.2.2, as: 64512, blocks: [10.64.2.0/26]}]\n" +
         more;
}

std::string complaint(const std::string& more) {
  const auto config = parse_config(file_with(more), "t.yaml");
  if (config) return "";
  std::string text;
  for (const std::string& line : config.error()) text += line + "\n";
  return text;
}

Prefix prefix(const char* text) {
  return *Prefix::parse(text);
}

TEST(ReadAdvertise, PrefixesWithAndWithoutAHealthCheck) {
  const auto config = parse_config(file_with(R"(
advertise:
  - 192.0.2.80/32
  - {prefix: 10.64.1.9/32}
  - prefix: 2001:db8::80/128
    health: {tcp: "[2001:db8::80]:443", interval: 10, timeout: 4, rise: 1, fall: 7}
  - {prefix: 192.0.2.81/32, health: {tcp: "192.0.2.81:80", interval: 1}}
advertise_leases: [192.0.2.64/26, "2001:db8::/64"]
)"),
                                   "t.yaml");
  ASSERT_TRUE(config.has_value()) << testing::PrintToString(config.error());
  ASSERT_EQ(config->advertise.size(), 4U);
  EXPECT_EQ(config->advertise[0], (ServicePrefix{prefix("192.0.2.80/32"), {}}));
  EXPECT_EQ(config->advertise[1], (ServicePrefix{prefix("10.64.1.9/32"), {}})) << "inside an own block";
  const HealthCheck v6{.address = *IpAddress::parse("2001:db8::80"),
                       .port = 443,
                       .interval = 10s,
                       .timeout = 4s,
                       .rise = 1,
                       .fall = 7};
  EXPECT_EQ(config->advertise[2], (ServicePrefix{prefix("2001:db8::80/128"), v6}));
  const HealthCheck v4{.address = *IpAddress::parse("192.0.2.81"), .port = 80, .interval = 1s, .timeout = 1s};
  EXPECT_EQ(config->advertise[3].health, v4) << "an attempt lasts no longer than the interval";
  EXPECT_THAT(config->advertise_leases, ElementsAre(prefix("192.0.2.64/26"), prefix("2001:db8::/64")));
  EXPECT_EQ(config->speaker.originate, config->blocks) << "the agent adds the services that are healthy";
}

TEST(ReadAdvertise, RefusesWithLineAndReason) {
  struct Row {
    const char* text;
    const char* complaint;
  };
  for (const Row& row : {
           Row{"advertise: [192.0.2.81/24]", "the network is 192.0.2.0/24"},
           Row{"advertise: [0.0.0.0/0]", "has addresses of 0.0.0.0/8"},
           Row{"advertise: [\"ff02::/64\"]", "has addresses of ff00::/8"},
           Row{"advertise: [10.64.1.0/26]",
               "t.yaml:7: advertise[0]: value '10.64.1.0/26': is a block of this host already"},
           Row{"advertise: [10.64.2.9/32]", "meets 10.64.2.0/26, a block of host-b"},
           Row{"advertise: [10.64.0.0/16]", "meets 10.64.2.0/26, a block of host-b"},
           Row{"advertise: [192.0.2.80/32, 192.0.2.80/32]", "is on line 7 already"},
           Row{"advertise: [{health: {tcp: \"1.2.3.4:1\"}}]", "advertise[0].prefix"},
           Row{"advertise: [{prefix: 192.0.2.80/32, health: {}}]", "advertise[0].health.tcp"},
           Row{"advertise: [{prefix: 192.0.2.80/32, health: {tcp: 192.0.2.80}}]", "must be ADDRESS:PORT"},
           Row{"advertise: [{prefix: 192.0.2.80/32, health: {tcp: \"2001:db8::1:80\"}}]",
               "must be ADDRESS:PORT"},
           Row{"advertise: [{prefix: 192.0.2.80/32, health: {tcp: \"[192.0.2.80]:80\"}}]",
               "must be ADDRESS:PORT"},
           Row{"advertise: [{prefix: 192.0.2.80/32, health: {tcp: \"192.0.2.80:0\"}}]", "from 1 to 65535"},
           Row{"advertise: [{prefix: 192.0.2.80/32, health: {tcp: \"224.0.0.1:80\"}}]",
               "is no address of a service"},
           Row{"advertise: [{prefix: 192.0.2.80/32, health: {tcp: \"1.2.3.4:1\", interval: 0}}]",
               "from 1 to 3600"},
           Row{"advertise: [{prefix: 192.0.2.80/32, health: {tcp: \"1.2.3.4:1\", timeout: 6}}]",
               "from 1 to 5"},
           Row{"advertise: [{prefix: 192.0.2.80/32, health: {tcp: \"1.2.3.4:1\", rise: 0}}]",
               "from 1 to 100"},
           Row{"advertise: [{prefix: 192.0.2.80/32, helth: {}}]", "did you mean 'health'?"},
           Row{"advertise_leases: [0.0.0.0/0]", "has addresses of 0.0.0.0/8"},
           Row{"advertise_leases: [192.0.2.0/24, 192.0.2.80/32]", "overlaps 192.0.2.0/24"},
       }) {
    EXPECT_THAT(complaint(row.text), HasSubstr(row.complaint)) << row.text;
  }
}

}  // namespace
}  // namespace towpath::agent
