#include "plugins/towpath/capabilities.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

namespace towpath::cni {
namespace {

// `keys` of the network configuration; `args` as in CNI_ARGS.
CniExpected<Capabilities> parse(const std::string& keys, std::map<std::string, std::string> args = {}) {
  CniRequest request;
  request.config = Json::parse("{" + keys + "}");
  request.args = std::move(args);
  return Capabilities::parse(request);
}

CniExpected<Capabilities> runtime(const std::string& keys) {
  return parse(R"("runtimeConfig":{)" + keys + "}");
}

TEST(Capabilities, NothingAskedIsNothingGiven) {
  for (const char* keys :
       {"", R"("runtimeConfig":{})", R"("runtimeConfig":null)",
        R"("runtimeConfig":{"mac":"","portMappings":null,"bandwidth":{},"dns":{"servers":[]}})"}) {
    const auto asked = parse(keys);
    ASSERT_TRUE(asked) << asked.error().message;
    EXPECT_FALSE(asked->mac) << keys;
    EXPECT_TRUE(asked->dns.is_null()) << keys;
    EXPECT_TRUE(asked->ports.empty()) << keys;
    EXPECT_EQ(asked->bandwidth, ipam::Bandwidth()) << keys;
  }
}

TEST(Capabilities, EverythingSet) {
  const auto asked = runtime(R"("mac":"02:00:5e:00:53:01","aliases":["web"],"unheard":{"of":1},"deviceID":"",
      "dns":{"servers":["10.0.0.1","fd00::1"],"searches":["a.test"],"options":["ndots:5"]},
      "portMappings":[{"hostPort":8080,"containerPort":80},
                      {"hostPort":0,"containerPort":9},
                      {"hostPort":53,"containerPort":53,"protocol":"UDP","hostIP":"::"},
                      {"hostPort":53,"containerPort":5353,"protocol":"udp","hostIP":"192.0.2.1"},
                      {"hostPort":8080,"containerPort":7,"protocol":"sctp","hostIP":""}],
      "bandwidth":{"ingressRate":1000000,"ingressBurst":80000,"egressRate":4294967296000,"egressBurst":34359738360})");
  ASSERT_TRUE(asked) << asked.error().message;
  EXPECT_EQ(asked->mac->to_string(), "02:00:5e:00:53:01");
  EXPECT_EQ(asked->dns, Json::parse(R"({"nameservers":["10.0.0.1","fd00::1"],"search":["a.test"],
                                        "options":["ndots:5"]})"));
  const std::vector<ipam::PortMapping> ports{{IPPROTO_TCP, 8080, 80, {}},
                                             {IPPROTO_UDP, 53, 53, *IpAddress::parse("::")},
                                             {IPPROTO_UDP, 53, 5353, *IpAddress::parse("192.0.2.1")},
                                             {IPPROTO_SCTP, 8080, 7, {}}};
  EXPECT_EQ(asked->ports, ports);
  EXPECT_EQ(asked->bandwidth, (ipam::Bandwidth{1000000, 80000, 4294967296000, 34359738360}));
}

TEST(Capabilities, KeysMayBeginWithACapitalLetter) {
  const auto asked = runtime(R"("dns":{"Servers":["10.0.0.1"],"Searches":null,"Options":null},
      "portMappings":[{"HostPort":8081,"ContainerPort":80,"Protocol":"tcp","HostIP":""}],
      "bandwidth":{"IngressRate":1000000,"IngressBurst":80000,"EgressRate":0,"EgressBurst":0})");
  ASSERT_TRUE(asked) << asked.error().message;
  EXPECT_EQ(asked->dns, Json::parse(R"({"nameservers":["10.0.0.1"]})"));
  EXPECT_EQ(asked->ports, (std::vector<ipam::PortMapping>{{IPPROTO_TCP, 8081, 80, {}}}));
  EXPECT_EQ(asked->bandwidth, (ipam::Bandwidth{1000000, 80000, 0, 0}));
}

TEST(Capabilities, TheRuntimeCountsMoreThanArgsAndThoseMoreThanCniArgs) {
  const std::string from_runtime = R"("runtimeConfig":{"mac":"02:00:00:00:00:01"})";
  const std::string from_args = R"("args":{"cni":{"mac":"02:00:00:00:00:02"}})";
  const std::map<std::string, std::string> variable{{"MAC", "02:00:00:00:00:03"}};
  EXPECT_EQ(parse(from_runtime + "," + from_args, variable)->mac->to_string(), "02:00:00:00:00:01");
  EXPECT_EQ(parse(from_args, variable)->mac->to_string(), "02:00:00:00:00:02");
  EXPECT_EQ(parse("", variable)->mac->to_string(), "02:00:00:00:00:03");
  const auto wrong = parse("", {{"MAC", "nonsense"}});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, CniCode::kInvalidEnvironment);
  EXPECT_TRUE(wrong.error().message.starts_with("CNI_ARGS: MAC: ")) << wrong.error().message;
}

TEST(Capabilities, BandwidthOfTheConfigurationHoldsUnlessTheRuntimeAsks) {
  const std::string own = R"("ingressRate":8000000,"ingressBurst":800000)";
  EXPECT_EQ(parse(own)->bandwidth, (ipam::Bandwidth{8000000, 800000, 0, 0}));
  EXPECT_EQ(parse(own + R"(,"runtimeConfig":{"bandwidth":{"egressRate":16,"egressBurst":8}})")->bandwidth,
            (ipam::Bandwidth{0, 0, 16, 8}));
}

TEST(Capabilities, WhatIsWrongIsNamedWithItsValue) {
  struct Row {
    const char* keys;
    unsigned code;
    const char* message;
  };
  const Row rows[] = {
      {R"("mac":7)", 7, "runtimeConfig.mac: '7' is not a string"},
      {R"("mac":"02:00")", 7, "runtimeConfig.mac: '02:00' is not a MAC address"},
      {R"("mac":"01:00:5e:00:00:01")", 7,
       "runtimeConfig.mac: '01:00:5e:00:00:01' is not the address of one interface"},
      {R"("mac":"00:00:00:00:00:00")", 7,
       "runtimeConfig.mac: '00:00:00:00:00:00' is not the address of one interface"},
      {R"("deviceID":"0000:00:1f.6")", 2,
       "runtimeConfig.deviceID: '0000:00:1f.6' asks for a device of the host; this plugin makes its own"},
      {R"("infinibandGUID":"c2:11:22:33:44:55:66:77")", 2,
       "runtimeConfig.infinibandGUID: 'c2:11:22:33:44:55:66:77' asks for a device of the host; this plugin "
       "makes its "
       "own"},
      {R"("aliases":"web")", 7, "runtimeConfig.aliases: 'web' is not a list"},
      {R"("aliases":[1])", 7, "runtimeConfig.aliases[0]: '1' is not a string"},
      {R"("dns":[])", 7, "runtimeConfig.dns: '[]' is not an object"},
      {R"("dns":{"servers":"10.0.0.1"})", 7, "runtimeConfig.dns.servers: '10.0.0.1' is not a list"},
      {R"("dns":{"servers":["10.0.0.1","not-an-ip"]})", 7,
       "runtimeConfig.dns.servers[1]: 'not-an-ip' is not an IP address"},
      {R"("dns":{"servers":["10.0.0.1/8"]})", 7,
       "runtimeConfig.dns.servers[0]: '10.0.0.1/8' is not an IP address"},
      {R"("dns":{"servers":[7]})", 7, "runtimeConfig.dns.servers[0]: '7' is not a string"},
      {R"("dns":{"searches":[null]})", 7, "runtimeConfig.dns.searches[0]: 'null' is not a string"},
      {R"("dns":{"options":[7]})", 7, "runtimeConfig.dns.options[0]: '7' is not a string"},
      {R"("portMappings":{})", 7, "runtimeConfig.portMappings: '{}' is not a list"},
      {R"("portMappings":[8080])", 7, "runtimeConfig.portMappings[0]: '8080' is not an object"},
      {R"("portMappings":[{"hostPort":"80","containerPort":80}])", 7,
       "runtimeConfig.portMappings[0].hostPort: '80' is not a whole number from 1 to 65535"},
      {R"("portMappings":[{"hostPort":65536,"containerPort":80}])", 7,
       "runtimeConfig.portMappings[0].hostPort: '65536' is not a whole number from 1 to 65535"},
      {R"("portMappings":[{"hostPort":80}])", 7, "runtimeConfig.portMappings[0].containerPort is missing"},
      {R"("portMappings":[{"hostPort":80,"containerPort":0}])", 7,
       "runtimeConfig.portMappings[0].containerPort: '0' is not a whole number from 1 to 65535"},
      {R"("portMappings":[{"hostPort":80,"containerPort":80,"protocol":"icmp"}])", 7,
       "runtimeConfig.portMappings[0].protocol: 'icmp' is none of tcp, udp, sctp"},
      {R"("portMappings":[{"hostPort":80,"containerPort":80,"protocol":6}])", 7,
       "runtimeConfig.portMappings[0].protocol: '6' is not a string"},
      {R"("portMappings":[{"hostPort":80,"containerPort":80,"hostIP":"localhost"}])", 7,
       "runtimeConfig.portMappings[0].hostIP: 'localhost' is not an IP address"},
      {R"("portMappings":[{"hostPort":80,"containerPort":80,"hostIP":"::1"}])", 2,
       "runtimeConfig.portMappings[0].hostIP: '::1' is not supported: Linux lets nothing from ::1 leave the "
       "host"},
      {R"("portMappings":[{"hostPort":80,"containerPort":80,"hostIP":"224.0.0.1"}])", 7,
       "runtimeConfig.portMappings[0].hostIP: '224.0.0.1' is a multicast address"},
      {R"("portMappings":[{"hostPort":80,"containerPort":1},{"hostPort":80,"containerPort":2,"hostIP":"::2"}])",
       7,
       R"(runtimeConfig.portMappings[1]: '{"containerPort":2,"hostIP":"::2","hostPort":80}' maps a port of the host that )"
       "is mapped above it already"},
      {R"("bandwidth":5)", 7, "runtimeConfig.bandwidth: '5' is not an object"},
      {R"("bandwidth":{"ingressRate":"1M","ingressBurst":8})", 7,
       "runtimeConfig.bandwidth.ingressRate: '1M' is not a whole number from 0 to 18446744073709551615"},
      {R"("bandwidth":{"ingressRate":-8,"ingressBurst":8})", 7,
       "runtimeConfig.bandwidth.ingressRate: '-8' is not a whole number from 0 to 18446744073709551615"},
      {R"("bandwidth":{"egressRate":7,"egressBurst":8})", 7,
       "runtimeConfig.bandwidth.egressRate: '7' bits are less than a byte"},
      {R"("bandwidth":{"ingressRate":1000})", 7,
       "runtimeConfig.bandwidth.ingressRate: '1000' needs runtimeConfig.bandwidth.ingressBurst: a rate and a "
       "burst go "
       "together"},
      {R"("bandwidth":{"egressBurst":1000})", 7,
       "runtimeConfig.bandwidth.egressBurst: '1000' needs runtimeConfig.bandwidth.egressRate: a rate and a "
       "burst go "
       "together"},
      {R"("bandwidth":{"egressRate":1000,"egressBurst":34359738361})", 7,
       "runtimeConfig.bandwidth.egressBurst: '34359738361' is not a whole number from 0 to 34359738360"},
  };
  for (const Row& row : rows) {
    const auto asked = runtime(row.keys);
    ASSERT_FALSE(asked) << row.keys;
    EXPECT_EQ(asked.error().message, row.message);
    EXPECT_EQ(static_cast<unsigned>(asked.error().code), row.code) << row.keys;
  }
  EXPECT_EQ(parse(R"("runtimeConfig":[])").error().message, "runtimeConfig: '[]' is not an object");
  EXPECT_EQ(parse(R"("ingressRate":true)").error().message,
            "ingressRate: 'true' is not a whole number from 0 to 18446744073709551615");
}

TEST(Capabilities, ABurstHoldsAPacket) {
  EXPECT_TRUE(check_bursts({}, 1500));
  EXPECT_TRUE(check_bursts({1000, 12112, 1000, 12112}, 1500));
  const auto small = check_bursts({0, 0, 1000, 12111}, 1500);
  ASSERT_FALSE(small);
  EXPECT_EQ(
      small.error().message,
      "egressBurst: '12111' bits are less than the 12112 of one packet of MTU 1500, which could never pass");
}

}  // namespace
}  // namespace towpath::cni
