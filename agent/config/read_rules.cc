#include "agent/config/read_rules.h"

#include <array>
#include <string_view>
#include <utility>

#include "agent/config/scalars.h"

namespace towpath::agent {
namespace {

using bgp::PrefixRule;

constexpr std::array<std::pair<std::string_view, bgp::RuleAction>, 2> kActions{
    {{"accept", bgp::RuleAction::kAccept}, {"reject", bgp::RuleAction::kReject}}};

PrefixRule read_rule(const Value& item) {
  Section section(item);
  PrefixRule rule;
  section.read_required("prefix", rule.within, Prefix::parse);
  const std::uint8_t shortest = rule.within.length();
  const std::uint8_t longest = rule.within.address().bits();
  rule.min_length = shortest;
  section.read("min_length", rule.min_length, number_between(shortest, longest));
  rule.max_length = longest;
  section.read("max_length", rule.max_length, number_between(rule.min_length, longest));
  section.read("action", rule.action, one_of(kActions));
  section.finish();
  return rule;
}

}  // namespace

bgp::ImportRules read_rules(const std::vector<Value>& items) {
  bgp::ImportRules rules;
  for (const Value& item : items) rules.push_back(read_rule(item));
  return rules;
}

bgp::ImportRules with_pools(bgp::ImportRules rules, const std::vector<Prefix>& pools) {
  for (const Prefix& pool : pools) {
    rules.push_back({pool, pool.length(), pool.address().bits(), bgp::RuleAction::kAccept});
  }
  return rules;
}
}  // namespace towpath::agent
