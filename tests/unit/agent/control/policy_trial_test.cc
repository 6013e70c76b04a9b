#include "agent/control/policy_trial.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/silent_observer.h"

namespace towpath::agent {
namespace {

using control::Code;
using control::Direction;
using control::PolicyTest;
using nlohmann::json;

Prefix prefix(const char* text) {
  return *Prefix::parse(text);
}

bgp::PeerConfig peer(const char* name, const char* address, std::uint32_t as) {
  bgp::PeerConfig config;
  config.name = name;
  config.address = *IpAddress::parse(address);
  config.as = bgp::PeerAs(AsNumber{as});
  config.passive = true;
  bgp::RouteRule preferred;
  preferred.name = "import[0]";
  preferred.match.communities = {*bgp::CommunityPattern::parse("65001:*")};
  preferred.changes.local_pref = 200;
  config.import_policy =
      bgp::PolicyPtr({preferred, bgp::accept_prefixes("pools", {{prefix("10.0.0.0/8"), 8, 32}})});
  return config;
}

// A speaker whose sessions never come up: trials need none.
class PolicyTrial : public testing::Test {
 protected:
  PolicyTrial() {
    bgp::SpeakerConfig config;
    config.as = {65000};
    config.router_id = {1};
    config.peers = {peer("tor-a", "198.18.77.2", 65001), peer("host-b", "2001:db8:77::2", 65000)};
    config.peers[0].local_as = bgp::LocalAs{.as = {65009}};
    config.originate = {prefix("10.64.1.0/26")};
    EXPECT_TRUE(speaker_.configure(config).has_value());
  }

  json row(const PolicyTest& test) {
    const auto source = open_policy_trial(speaker_, test);
    EXPECT_TRUE(source.has_value()) << source.error().message;
    if (!source) return {};
    RowWriter rows;
    EXPECT_FALSE((*source)->next_slice(rows));
    return json::parse(rows.text()).at("row");
  }
  ControlFailure failure(const PolicyTest& test) {
    const auto source = open_policy_trial(speaker_, test);
    return source ? ControlFailure{Code::kEnd, ""} : source.error();
  }

