#include "towpath/policy/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/policy_evaluator.h"
#include "tests/support/random_policies.h"
#include "towpath/policy/compile.h"

namespace towpath::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Explain, NamesPoliciesAndRules) {
  const IpAddress web = IpAddress::v4(1), db = IpAddress::v4(2), away = IpAddress::v4(9);
  const std::vector<Endpoint> endpoints{{"tp1", "shop", {{"app", "web"}}, {web}, {}},
                                        {"tp2", "shop", {{"app", "db"}}, {db}, {}}};
  const EndpointSelector from_web{Selector{{{"app", "web"}}, {}}, std::nullopt};
  const PortMatch sql{Protocol::kTcp, PortRange{5432, 5432}};
  const Selector is_db{{{"app", "db"}}, {}};
  const PolicySet set{
      {{"shop", "deny", {}, true, false, {}, {}},
       {"shop", "db", is_db, true, false, {{{}, {{Protocol::kUdp, "none"}}}, {{from_web}, {sql}}}, {}},
       {"shop", "web", {{{"app", "web"}}, {}}, false, true, {}, {{{}, {sql}}}}},
      {}};
  const DesiredRuleset ruleset = compile(set, endpoints);
  const auto ask = [&](const char* from, const char* to, const IpAddress& source,
                       const IpAddress& destination, std::uint16_t port) {
    return explain(set, endpoints, ruleset, {from, to, source, destination, 6, port});
  };
  const auto passes = ask("tp1", "tp2", web, db, 5432);
  EXPECT_EQ(passes.judgement, Judgement::kAllowed);
  EXPECT_THAT(passes.egress.policies, ElementsAre("shop/web"));
  EXPECT_THAT(passes.egress.allowing, ElementsAre("shop/web egress[0]"));
  EXPECT_THAT(passes.ingress.policies, ElementsAre("shop/db", "shop/deny"));
  EXPECT_THAT(passes.ingress.allowing, ElementsAre("shop/db ingress[1]"));
  const auto denied = ask("eth0", "tp2", away, db, 5432);
  EXPECT_EQ(denied.judgement, Judgement::kIngressDenied);
  EXPECT_THAT(denied.egress.policies, IsEmpty());
  EXPECT_THAT(denied.ingress.allowing, IsEmpty());
  const auto free = ask("tp2", "eth0", db, away, 80);
  EXPECT_EQ(free.judgement, Judgement::kAllowed);
  EXPECT_THAT(free.egress.policies, IsEmpty()) << "not isolated";
}

// A side that is isolated lets pass exactly what one of its rules does.
TEST(Explain, AgreesWithTheJudgementOnRandomWorlds) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    test::RandomPolicies random(seed);
    const auto endpoints = random.endpoints(4);
    const PolicySet set = random.policies(6);
    const DesiredRuleset ruleset = compile(set, endpoints);
    const auto interface_of = [&](const IpAddress& address) -> std::string {
      for (const Endpoint& endpoint : endpoints) {
        if (std::ranges::find(endpoint.addresses, address) != endpoint.addresses.end())
          return endpoint.interface;
      }
      return "";
    };
    for (int i = 0; i < 50; ++i) {
      const auto packet = random.packet(endpoints);
      if (packet.source == packet.destination) continue;
      const auto said = explain(set, endpoints, ruleset,
                                {interface_of(packet.source), interface_of(packet.destination), packet.source,
                                 packet.destination, packet.protocol, packet.port});
      const auto passes = [](const SideExplanation& side) {
        return side.policies.empty() || !side.allowing.empty();
      };
      EXPECT_EQ(said.judgement == Judgement::kAllowed, passes(said.egress) && passes(said.ingress)) << seed;
    }
  }
}

}  // namespace
}  // namespace towpath::policy
