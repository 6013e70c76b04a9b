#include "agent/config/read_rules.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "agent/config/parse_config.h"

namespace towpath::agent {
namespace {

using bgp::CommunityPattern;

std::string file(const std::string& policies, const std::string& peer) {
  return "node: a\nrouter_id: 192.0.2.1\nas: 64512\npools: [10.64.0.0/16]\n" + policies +
         "peers:\n  - {name: b, address: 192.0.2.2, as: 65001}\n  - {name: c, address: 192.0.2.3, as: "
         "65001, " +
         peer + "}\n";
}

bgp::PeerConfig peer(const std::string& keys, const std::string& policies = "") {
  const auto config = parse_config(file(policies, keys), "t.yaml");
  if (config) return config->speaker.peers[1];
  ADD_FAILURE() << testing::PrintToString(config.error());
  return {};
}

std::string error(const std::string& keys, const std::string& policies = "") {
  const auto config = parse_config(file(policies, keys), "t.yaml");
  return config ? "" : config.error().front();
}

TEST(ReadRules, EachPartOfMatchAndThen) {
  const auto b = peer(
      "import: [{match: {prefix: [10.0.0.0/8, {prefix: '2001:db8::/32', max_length: 48}], source: external, "
      "origin: [igp, egp], community: [65000:*, no-export], as_path: {contains: 65001, origin: [65002], "
      "first: "
      "65003, min_length: 1, max_length: 4}, next_hop: [192.0.2.1, '2001:db8::/32']}, then: {local_pref: 7, "
      "med: "
      "none, set_community: [1:2], delete_community: ['*:9'], add_community: 1:2:3, next_hop: 192.0.2.9}}]");
  ASSERT_TRUE(b.import_policy);
  const bgp::RouteRule& rule = b.import_policy->rules()[0];
  EXPECT_EQ(rule.name, "import[0]");
  EXPECT_FALSE(rule.verdict) << "`then` without an action goes on";
  const bgp::RouteMatch& m = rule.match;
  ASSERT_EQ(m.prefixes.size(), 2U);
  EXPECT_EQ(m.prefixes[0], (bgp::PrefixRange{*Prefix::parse("10.0.0.0/8"), 8, 32}));
  EXPECT_EQ(m.prefixes[1], (bgp::PrefixRange{*Prefix::parse("2001:db8::/32"), 32, 48}));
  EXPECT_EQ(m.sources.size(), 1U);
  EXPECT_EQ(m.origins.size(), 2U);
  EXPECT_EQ(m.communities.size(), 2U);
  EXPECT_EQ(m.as_path_contains, std::vector{AsNumber{65001}});
  EXPECT_EQ(m.as_path_origins, std::vector{AsNumber{65002}});
  EXPECT_EQ(m.as_path_firsts, std::vector{AsNumber{65003}});
  EXPECT_EQ(m.as_path_min_length, 1);
  EXPECT_EQ(m.as_path_max_length, 4);
  EXPECT_EQ(m.next_hops.size(), 2U);
  const bgp::RouteChanges& c = rule.changes;
  EXPECT_EQ(c.local_pref, 7U);
  EXPECT_TRUE(c.remove_med);
  EXPECT_TRUE(c.clear_communities);
  EXPECT_EQ(c.add_communities,
            (std::vector{*CommunityPattern::parse("1:2"), *CommunityPattern::parse("1:2:3")}));
  EXPECT_EQ(c.delete_communities, std::vector{*CommunityPattern::parse("*:9")});
  EXPECT_EQ(c.next_hop, bgp::NextHopRule::kAddress);
}

TEST(ReadRules, ExportIsAScopeOrAList) {
  EXPECT_FALSE(peer("export: own").export_policy);
  EXPECT_EQ(peer("export: all").export_scope, bgp::ExportScope::kAll);
  const auto list =
      peer("export: [{match: {source: own}, then: {prepend: 2, next_hop: self}}, {then: {action: accept}}]");
  ASSERT_TRUE(list.export_policy);
  EXPECT_EQ(list.export_policy->rules().size(), 2U);
  EXPECT_EQ(list.export_policy->rules()[0].changes.prepend, 2);
  EXPECT_EQ(list.export_scope, bgp::ExportScope::kOwn);
}

TEST(ReadRules, ANamedPolicyStandsForItsRules) {
  const std::string policies =
      "policies: {no-leaks: [{match: {as_path: {empty: true}}, then: {action: reject}}]}\n";
  const auto b = peer("import: [{policy: no-leaks}, {prefix: 0.0.0.0/0}]", policies);
  ASSERT_EQ(b.import_policy->rules().size(), 3U);
  EXPECT_EQ(b.import_policy->rules()[0].name, "no-leaks[0]");
  EXPECT_EQ(b.import_policy->rules()[0].match.as_path_max_length, 0);
  EXPECT_EQ(b.import_policy->rules()[1].name, "import[1]");
  EXPECT_EQ(b.import_policy->rules()[2].name, "pools");
}

TEST(ReadRules, EqualListsAreOnePolicy) {
  const auto config = parse_config(file("", "hold_time: 30"), "t.yaml");
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(&*config->speaker.peers[0].import_policy, &*config->speaker.peers[1].import_policy);
}

TEST(ReadRules, BlocksBindAPeer) {
  const auto b = peer("blocks: [10.64.2.0/26]");
  ASSERT_TRUE(b.authorisation);
  const auto verdict = [&b](const char* prefix) {
    bgp::PolicyRoute route{*Prefix::parse(prefix), bgp::RouteSource::kExternal, {}};
    return b.authorisation->apply(route, {1}).verdict;
  };
  EXPECT_EQ(verdict("10.64.2.5/32"), bgp::Verdict::kAccept);
  EXPECT_EQ(verdict("10.64.3.0/26"), bgp::Verdict::kReject);
  EXPECT_FALSE(verdict("192.0.2.0/24")) << "outside the pools it says nothing";
  EXPECT_FALSE(peer("hold_time: 30").authorisation);
}

struct Bad {
  const char* keys;
  const char* reason;
};

TEST(ReadRules, WhatIsWrongIsNamed) {
  for (const Bad& row : {
           Bad{"import: [{match: {community: 1:x}}]",
               "import[0].match.community: value '1:x': must be a community such as"},
           Bad{"import: [{match: {as_path: {origin: 0}}}]", "import[0].match.as_path.origin: value '0'"},
           Bad{"import: [{match: {as_path: {empty: true, min_length: 2}}}]",
               "cannot stand beside min_length"},
           Bad{"import: [{match: {prefix: 10.0.0.1/8}}]", "import[0].match.prefix: value '10.0.0.1/8'"},
           Bad{"import: [{match: {prefix: []}}]", "import[0].match.prefix: must not be empty"},
           Bad{"import: [{then: {}}]", "import[0].then: does nothing"},
           Bad{"import: [{then: {action: pass}}]",
               "import[0].then.action: value 'pass': must be one of accept, reject, blackhole"},
           Bad{"import: [{then: {add_community: '1:*'}}]",
               "import[0].then.add_community: value '1:*': must be one"},
           Bad{"import: [{then: {prepend: 1}}]", "import[0].then.prepend: has a meaning on export only"},
           Bad{"import: [{then: {next_hop: self}}]", "import[0].then.next_hop: has a meaning on export only"},
           Bad{"import: [{policy: nothing}]", "import[0].policy: value 'nothing': no such policy"},
           Bad{"import: [{match: {colour: red}}]", "import[0].match.colour: unknown key"},
           Bad{"export: [{then: {action: blackhole}}]",
               "export[0].then.action blackhole: has a meaning on import"},
           Bad{"export: some", "export: value 'some': must be one of own, all"},
           Bad{"export: [{then: {prepend: 33}}]", "must be a number from 1 to 32"},
           Bad{"blocks: [10.99.0.0/24]", "blocks[0]: value '10.99.0.0/24': lies in none of the pools"},
       }) {
    const std::string found = error(row.keys);
    EXPECT_NE(found.find(row.reason), std::string::npos) << row.keys << ": " << found;
    EXPECT_EQ(found.find("t.yaml:7: peers[1]."), 0U) << found;
  }
  EXPECT_NE(error("port: 1", "policies: {a: []}\n").find("policies.a: has no rules"), std::string::npos);
  EXPECT_NE(error("port: 1", "policies: {a: [{policy: b}]}\n").find("cannot name another"),
            std::string::npos);
}

}  // namespace
}  // namespace towpath::agent
