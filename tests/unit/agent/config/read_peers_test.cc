// The keys of a peer beyond the basic ones of parse_config_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/config/parse_config.h"

namespace towpath::agent {
namespace {

using ::testing::ElementsAre;

std::string file_with(const std::string& more, const std::string& as = "65001") {
  return "node: a\nrouter_id: 192.0.2.1\nas: 64512\npeers:\n- {name: b, address: 192.0.2.2, as: " + as +
         ", " + more + "}\n";
}

bgp::PeerConfig peer(const std::string& more, const std::string& as = "65001") {
  const auto config = parse_config(file_with(more, as), "t.yaml");
  if (config) return config->speaker.peers.front();
  ADD_FAILURE() << testing::PrintToString(config.error());
  return {};
}

TEST(ReadPeers, SessionOptionsAreTaken) {
  const bgp::PeerConfig p = peer(
      "send_hold_time: 60, ttl_security: 2, extended_messages: true, extended_next_hop: true, restart_time: "
      "0, add_path: both, add_path_limit: 2, "
      "role: rs-client, role_strict: true, shutdown: 'moved: rack 7', local_as: {as: 65009, replace_as: "
      "true}");
  EXPECT_EQ(p.send_hold_time.count(), 60);
  EXPECT_EQ(p.ttl_security, 2);
  EXPECT_TRUE(p.extended_messages);
  EXPECT_TRUE(p.extended_next_hop);
  EXPECT_EQ(p.restart_time.count(), 0);
  EXPECT_EQ(p.add_path, bgp::AddPathMode::kBoth);
  EXPECT_EQ(p.add_path_limit, 2);
  EXPECT_EQ(p.role, bgp::Role::kRouteServerClient);
  EXPECT_TRUE(p.role_strict);
  EXPECT_EQ(p.shutdown, "moved: rack 7");
  EXPECT_EQ(p.local_as, (bgp::LocalAs{AsNumber{65009}, false, true}));
}

TEST(ReadPeers, TheFirstAsIsEnforcedUnlessSwitchedOff) {
  EXPECT_TRUE(peer("port: 179").enforce_first_as);
  EXPECT_FALSE(peer("enforce_first_as: false").enforce_first_as);
}

TEST(ReadPeers, AnAsMayBeAnyOutsideOrInsideOurs) {
  EXPECT_EQ(peer("port: 179", "external").as, bgp::PeerAs::external());
  EXPECT_EQ(peer("route_reflector_client: true", "internal").as, bgp::PeerAs::internal());
}

TEST(ReadPeers, AnIPv4NextHopMayBeIPv6WhereThePeerTakesThat) {
  EXPECT_EQ(peer("extended_next_hop: true, next_hop: {ipv4: 'fd00::1'}").next_hop_self[0],
            *IpAddress::parse("fd00::1"));
}

TEST(ReadPeers, PrefixesAreLimitedForEachFamily) {
  using std::chrono::seconds;
  EXPECT_EQ(peer("port: 179").maximum_prefixes, (bgp::MaximumPrefixes{{0, 0}, seconds(60)}));
  EXPECT_EQ(peer("maximum_prefixes: {ipv6: 4294967295, restart: 0}").maximum_prefixes,
            (bgp::MaximumPrefixes{{0, 4294967295}, seconds(0)}));
}

TEST(ReadPeers, AKeyFileIsNamedAndNotRead) {
  const bgp::PeerConfig p = peer("md5_key_file: /etc/towpath/keys/b, md5_rekey: live");
  EXPECT_EQ(p.md5, (bgp::Md5Key{"/etc/towpath/keys/b", "", ""}));
  EXPECT_EQ(p.md5_rekey, bgp::Md5Rekey::kLive);
  EXPECT_EQ(peer("port: 179").md5, std::nullopt);
}

std::string range_with(const std::string& more) {
  return "node: a\nrouter_id: 192.0.2.1\nas: 64512\npools: [192.0.2.128/25]\npeers:\n"
         "- {name: rack, as: internal, " +
         more + "}\n";
}

TEST(ReadPeers, ARangeIsAPeerForEachOfItsAddresses) {
  const auto config =
      parse_config(range_with("range: 'fd00::/64', limit: 7, hold_time: 30, md5_key_file: /k"), "t.yaml");
  ASSERT_TRUE(config) << testing::PrintToString(config.error());
  EXPECT_TRUE(config->speaker.peers.empty());
  ASSERT_EQ(config->speaker.ranges.size(), 1U);
  const bgp::PeerRange& range = config->speaker.ranges.front();
  EXPECT_EQ(range.prefix, *Prefix::parse("fd00::/64"));
  EXPECT_EQ(range.limit, 7U);
  EXPECT_TRUE(range.peer.of_range);
  EXPECT_EQ(range.peer.name, "rack");
  EXPECT_EQ(range.peer.hold_time.count(), 30);
  EXPECT_EQ(range.peer.md5->file, "/k");
  EXPECT_EQ(parse_config(range_with("range: 192.0.2.0/24"), "t.yaml")->speaker.ranges.front().limit, 100U);
}

TEST(ReadPeers, ARangeIsRefusedWithOneComplaint) {
  const std::string at = "t.yaml:6: peers[0].";
  const std::pair<std::string, std::string> rows[] = {
      {"range: 192.0.2.1/24", at + "range: value '192.0.2.1/24': '192.0.2.1/24' has bits set beyond its "
                                   "length; the network is 192.0.2.0/24"},
      {"range: 192.0.2.1/32", at + "range: value '192.0.2.1/32': is one address; write address"},
      {"range: 192.0.2.0/24, address: 192.0.2.1", at + "address: value '192.0.2.1': has no use with range"},
      {"range: 192.0.2.0/24, limit: 0", at + "limit: value '0': must be a number from 1 to 65535"},
      {"range: 192.0.2.0/24, passive: true", at + "passive: value 'true': has no use with range"},
      {"range: 192.0.2.0/24, bfd: {}", at + "bfd: has no use with range"},
      {"range: 192.0.2.0/24, local_address: 'fd00::1'",
       at + "local_address: value 'fd00::1': must be an ipv4 address, as its range"},
      {"address: 192.0.2.1, limit: 3", at + "limit: value '3': has no use without range"},
      {"range: 192.0.2.0/24}\n- {name: other, as: external, range: 192.0.2.0/24",
       "t.yaml:7: peers[1].range: value '192.0.2.0/24': is the range of the peer on line 6 already"},
      {"range: 192.0.2.0/24}\n- {name: rack, as: external, range: 192.0.3.0/24",
       "t.yaml:7: peers[1].name: value 'rack': is the name of the peer on line 6 already"},
      {"range: 192.0.2.0/24}\nblocks: [192.0.2.192/26]\nlog: {",
       "t.yaml:7: blocks[0]: value '192.0.2.192/26': overlaps 192.0.2.0/24, the range of peer rack"},
  };
  for (const auto& [keys, error] : rows) {
    const auto config = parse_config(range_with(keys), "t.yaml");
    ASSERT_FALSE(config) << keys;
    EXPECT_THAT(config.error(), ElementsAre(error)) << keys;
  }
}

TEST(ReadPeers, AShutdownMayHaveNoText) {
  EXPECT_EQ(peer("shutdown: ''").shutdown, "");
  EXPECT_EQ(peer("port: 179").shutdown, std::nullopt);
}

TEST(ReadPeers, BfdTakesItsAddressesFromThePeer) {
  const auto sessions = [](const std::string& more) {
    const auto config = parse_config(file_with(more), "t.yaml");
    return config ? config->bfd : std::vector<bfd::SessionConfig>{};
  };
  using std::chrono::milliseconds;
  bfd::SessionConfig expected{.remote = *IpAddress::parse("192.0.2.2"), .timers = {}};
  EXPECT_THAT(sessions("bfd: {}"), ElementsAre(expected));
  EXPECT_THAT(sessions("port: 179"), ElementsAre());
  expected.local = *IpAddress::parse("192.0.2.9");
  expected.multihop = true;
  EXPECT_THAT(sessions("ttl: 3, local_address: 192.0.2.9, bfd: {}"), ElementsAre(expected));
  expected.multihop = false;
  expected.passive = true;
  expected.timers = {milliseconds(50), milliseconds(60), 5};
  EXPECT_THAT(sessions("ttl: 3, local_address: 192.0.2.9, bfd: {transmit_interval: 50, receive_interval: 60, "
                       "multiplier: 5, multihop: false, passive: true}"),
              ElementsAre(expected));
}

TEST(ReadPeers, BfdMayBeAuthenticated) {
  const auto config = parse_config(
      file_with("bfd: {authentication: meticulous-keyed-md5, key_file: /nowhere/bfd, key_id: 0}"), "t.yaml");
  ASSERT_TRUE(config);
  ASSERT_EQ(config->bfd.size(), 1U);
  EXPECT_EQ(config->bfd[0].authentication,
            (bfd::Authentication{
                .type = bfd::AuthenticationType::kMeticulousKeyedMd5, .key_id = 0, .file = "/nowhere/bfd"}));
}

struct Refused {
  const char* as;
  std::string keys;
  std::string error;
};

TEST(ReadPeers, RefusesWithOneExactComplaint) {
  const std::string at = "t.yaml:5: peers[0].";
  const std::string long_text(129, 'x');
  for (const Refused& row : std::initializer_list<Refused>{
           {"65001", "bfd: {multiplier: 0}", "bfd.multiplier: value '0': must be a number from 1 to 255"},
           {"65001", "bfd: {authentication: md5, key_file: /k}",
            "bfd.authentication: value 'md5': must be one of simple-password, keyed-md5, "
            "meticulous-keyed-md5, keyed-sha1, meticulous-keyed-sha1"},
           {"65001", "bfd: {authentication: keyed-sha1}",
            "bfd.authentication: value 'keyed-sha1': needs key_file"},
           {"65001", "bfd: {key_file: /k}", "bfd.key_file: value '/k': has no use without authentication"},
           {"65001", "bfd: {authentication: keyed-sha1, key_file: /dev}",
            "bfd.key_file: value '/dev': is not a regular file"},
           {"65001", "bfd: {authentication: keyed-sha1, key_file: /k, key_id: 256}",
            "bfd.key_id: value '256': must be a number from 0 to 255"},
           {"65001", "bfd: {transmit_interval: 5}",
            "bfd.transmit_interval: value '5': must be a number from 10 to 60000"},
           {"ours", "port: 179", "as: value 'ours': 'ours' is not an AS number (1 to 4294967295)"},
           {"23456", "port: 179",
            "as: value '23456': is AS_TRANS, which no speaker can be in (RFC 6793 section 9)"},
           {"65001", "local_as: {as: 0.23456}",
            "local_as.as: value '0.23456': is AS_TRANS, which no speaker can be in (RFC 6793 section 9)"},
           {"65001", "ttl: 2, ttl_security: 1",
            "ttl_security: value '1': sends every packet with TTL 255 (RFC 5082); leave out ttl"},
           {"65001", "ttl_security: 255", "ttl_security: value '255': must be a number from 0 to 254"},
           {"65001", "hold_time: 90, send_hold_time: 90",
            "send_hold_time: value '90': must be 0 or more than hold_time, 90 (RFC 9687 section 5)"},
           {"65001", "next_hop: {ipv4: 'fd00::1'}",
            "next_hop.ipv4: value 'fd00::1': must be an ipv4 address, or IPv6 where extended_next_hop is "
            "true"},
           {"65001", "restart_time: 4096", "restart_time: value '4096': must be a number from 0 to 4095"},
           {"65001", "add_path: all", "add_path: value 'all': must be one of none, receive, send, both"},
           {"65001", "add_path: receive, add_path_limit: 2",
            "add_path_limit: value '2': has no use: add_path is neither send nor both"},
           {"65001", "role: boss",
            "role: value 'boss': must be one of provider, rs, rs-client, customer, peer"},
           {"64512", "role: peer", "role: value 'peer': is for peers in another AS (RFC 9234 section 4.1)"},
           {"65001", "shutdown: " + long_text,
            "shutdown: value '" + long_text + "': must have at most 128 octets (RFC 8203 section 2)"},
           {"65001", "maximum_prefixes: {ipv4: 4294967296}",
            "maximum_prefixes.ipv4: value '4294967296': must be a number from 0 to 4294967295"},
           {"65001", "families: [ipv6], maximum_prefixes: {ipv4: 5}",
            "maximum_prefixes.ipv4: value '5': has no use: families does not have ipv4"},
           {"65001", "md5_key_file: keys/b", "md5_key_file: value 'keys/b': must be an absolute path"},
           {"65001", "md5_rekey: live", "md5_rekey: value 'live': has no use without md5_key_file"},
           {"65001", "local_as: {as: 64512}", "local_as.as: value '64512': is our own AS anyway"},
           {"65001", "local_as: {as: 65001}",
            "local_as: is for peers in another AS (RFC 7705), this one is in AS 65001"},
           {"internal", "local_as: {as: 65009}",
            "local_as: is for peers in another AS (RFC 7705), this one is in AS internal"},
           {"65001", "local_as: {replace_as: true}", "local_as.as: is missing"},
       }) {
    const auto config = parse_config(file_with(row.keys, row.as), "t.yaml");
    ASSERT_FALSE(config.has_value()) << row.keys;
    EXPECT_THAT(config.error(), ElementsAre(at + row.error));
  }
}

}  // namespace
}  // namespace towpath::agent
