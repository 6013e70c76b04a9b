#include "agent/config/read_rules.h"

#include <fmt/format.h>

#include <utility>

#include "agent/config/read_rule.h"
#include "agent/config/scalars.h"

namespace towpath::agent {
namespace {

using bgp::PrefixRange;

std::vector<PrefixRange> ranges(const std::vector<Prefix>& prefixes) {
  std::vector<PrefixRange> out;
  for (const Prefix& p : prefixes) out.push_back({p, p.length(), p.address().bits()});
  return out;
}

// What no peer may announce inside these. A single address may be: another host has borrowed it, and a
// container of this host that has it is nearer all the same.
std::vector<PrefixRange> ranges_of_blocks(const std::vector<Prefix>& blocks) {
  std::vector<PrefixRange> out = ranges(blocks);
  for (PrefixRange& range : out) {
    if (!range.within.is_host()) --range.max_length;
  }
  return out;
}

}  // namespace

void RuleReader::read_policies(const Value& policies) {
  Section section(policies);
  for (const std::string& name : section.keys()) {
    const Value list = *section.get(name);
    if (const auto valid = parse_name(name); !valid) list.refuse("the name " + valid.error().message);
    Rules& rules = policies_[name];
    for (const Value& item : list.items()) {
      rules.push_back(read_rule(item, fmt::format("{}[{}]", name, rules.size())));
    }
    if (rules.empty()) list.refuse("has no rules");
  }
}

RuleReader::Rules RuleReader::read_list(const std::vector<Value>& items, std::string_view direction) {
  Rules rules;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Value& item = items[i];
    const bool by_name = item.node().IsMap() && item.node()["policy"].IsDefined();
    if (!by_name) {
      rules.push_back(read_rule(item, fmt::format("{}[{}]", direction, i)));
      check_direction(item, rules.back(), direction);
      continue;
    }
    Section section(item);
    std::string name;
    const auto policy = section.get("policy");
    if (policy->read(name, parse_name)) {
      const auto found = policies_.find(name);
      if (found == policies_.end()) {
        policy->refuse("no such policy under `policies`");
      } else {
        for (const bgp::RouteRule& rule : found->second) check_direction(item, rule, direction);
        rules.insert(rules.end(), found->second.begin(), found->second.end());
      }
    }
    section.finish();
  }
  return rules;
}

RuleReader::Rules RuleReader::read_import(const std::vector<Value>& items) {
  return read_list(items, kImport);
}

bgp::PolicyPtr RuleReader::import_policy(const std::optional<Value>& list) {
  Rules rules = list ? read_import(list->items()) : global_import_;
  if (!blocks_.empty()) {
    rules.push_back(bgp::accept_prefixes("own blocks", ranges_of_blocks(blocks_)));
    rules.back().verdict = bgp::Verdict::kReject;
  }
  if (!pools_.empty()) rules.push_back(bgp::accept_prefixes("pools", ranges(pools_)));
  return share(rules);
}

void RuleReader::read_export(const Value& value, bgp::PeerConfig& peer) {
  static constexpr std::array<std::pair<std::string_view, bgp::ExportScope>, 2> kScopes{
      {{"own", bgp::ExportScope::kOwn}, {"all", bgp::ExportScope::kAll}}};
  if (value.node().IsSequence()) {
    peer.export_policy = share(read_list(value.items(), kExport));
  } else {
    value.read(peer.export_scope, one_of(kScopes));
  }
}

bgp::PolicyPtr RuleReader::authorisation(const std::vector<Prefix>& blocks) {
  Rules rules;
  if (!blocks.empty()) rules.push_back(bgp::accept_prefixes("blocks", ranges(blocks)));
  if (!pools_.empty()) {
    rules.push_back(bgp::accept_prefixes("pools", ranges(pools_)));
    rules.back().verdict = bgp::Verdict::kReject;
  }
  return share(rules);
}

bgp::PolicyPtr RuleReader::share(const Rules& rules) {
  const auto [found, is_new] = shared_.try_emplace(rules);
  if (is_new) found->second = bgp::PolicyPtr(rules);
  return found->second;
}

}  // namespace towpath::agent