  test::SilentObserver observer_;
  boost::asio::io_context loop_;
  bgp::Speaker speaker_{loop_.get_executor(), observer_};
};

TEST_F(PolicyTrial, AnExternalRoute) {
  PolicyTest test{.peer = "tor-a", .prefix = prefix("10.1.0.0/16")};
  test.as_path = "65001 {7 8}";
  test.communities = {"65001:7", "rt:1:2", "1:2:3"};
  test.local_pref = 50;
  test.med = 4;
  const json expected = json::parse(R"({
    "direction": "import", "peer": "tor-a", "session": false, "prefix": "10.1.0.0/16",
    "outcome": "accept", "rule": "pools", "reason": "",
    "rules": [{"rule": "import[0]", "matched": true, "does": "local_pref 200, goes on"},
              {"rule": "pools", "matched": true, "does": "accept"}],
    "route": {"next_hop": "198.18.77.2", "origin": "igp", "as_path": "65009 65001 {7 8}", "med": 4,
              "communities": ["65001:7", "rt:1:2", "1:2:3"]},
    "result": {"next_hop": "198.18.77.2", "origin": "igp", "as_path": "65009 65001 {7 8}", "med": 4, "local_pref": 200,
               "communities": ["65001:7", "rt:1:2", "1:2:3"]}})");
  EXPECT_EQ(row(test), expected)
      << "RFC 7705 puts local_as in front, RFC 4271 5.1.5 takes no local preference";
}

TEST_F(PolicyTrial, WhatNoRuleAcceptsIsRejected) {
  const json answer = row({.peer = "tor-a", .prefix = prefix("192.168.0.0/16")});
  EXPECT_EQ(answer.at("outcome"), "reject");
  EXPECT_EQ(answer.at("rule"), "");
  EXPECT_EQ(answer.at("reason"), "no import rule accepts it, and it lies in none of the pools");
  EXPECT_FALSE(answer.contains("result"));
  PolicyTest loop{.peer = "host-b", .prefix = prefix("10.1.0.0/16")};
  loop.as_path = "65000";
  EXPECT_EQ(row(loop).at("reason"), "our AS is in AS_PATH");
  loop.as_path.reset();
  EXPECT_EQ(row(loop).at("route").at("local_pref"), 100) << "an internal peer sends one";
}

TEST_F(PolicyTrial, WhatAPeerIsTold) {
  const json told = row({.direction = Direction::kExport, .peer = "tor-a", .prefix = prefix("10.64.1.0/26")});
  EXPECT_EQ(told.at("outcome"), "accept");
  EXPECT_EQ(told.at("source"), "local");
  EXPECT_EQ(told.at("route").at("next_hop"), "");
  EXPECT_EQ(told.at("result").at("next_hop"), "") << "only a session will say which";
  EXPECT_EQ(told.at("result").at("as_path"), "65009 65000");
  const json nothing =
      row({.direction = Direction::kExport, .peer = "tor-a", .prefix = prefix("10.64.1.0/27")});
  EXPECT_EQ(nothing.at("outcome"), "reject");
  EXPECT_EQ(nothing.at("reason"), "no route of exactly this prefix is in use");
  EXPECT_FALSE(nothing.contains("source"));
}

TEST_F(PolicyTrial, RefusesWhatIsNoRoute) {
  const PolicyTest good{.peer = "tor-a", .prefix = prefix("10.1.0.0/16")};
  PolicyTest test = good;
  test.peer = "nobody";
  EXPECT_EQ(failure(test).code, Code::kNotFound);
  EXPECT_EQ(failure(test).message, "peer: value 'nobody': no such peer");
  test = good;
  test.origin = "me";
  EXPECT_EQ(failure(test).message, "origin: value 'me': must be one of igp, egp, incomplete");
  test = good;
  test.as_path = "65001 x";
  EXPECT_EQ(failure(test).message.substr(0, 26), "as_path: value '65001 x': ");
  test = good;
  test.communities = {"65001:*"};
  EXPECT_EQ(failure(test).code, Code::kBadArgument) << "a route has no patterns";
  test = good;
  test.prefix = prefix("fd00:64::/48");
  EXPECT_EQ(failure(test).message,
            "next_hop: is missing; tor-a has an IPv4 session, which does not say it for an IPv6 route");
  test.next_hop = *IpAddress::parse("198.18.77.2");
  EXPECT_EQ(failure(test).message, "next_hop: value '198.18.77.2': an IPv6 route has an IPv6 next hop");
  test.next_hop = *IpAddress::parse("2001:db8:77::2");
  EXPECT_EQ(row(test).at("route").at("next_hop"), "2001:db8:77::2");
  EXPECT_EQ(row({.peer = "host-b", .prefix = prefix("10.1.0.0/16")}).at("route").at("next_hop"),
            "2001:db8:77::2")
      << "RFC 8950";
}

TEST(ParseAsPath, BothWays) {
  for (const char* text : {"", "65001", "65001 65002", "65001 {7 8}", "{7} 65001", "{7} {8}", "4200000000"}) {
    const auto path = parse_as_path(text);
    ASSERT_TRUE(path.has_value()) << text;
    EXPECT_EQ(path->to_string(), text);
  }
  EXPECT_EQ(parse_as_path("  65001   65002 ")->segments.size(), 1U);
  std::string longest;
  for (int i = 0; i < 300; ++i) longest += "65001 ";
  EXPECT_EQ(parse_as_path(longest)->segments.size(), 2U) << "RFC 4271 4.3: 255 in a segment";
  for (const char* text : {"x", "65001,65002", "{", "}", "{}", "{7", "7}", "{{7}}", "-1", "4294967296"}) {
    EXPECT_FALSE(parse_as_path(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace towpath::agent
