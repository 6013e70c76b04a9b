#include "agent/advertise/claim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "agent/advertise/configured_claim.h"
#include "tests/support/silent_observer.h"

namespace towpath::agent {
namespace {

Prefix prefix(const char* text) {
  return *Prefix::parse(text);
}

// What peers announce is tried with real ones: tests/scenario/service_prefixes.py.
TEST(Claim, WhatTheConfigurationSaysAgainstIt) {
  AgentConfig config;
  config.pools = {prefix("10.64.0.0/16"), prefix("fd00:64::/48")};
  config.blocks = {prefix("10.64.1.0/26"), prefix("fd00:64:0:1::/122")};
  bgp::PeerConfig peer;
  peer.name = "host-b";
  bgp::RouteRule denied = bgp::accept_prefixes("pools", {{prefix("10.64.0.0/16"), 16, 32}});
  denied.verdict = bgp::Verdict::kReject;
  peer.authorisation =
      bgp::PolicyPtr({bgp::accept_prefixes("blocks", {{prefix("10.64.2.0/26"), 26, 32}}), denied});
  bgp::PeerConfig free;
  free.name = "host-c";
  config.speaker.peers = {free, peer};
  test::SilentObserver observer;
  boost::asio::io_context loop;
  bgp::Speaker speaker(loop.get_executor(), observer);

  struct Row {
    const char* prefix;
    const char* conflict;  // empty: none
  };
  for (const Row& row :
       {Row{"10.64.1.0/26", "is a block of this host already"},
        Row{"fd00:64:0:1::/122", "is a block of this host already"}, Row{"10.64.1.9/32", ""},
        Row{"fd00:64:0:1::9/128", ""}, Row{"10.64.2.0/26", "meets 10.64.2.0/26, a block of host-b"},
        Row{"10.64.2.9/32", "meets 10.64.2.0/26, a block of host-b"},
        Row{"10.64.0.0/16", "meets 10.64.2.0/26, a block of host-b"},
        Row{"10.0.0.0/8", "meets 10.64.2.0/26, a block of host-b"}, Row{"10.64.3.0/26", ""},
        Row{"198.51.100.0/24", ""}, Row{"2001:db8::80/128", ""}}) {
    const auto reason = why_not_claim(prefix(row.prefix), config.blocks, config.speaker.peers);
    EXPECT_EQ(reason.value_or(""), row.conflict) << row.prefix;
    const Status checked = check_claim(prefix(row.prefix), config, speaker);
    ASSERT_EQ(checked.has_value(), *row.conflict == 0) << row.prefix;
    if (checked) continue;
    EXPECT_EQ(checked.error().kind, ErrorKind::kConflict);
    EXPECT_EQ(checked.error().message, "prefix: value '" + std::string(row.prefix) + "': " + row.conflict);
  }
}

}  // namespace
}  // namespace towpath::agent
