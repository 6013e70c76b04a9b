#include "agent/policy/ruleset_change.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace towpath::agent {
namespace {

using namespace policy;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const IpAddress kHost = IpAddress::v4(0x0A000001), kOther = IpAddress::v4(0x0A000002);

DesiredRuleset example() {
  DesiredRuleset ruleset;
  ruleset.classes[7] = {{6, {80, 80}}, {17, {53, 53}}};
  ruleset.classes[8] = {{6, {80, 80}}};
  ruleset.chains["i_1"] = {Direction::kIngress, {"default/a"}, {{kHost, 7}}, {{{kHost, kOther}, kAll}}, {}};
  ruleset.endpoints["tp1"] = {"i_1", {}};
  return ruleset;
}

TEST(RulesetChange, NothingForTheSame) {
  EXPECT_TRUE(ruleset_change(example(), example()).empty());
  EXPECT_TRUE(ruleset_change({}, {}).empty());
}

TEST(RulesetChange, AllFromNothing) {
  const auto change = ruleset_change({}, example());
  EXPECT_THAT(change.add_chains, ElementsAre("i_1"));
  ASSERT_THAT(change.write_rules, SizeIs(1));
  EXPECT_FALSE(change.write_rules[0].second);
  EXPECT_THAT(change.add_elements.at("i_1").hosts, IsEmpty());
  EXPECT_THAT(change.add_elements.at("i_1").host_ports, SizeIs(2));
  EXPECT_THAT(change.add_elements.at("i_1").networks, SizeIs(1));
  ASSERT_THAT(change.add_interfaces, SizeIs(1));
  EXPECT_EQ(change.add_interfaces[0].ingress, "i_1");
  EXPECT_EQ(change.add_interfaces[0].egress, std::nullopt);
  EXPECT_THAT(change.remove_chains, IsEmpty());
}

TEST(RulesetChange, OnlyWhatDiffers) {
  auto to = example();
  to.endpoints["tp2"] = {};
  to.chains["i_1"].hosts[kOther] = 7;
  const auto come = ruleset_change(example(), to);
  EXPECT_THAT(come.add_interfaces, SizeIs(1));
  EXPECT_THAT(come.add_elements.at("i_1").host_ports, SizeIs(2));
  EXPECT_THAT(come.add_chains, IsEmpty());
  EXPECT_THAT(come.write_rules, IsEmpty());
  EXPECT_THAT(come.remove_elements, IsEmpty());
  const auto go = ruleset_change(to, example());
  EXPECT_THAT(go.remove_interfaces, SizeIs(1));
  EXPECT_THAT(go.remove_elements.at("i_1").host_ports, SizeIs(2));
  EXPECT_THAT(go.add_elements, IsEmpty());
}

TEST(RulesetChange, OfAnotherClassOnlyThePortsThatDiffer) {
  auto to = example();
  to.chains["i_1"].hosts[kHost] = 8;
  const auto fewer = ruleset_change(example(), to);
  const netlink::PolicyPorts dns{17, 53, 53};
  EXPECT_THAT(fewer.remove_elements.at("i_1").host_ports, ElementsAre(std::pair(kHost, dns)));
  EXPECT_THAT(fewer.add_elements, IsEmpty());
  to.chains["i_1"].hosts[kHost] = kAll;
  const auto all = ruleset_change(example(), to);
  EXPECT_THAT(all.remove_elements.at("i_1").host_ports, SizeIs(2));
  EXPECT_THAT(all.add_elements.at("i_1").hosts, ElementsAre(kHost));
}

TEST(RulesetChange, ANumberMayStandForOtherPorts) {
  auto to = example();
  to.classes[7] = {{6, {81, 81}}};
  const auto change = ruleset_change(example(), to);
  const netlink::PolicyPorts tcp{6, 81, 81};
  EXPECT_THAT(change.add_elements.at("i_1").host_ports, ElementsAre(std::pair(kHost, tcp)));
  EXPECT_THAT(change.remove_elements.at("i_1").host_ports, SizeIs(2));
}

TEST(RulesetChange, RulesAreWrittenAnewOnlyWhereEverybodyMayAll) {
  auto to = example();
  to.chains["i_1"].others = 8;
  const auto some = ruleset_change(example(), to);
  EXPECT_THAT(some.write_rules, IsEmpty());
  EXPECT_THAT(some.add_elements.at("i_1").anybody, SizeIs(1));
  to.chains["i_1"].others = kAll;
  const auto all = ruleset_change(example(), to);
  EXPECT_THAT(all.write_rules, ElementsAre(std::pair("i_1", true)));
  EXPECT_THAT(all.add_chains, IsEmpty());
}

TEST(RulesetChange, AChainThatGoesTakesItsElementsAlong) {
  auto to = example();
  to.chains.clear();
  to.endpoints["tp1"].ingress.reset();
  const auto change = ruleset_change(example(), to);
  EXPECT_THAT(change.remove_chains, ElementsAre("i_1"));
  EXPECT_THAT(change.remove_elements, IsEmpty());
  EXPECT_THAT(change.remove_interfaces, SizeIs(1));
  EXPECT_THAT(change.add_interfaces, SizeIs(1));
}

}  // namespace
}  // namespace towpath::agent
