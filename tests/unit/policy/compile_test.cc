// What compile() makes, against the reference evaluator, on judge() in the kernel's place.
#include "towpath/policy/compile.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/policy_evaluator.h"
#include "tests/support/random_policies.h"

namespace towpath::policy {
namespace {

using test::PolicyPacket;
using test::RandomPolicies;

IpAddress ip(const char* text) {
  return *IpAddress::parse(text);
}
Prefix net(const char* text) {
  return *Prefix::parse(text);
}

std::string interface_of(const std::vector<Endpoint>& endpoints, const IpAddress& address) {
  for (const Endpoint& endpoint : endpoints) {
    if (std::ranges::find(endpoint.addresses, address) != endpoint.addresses.end()) return endpoint.interface;
  }
  return "eth0";
}

Judgement judged(const DesiredRuleset& ruleset, const std::vector<Endpoint>& endpoints,
                 const PolicyPacket& packet) {
  return judge(ruleset, {interface_of(endpoints, packet.source), interface_of(endpoints, packet.destination),
                         packet.source, packet.destination, packet.protocol, packet.port});
}

TEST(Compile, AgreesWithTheEvaluatorOnRandomWorlds) {
  const char* given = std::getenv("TOWPATH_SEED");
  const std::uint64_t first = given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
  const std::uint64_t worlds = given != nullptr ? 1 : 400;
  std::size_t packets = 0, allowed_packets = 0;
  for (std::uint64_t seed = first; seed < first + worlds; ++seed) {
    RandomPolicies random(seed);
    const auto endpoints = random.endpoints(2 + random.below(8));
    const PolicySet set = random.policies(6);
    const test::PolicyEvaluator evaluator(set, endpoints);
    const DesiredRuleset ruleset = compile(set, endpoints);
    for (int i = 0; i < 100; ++i) {
      const PolicyPacket packet = random.packet(endpoints);
      const bool allowed = judged(ruleset, endpoints, packet) == Judgement::kAllowed;
      ++packets;
      allowed_packets += allowed ? 1 : 0;
      ASSERT_EQ(allowed, evaluator.allows(packet))
          << "TOWPATH_SEED=" << seed << ": " << packet.source.to_string() << " to "
          << packet.destination.to_string() << ", protocol " << int{packet.protocol} << ", port "
          << packet.port;
    }
  }
  // Worlds in which all is allowed, or nothing, would prove little.
  if (given == nullptr) {
    EXPECT_GT(allowed_packets, packets / 5);
    EXPECT_LT(allowed_packets, packets * 4 / 5);
  }
}

NetworkPolicy ingress(const char* name, Selector pods, std::vector<PolicyRule> rules) {
  return {"default", name, std::move(pods), true, false, std::move(rules), {}};
}
const PortMatch kHttp{Protocol::kTcp, PortRange{80, 80}};

TEST(Compile, EndpointsWithTheSamePoliciesShareAChain) {
  std::vector<Endpoint> endpoints;
  for (std::uint32_t i = 0; i < 100; ++i)
    endpoints.push_back({"tp" + std::to_string(i),
                         "default",
                         {{"app", i % 2 ? "web" : "db"}, {"n", std::to_string(i)}},
                         {IpAddress::v4(i)}});
  const PolicySet set{{ingress("web", {{{"app", "web"}}, {}}, {{{}, {kHttp}}}), ingress("all", {}, {})}, {}};
  const DesiredRuleset ruleset = compile(set, endpoints);
  EXPECT_EQ(ruleset.endpoints.size(), 100U);
  ASSERT_EQ(ruleset.chains.size(), 2U);
  EXPECT_EQ(ruleset.classes.size(), 1U);
  const PolicyChain& web = ruleset.chains.at(*ruleset.endpoints.at("tp1").ingress);
  EXPECT_EQ(web.policies, (std::vector<std::string>{"default/all", "default/web"}));
  EXPECT_TRUE(web.others);
  EXPECT_FALSE(ruleset.endpoints.at("tp1").egress);
}

TEST(Compile, TheOrderOfThePoliciesMeansNothing) {
  const std::vector<Endpoint> endpoints{{"tp1", "default", {}, {ip("10.0.0.1")}}};
  const auto a = ingress("a", {}, {{{IpBlock{net("10.0.0.0/8"), {}}}, {kHttp}}});
  const auto b = ingress("b", {}, {{{IpBlock{net("10.0.0.0/9"), {}}}, {}}});
  EXPECT_EQ(compile({{a, b}, {}}, endpoints), compile({{b, a}, {}}, endpoints));
}

TEST(Compile, AThousandRulesAreAThousandEntriesAndNoMoreLookups) {
  const std::vector<Endpoint> endpoints{{"tp1", "default", {}, {ip("10.0.0.1")}}};
  std::vector<PolicyRule> rules;
  for (std::uint32_t i = 0; i < 1000; ++i)
    rules.push_back({{IpBlock{Prefix::v4(0x0B000000 + 2 * i, 32), {}}}, {kHttp}});
  const DesiredRuleset ruleset = compile({{ingress("a", {}, rules)}, {}}, endpoints);
  ASSERT_EQ(ruleset.chains.size(), 1U);
  EXPECT_EQ(ruleset.chains.begin()->second.networks.size(), 1000U);
  EXPECT_EQ(ruleset.classes.size(), 1U) << "all are treated alike";
}

TEST(Compile, NeighboursThatAreTreatedAlikeAreOneEntry) {
  const std::vector<Endpoint> endpoints{{"tp1", "default", {}, {ip("10.0.0.1")}}};
  const auto policy = ingress("a", {},
                              {{{IpBlock{net("10.0.0.0/9"), {}}, IpBlock{net("10.128.0.0/9"), {}},
                                 IpBlock{net("::/0"), {net("fd00::/8")}}},
                                {kHttp}}});
  const DesiredRuleset ruleset = compile({{policy}, {}}, endpoints);
  const auto& networks = ruleset.chains.begin()->second.networks;
  ASSERT_EQ(networks.size(), 3U);
  const AddressRange v4{ip("10.0.0.0"), ip("10.255.255.255")};
  EXPECT_EQ(networks.begin()->first, v4);
  const AddressRange v6{ip("fe00::"), ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")};
  EXPECT_EQ(networks.rbegin()->first, v6);
}

TEST(Compile, PortsOfOneClassAreJoined) {
  const std::vector<Endpoint> endpoints{{"tp1", "default", {}, {ip("10.0.0.1")}}};
  const auto tcp = [](std::uint16_t first, std::uint16_t last) {
    return PortMatch{Protocol::kTcp, PortRange{first, last}};
  };
  const auto policy = ingress("a", {}, {{{}, {tcp(80, 90), tcp(85, 100), tcp(101, 101), tcp(103, 103)}}});
  const DesiredRuleset ruleset = compile({{policy}, {}}, endpoints);
  ASSERT_EQ(ruleset.classes.size(), 1U);
  const PortClass expected{{6, {80, 101}}, {6, {103, 103}}};
  EXPECT_EQ(ruleset.classes.begin()->second, expected);
}

TEST(Compile, APeerElsewhereIsAPeer) {
  const std::vector<Endpoint> endpoints{{"tp1", "default", {{"app", "db"}}, {ip("10.0.0.1")}},
                                        {"", "default", {{"app", "web"}}, {ip("10.1.0.1")}}};
  const auto policy =
      ingress("a", {{{"app", "db"}}, {}}, {{{EndpointSelector{Selector{{{"app", "web"}}, {}}, {}}}, {}}});
  const DesiredRuleset ruleset = compile({{policy}, {}}, endpoints);
  EXPECT_EQ(ruleset.endpoints.size(), 1U);
  EXPECT_EQ(judge(ruleset, {"eth0", "tp1", ip("10.1.0.1"), ip("10.0.0.1"), 6, 80}), Judgement::kAllowed);
  EXPECT_EQ(judge(ruleset, {"eth0", "tp1", ip("10.1.0.2"), ip("10.0.0.1"), 6, 80}),
            Judgement::kIngressDenied);
}

TEST(Judge, AnInterfaceWithoutAnEntryHasNothing) {
  const DesiredRuleset ruleset = compile({}, std::vector<Endpoint>{{"tp1", "default", {}, {ip("10.0.0.1")}}});
  const auto packet = [&](const char* from, const char* to) {
    return judge(ruleset, {from, to, ip("10.0.0.1"), ip("10.0.0.2"), 6, 80});
  };
  EXPECT_EQ(packet("tp1", "eth0"), Judgement::kAllowed);
  EXPECT_EQ(packet("eth0", "eth1"), Judgement::kAllowed) << "not ours to judge";
  EXPECT_EQ(packet("tp2", "eth0"), Judgement::kUnknownInterface);
  EXPECT_EQ(packet("eth0", "tp2"), Judgement::kUnknownInterface);
  EXPECT_EQ(packet("tp1", "tp2"), Judgement::kUnknownInterface);
}

}  // namespace
}  // namespace towpath::policy
