// The reference evaluator against cases that a person has judged.
#include "tests/support/policy_evaluator.h"

#include <gtest/gtest.h>

namespace towpath::policy {
namespace {

IpAddress ip(const char* text) {
  return *IpAddress::parse(text);
}
Prefix net(const char* text) {
  return *Prefix::parse(text);
}

// Two shops and a monitor in another namespace; "away" is no endpoint.
const IpAddress kWeb = ip("10.64.0.1"), kDb = ip("10.64.0.2"), kMonitor = ip("10.64.0.3"),
                kAway = ip("198.51.100.7");

std::vector<Endpoint> endpoints() {
  return {{"tp1", "shop", {{"app", "web"}}, {kWeb, ip("fd00::1")}, {}},
          {"tp2", "shop", {{"app", "db"}}, {kDb, ip("fd00::2")}, {{"sql", Protocol::kTcp, 5432}}},
          {"tp3", "ops", {{"app", "monitor"}}, {kMonitor, ip("fd00::3")}, {}}};
}

NetworkPolicy of_db(std::vector<PolicyRule> ingress) {
  return {"shop", "db", {.match_labels = {{"app", "db"}}}, true, false, std::move(ingress), {}};
}
const EndpointSelector kFromWeb{Selector{{{"app", "web"}}, {}}, std::nullopt};
PortMatch tcp(std::uint16_t port) {
  return {Protocol::kTcp, PortRange{port, port}};
}

struct Row {
  const char* reason;
  std::vector<NetworkPolicy> policies;
  test::PolicyPacket packet;
  bool allowed;
};

TEST(PolicyEvaluator, AgreesWithPeople) {
  const NetworkPolicy deny_all = of_db({});
  const NetworkPolicy web_only = of_db({{{kFromWeb}, {tcp(5432)}}});
  const NetworkPolicy named = of_db({{{}, {{Protocol::kTcp, "sql"}}}});
  const NetworkPolicy by_namespace = of_db({{{EndpointSelector{std::nullopt, Selector{}}}, {}}});
  const NetworkPolicy ops_only =
      of_db({{{EndpointSelector{std::nullopt, Selector{{{"kubernetes.io/metadata.name", "ops"}}, {}}}}, {}}});
  const NetworkPolicy block = of_db({{{IpBlock{net("198.51.100.0/24"), {net("198.51.100.0/29")}}}, {}}});
  const NetworkPolicy no_way_out{"shop", "out", {}, false, true, {}, {}};
  const std::vector<Row> rows{
      {"nobody is isolated without policies", {}, {kAway, kDb, 6, 5432}, true},
      {"a policy without rules isolates", {deny_all}, {kWeb, kDb, 6, 5432}, false},
      {"only the selected", {deny_all}, {kAway, kWeb, 6, 80}, true},
      {"only in one direction", {deny_all}, {kDb, kAway, 6, 80}, true},
      {"the peer and the port", {web_only}, {kWeb, kDb, 6, 5432}, true},
      {"another port", {web_only}, {kWeb, kDb, 6, 5433}, false},
      {"another protocol", {web_only}, {kWeb, kDb, 17, 5432}, false},
      {"another peer", {web_only}, {kMonitor, kDb, 6, 5432}, false},
      {"policies add up", {deny_all, web_only}, {kWeb, kDb, 6, 5432}, true},
      {"a rule with ports says nothing of ICMP", {web_only}, {kWeb, kDb, 1, 0}, false},
      {"a rule without ports does", {by_namespace}, {kWeb, kDb, 1, 0}, true},
      {"a named port is the receiver's", {named}, {kAway, kDb, 6, 5432}, true},
      {"a named port is the receiver's", {named}, {kAway, kDb, 6, 80}, false},
      {"all namespaces are not all addresses", {by_namespace}, {kAway, kDb, 6, 1}, false},
      {"the label that each namespace has", {ops_only}, {kMonitor, kDb, 6, 1}, true},
      {"the label that each namespace has", {ops_only}, {kWeb, kDb, 6, 1}, false},
      {"a block", {block}, {ip("198.51.100.8"), kDb, 6, 1}, true},
      {"a block's exception", {block}, {kAway, kDb, 6, 1}, false},
      {"a block of the other family", {block}, {ip("fd00::9"), ip("fd00::2"), 6, 1}, false},
      {"egress", {no_way_out}, {kWeb, kMonitor, 6, 1}, false},
      {"egress of others", {no_way_out}, {kMonitor, kWeb, 6, 1}, true},
      {"nobody is kept from itself", {no_way_out}, {kWeb, kWeb, 6, 1}, true},
      {"a policy of another namespace", {{"ops", "x", {}, true, false, {}, {}}}, {kAway, kDb, 6, 1}, true},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(test::PolicyEvaluator({row.policies, {}}, endpoints()).allows(row.packet), row.allowed)
        << row.reason;
  }
}

TEST(PolicyEvaluator, TakesTheLabelsOfNamespaces) {
  PolicySet set{{of_db({{{EndpointSelector{std::nullopt, Selector{{{"team", "ops"}}, {}}}}, {}}})},
                {{"ops", {{"team", "ops"}}}}};
  const test::PolicyEvaluator evaluator(set, endpoints());
  EXPECT_TRUE(evaluator.allows({kMonitor, kDb, 6, 1}));
  EXPECT_FALSE(evaluator.allows({kWeb, kDb, 6, 1}));
}

}  // namespace
}  // namespace towpath::policy
