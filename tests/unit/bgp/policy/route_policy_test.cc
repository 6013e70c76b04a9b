#include "towpath/bgp/route_policy.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

namespace towpath::bgp {
namespace {

constexpr AsNumber kOwnAs{65000};

Prefix prefix(const std::string& text) {
  return *Prefix::parse(text);
}

PolicyRoute route(const std::string& text) {
  PolicyRoute r;
  r.prefix = prefix(text);
  r.source = RouteSource::kExternal;
  r.attributes.as_path.segments = {{SegmentType::kSequence, {{65001}, {65002}}}};
  r.attributes.communities = {{65001U << 16 | 7}};
  r.attributes.next_hop = {*IpAddress::parse("192.0.2.9"), {}};
  r.attributes.med = 5;
  return r;
}

RouteRule rule(const std::function<void(RouteRule&)>& fill) {
  RouteRule r;
  r.name = "rule";
  fill(r);
  return r;
}

std::optional<Verdict> verdict(const RoutePolicy& policy, PolicyRoute r) {
  return policy.apply(r, kOwnAs).verdict;
}

struct MatchRow {
  const char* reason;
  bool fits;
  std::function<void(RouteMatch&)> fill;
};

TEST(RoutePolicy, EachPartOfAMatch) {
  const std::vector<MatchRow> rows{
      {"no parts", true, [](RouteMatch&) {}},
      {"prefix", true, [](RouteMatch& m) { m.prefixes = {{prefix("10.0.0.0/8"), 8, 32}}; }},
      {"prefix, too long", false, [](RouteMatch& m) { m.prefixes = {{prefix("10.0.0.0/8"), 8, 15}}; }},
      {"prefix, too short", false, [](RouteMatch& m) { m.prefixes = {{prefix("10.0.0.0/8"), 17, 32}}; }},
      {"second of two prefixes", true,
       [](RouteMatch& m) {
         m.prefixes = {{prefix("2001:db8::/32"), 32, 128}, {prefix("10.0.0.0/8"), 8, 16}};
       }},
      {"origin", true, [](RouteMatch& m) { m.origins = {Origin::kEgp, Origin::kIgp}; }},
      {"other origin", false, [](RouteMatch& m) { m.origins = {Origin::kIncomplete}; }},
      {"community", true, [](RouteMatch& m) { m.communities = {*CommunityPattern::parse("65001:*")}; }},
      {"other community", false, [](RouteMatch& m) { m.communities = {*CommunityPattern::parse("1:7")}; }},
      {"AS in the path", true, [](RouteMatch& m) { m.as_path_contains = {{65002}}; }},
      {"AS not in the path", false, [](RouteMatch& m) { m.as_path_contains = {{65003}}; }},
      {"origin AS", true, [](RouteMatch& m) { m.as_path_origins = {{65002}}; }},
      {"not the origin AS", false, [](RouteMatch& m) { m.as_path_origins = {{65001}}; }},
      {"first AS", true, [](RouteMatch& m) { m.as_path_firsts = {{65001}}; }},
      {"not the first AS", false, [](RouteMatch& m) { m.as_path_firsts = {{65002}}; }},
      {"long enough", true, [](RouteMatch& m) { m.as_path_min_length = 2; }},
      {"not long enough", false, [](RouteMatch& m) { m.as_path_min_length = 3; }},
      {"short enough", true, [](RouteMatch& m) { m.as_path_max_length = 2; }},
      {"an empty path is asked for", false, [](RouteMatch& m) { m.as_path_max_length = 0; }},
      {"next hop", true, [](RouteMatch& m) { m.next_hops = {prefix("192.0.2.0/24")}; }},
      {"other next hop", false, [](RouteMatch& m) { m.next_hops = {prefix("192.0.3.0/24")}; }},
      {"source", true, [](RouteMatch& m) { m.sources = {RouteSource::kOwn, RouteSource::kExternal}; }},
      {"other source", false, [](RouteMatch& m) { m.sources = {RouteSource::kInternal}; }},
      {"one part of two does not hold", false, [](RouteMatch& m) {
         m.as_path_firsts = {{65001}};
         m.origins = {Origin::kEgp};
       }}};
  for (const MatchRow& row : rows) {
    SCOPED_TRACE(row.reason);
    const RoutePolicy policy({rule([&](RouteRule& r) {
      row.fill(r.match);
      r.verdict = Verdict::kAccept;
    })});
    EXPECT_EQ(verdict(policy, route("10.1.0.0/16")).has_value(), row.fits);
  }
}

TEST(RoutePolicy, ARuleWithoutVerdictChangesTheRouteAndGoesOn) {
  const CommunityPattern tag = *CommunityPattern::parse_exact("65000:1");
  const RoutePolicy policy({rule([&](RouteRule& r) { r.changes.add_communities = {tag}; }),
                            rule([&](RouteRule& r) {
                              r.match.communities = {tag};
                              r.changes.local_pref = 200;
                              r.verdict = Verdict::kAccept;
                            }),
                            rule([](RouteRule& r) { r.verdict = Verdict::kReject; })});
  PolicyRoute r = route("10.1.0.0/16");
  const PolicyOutcome outcome = policy.apply(r, kOwnAs);
  EXPECT_EQ(outcome.verdict, Verdict::kAccept);
  EXPECT_TRUE(outcome.changed);
  EXPECT_EQ(r.attributes.local_pref, 200U) << "the second rule saw the change of the first";
}

TEST(RoutePolicy, EachChange) {
  const RoutePolicy policy({rule([](RouteRule& r) {
    r.changes.local_pref = 50;
    r.changes.remove_med = true;
    r.changes.clear_communities = true;
    r.changes.add_communities = {*CommunityPattern::parse_exact("1:2"),
                                 *CommunityPattern::parse_exact("1:2:3")};
    r.changes.prepend = 2;
    r.changes.next_hop = NextHopRule::kAddress;
    r.changes.next_hop_address = IpAddress::parse("192.0.2.77").value();
    r.verdict = Verdict::kAccept;
  })});
  PolicyRoute r = route("10.1.0.0/16");
  const PolicyOutcome outcome = policy.apply(r, kOwnAs);
  EXPECT_TRUE(outcome.med_set);
  EXPECT_EQ(outcome.next_hop, NextHopRule::kAddress);
  EXPECT_EQ(r.attributes.local_pref, 50U);
  EXPECT_FALSE(r.attributes.med);
  EXPECT_EQ(r.attributes.communities, (std::vector<Community>{{1U << 16 | 2}}));
  EXPECT_EQ(r.attributes.large_communities.size(), 1U);
  EXPECT_EQ(r.attributes.as_path.to_string(), "65000 65000 65001 65002");
  EXPECT_EQ(r.attributes.next_hop.address.to_string(), "192.0.2.77");

  PolicyRoute v6 = route("2001:db8::/48");
  v6.attributes.next_hop = {*IpAddress::parse("2001:db8::9"), {}};
  EXPECT_FALSE(policy.apply(v6, kOwnAs).next_hop) << "an IPv4 next hop is nothing for an IPv6 route";
  EXPECT_EQ(v6.attributes.next_hop.address.to_string(), "2001:db8::9");
}

TEST(RoutePolicy, ABlackholeStaysInTheAs) {
  const RoutePolicy policy({rule([](RouteRule& r) {
    r.match.communities = {CommunityPattern::of(kBlackholeCommunity)};
    r.verdict = Verdict::kBlackhole;
  })});
  PolicyRoute r = route("10.1.2.3/32");
  EXPECT_FALSE(policy.apply(r, kOwnAs).verdict) << "not tagged";
  r.attributes.communities = {kBlackholeCommunity};
  EXPECT_EQ(policy.apply(r, kOwnAs).verdict, Verdict::kBlackhole);
  EXPECT_TRUE(r.attributes.discard);
  EXPECT_TRUE(r.attributes.has(kNoExport)) << "RFC 7999 3.2";
}

TEST(RoutePolicy, WhatIsRejectedIsNotChanged) {
  const RoutePolicy policy({rule([](RouteRule& r) {
    r.changes.local_pref = 1;
    r.verdict = Verdict::kReject;
  })});
  PolicyRoute r = route("10.1.0.0/16");
  EXPECT_FALSE(policy.apply(r, kOwnAs).changed);
  EXPECT_FALSE(r.attributes.local_pref);
}

// The same list once in the index and once by trying rule after rule.
TEST(RoutePolicy, AnIndexDecidesAsTheRulesInTheirOrder) {
  std::mt19937 random(7);
  std::vector<RouteRule> rules;
  for (int i = 0; i < 300; ++i) {
    rules.push_back(rule([&](RouteRule& r) {
      const bool v6 = random() % 2 != 0;
      const auto length = static_cast<std::uint8_t>(random() % 17);
      const auto within = Prefix::make(v6 ? IpAddress::v6(std::uint64_t{random() % 16} << 60, 0)
                                          : IpAddress::v4((random() % 16) << 28 | (random() % 16) << 16),
                                       length);
      const auto longest = static_cast<std::uint8_t>(length + random() % 16);
      if (random() % 20 != 0) r.match.prefixes = {{*within, length, longest}};
      if (random() % 10 == 0) r.match.sources = {RouteSource::kOwn};
      if (r.match.prefixes.empty()) r.match.origins = {Origin::kIncomplete};
      r.verdict = random() % 2 != 0 ? Verdict::kAccept : Verdict::kReject;
    }));
  }
  const RoutePolicy policy(rules);
  for (int i = 0; i < 5000; ++i) {
    PolicyRoute r = route("0.0.0.0/0");
    r.prefix = *Prefix::make(i % 2 != 0 ? IpAddress::v6(std::uint64_t{random()} << 32, 0)
                                        : IpAddress::v4(static_cast<std::uint32_t>(random())),
                             static_cast<unsigned>(random() % 32));
    r.source = static_cast<RouteSource>(random() % 3);
    r.attributes.origin = static_cast<Origin>(random() % 3);
    std::optional<Verdict> expected;
    for (const RouteRule& one : rules) {
      expected = verdict(RoutePolicy({one}), r);
      if (expected) break;
    }
    ASSERT_EQ(verdict(policy, r), expected) << r.prefix.to_string();
  }
}

TEST(RoutePolicy, KnowsWhatItNeeds) {
  const RoutePolicy prefixes({accept_prefixes("pools", {{prefix("10.0.0.0/8"), 8, 32}})});
  EXPECT_FALSE(prefixes.reads_attributes());
  EXPECT_FALSE(prefixes.changes_attributes());
  const RoutePolicy more({rule([](RouteRule& r) {
    r.match.as_path_max_length = 0;
    r.changes.prepend = 1;
  })});
  EXPECT_TRUE(more.reads_attributes());
  EXPECT_TRUE(more.changes_attributes());
}

TEST(RoutePolicy, ReportsRuleByRule) {
  const RoutePolicy policy({rule([](RouteRule& r) {
                              r.name = "import[0]";
                              r.match.as_path_firsts = {{1}};
                              r.verdict = Verdict::kReject;
                            }),
                            rule([](RouteRule& r) {
                              r.name = "import[1]";
                              r.changes.local_pref = 300;
                              r.changes.add_communities = {*CommunityPattern::parse_exact("1:2")};
                            }),
                            accept_prefixes("pools", {{prefix("10.0.0.0/8"), 8, 32}}),
                            rule([](RouteRule& r) { r.name = "never reached"; })});
  PolicyRoute r = route("10.1.0.0/16");
  std::vector<RuleReport> reports;
  EXPECT_EQ(policy.apply(r, kOwnAs, reports).verdict, Verdict::kAccept);
  ASSERT_EQ(reports.size(), 3U);
  EXPECT_EQ(reports[0].rule, "import[0]");
  EXPECT_FALSE(reports[0].matched);
  EXPECT_EQ(reports[0].text, "as_path.first");
  EXPECT_EQ(reports[1].text, "local_pref 300, added 1:2, goes on");
  EXPECT_EQ(reports[2].text, "accept");
  EXPECT_EQ(r.attributes.local_pref, 300U);
}

TEST(PolicyPtr, ComparesByValue) {
  const auto rules = [](std::uint32_t pref) {
    return std::vector{rule([&](RouteRule& r) { r.changes.local_pref = pref; })};
  };
  EXPECT_EQ(PolicyPtr(rules(1)), PolicyPtr(rules(1)));
  EXPECT_NE(PolicyPtr(rules(1)), PolicyPtr(rules(2)));
  EXPECT_NE(PolicyPtr(rules(1)), PolicyPtr());
  EXPECT_FALSE(PolicyPtr(std::vector<RouteRule>{}));
}

}  // namespace
}  // namespace towpath::bgp
