#include "agent/config/parse_config.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace towpath::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// The shortest file that is complete; `more` is put behind it.
std::string minimal(const std::string& more = "") {
  return "node: a\nrouter_id: 192.0.2.1\nas: 64512\n" + more;
}

AgentConfig parsed(const std::string& text) {
  auto config = parse_config(text, "t.yaml");
  if (config) return *config;
  ADD_FAILURE() << testing::PrintToString(config.error());
  return {};
}

ConfigErrors errors_of(const std::string& text) {
  const auto config = parse_config(text, "t.yaml");
  return config ? ConfigErrors{} : config.error();
}

Prefix prefix(std::string_view text) {
  return *Prefix::parse(text);
}

TEST(ParseConfig, ExampleIsValid) {
  const auto config = load_config(TOWPATH_EXAMPLE_CONFIG);
  ASSERT_TRUE(config.has_value()) << testing::PrintToString(config.error());
  EXPECT_EQ(config->node, "host-a");
  EXPECT_EQ(config->speaker.router_id.to_string(), "192.0.2.1");
  EXPECT_EQ(config->speaker.as.value, 64512U);
  EXPECT_EQ(config->speaker.listen.size(), 2U);
  EXPECT_THAT(config->pools, ElementsAre(prefix("10.64.0.0/16"), prefix("fd00:64::/48")));
  EXPECT_THAT(config->blocks, ElementsAre(prefix("10.64.1.0/26"), prefix("fd00:64:0:1::/122")));
  EXPECT_EQ(config->speaker.originate, config->blocks);
  ASSERT_EQ(config->speaker.peers.size(), 1U);
  EXPECT_EQ(config->speaker.peers[0].name, "host-b");
}

TEST(ParseConfig, ExampleShowsTheDefaultsOfTheCode) {
  // The keys of the example that have no default, and nothing else.
  const std::string required_only = R"(
node: host-a
router_id: 192.0.2.1
as: 64512
listen: [{address: 192.0.2.1}, {address: "2001:db8::1"}]
pools: [10.64.0.0/16, "fd00:64::/48"]
blocks: [10.64.1.0/26, "fd00:64:0:1::/122"]
peers: [{name: host-b, address: 192.0.2.2, as: 64512}]
)";
  EXPECT_TRUE(parsed(slurp(TOWPATH_EXAMPLE_CONFIG)) == parsed(required_only));
}

TEST(ParseConfig, ExampleShowsEveryKey) {
  // A key that is like no other makes the parser name all that it knows at that place.
  const std::string zzz = "zzzzzzzz: 1";
  const auto errors =
      errors_of(minimal(zzz + "\nlisten: [{" + zzz + "}]\nimport: [{" + zzz + "}]\nkernel: {" + zzz +
                        "}\npolicies: {p: [{match: {" + zzz + ", as_path: {" + zzz + "}}, then: {" + zzz +
                        "}}]}\nlog: {" + zzz + "}\npeers: [{" + zzz + ", next_hop: {" + zzz +
                        "}, local_as: {" + zzz + "}}]\nadvertise: [{" + zzz + ", health: {" + zzz + "}}]\n"));
  const std::string example = slurp(TOWPATH_EXAMPLE_CONFIG);
  const std::string known_here = "known here: ";
  int sections = 0;
  for (const std::string& error : errors) {
    const auto at = error.find(known_here);
    if (at == std::string::npos) continue;
    ++sections;
    std::stringstream words(error.substr(at + known_here.size()));
    for (std::string key; std::getline(words >> std::ws, key, ',');) {
      EXPECT_THAT(example, testing::ContainsRegex("(^|\n)[ #-]*" + key + ":"));
    }
  }
  EXPECT_EQ(sections, 13) << testing::PrintToString(errors);
}

// The line of the example without its "# ", if a key follows.
std::string uncommented(const std::string& line) {
  const auto mark = line.find_first_not_of(' ');
  if (mark == std::string::npos || line[mark] != '#') return line;
  const auto text = line.find_first_not_of(' ', mark + 1);
  if (text == std::string::npos) return line;
  const auto word = line.find_first_not_of("- ", text);
  const auto end = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789", word);
  // Prose has no single word in front of a colon.
  if (end == std::string::npos || end == word || line[end] != ':') return line;
  // "# key:" stands where the key belongs; "#  - key:" shows its own indentation.
  return line.substr(0, mark) + line.substr(text - mark > 2 ? mark + 1 : text);
}

TEST(ParseConfig, ExampleIsValidWithItsCommentedKeysInForce) {
  std::istringstream lines(slurp(TOWPATH_EXAMPLE_CONFIG));
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    // What is for peers in another AS needs one.
    if (line.starts_with("    as: 64512")) line = "    as: 64513";
    // Keys that the example shows empty first.
    if (line == "import: []") line = "import:";
    if (line == "policies: {}") line = "policies:";
    if (line == "advertise: []") line = "advertise:";
    if (line == "advertise_leases: []") line = "advertise_leases:";
    text += uncommented(line) + "\n";
  }
  const AgentConfig config = parsed(text);
  EXPECT_EQ(config.speaker.cluster_id->to_string(), "192.0.2.1");
  ASSERT_EQ(config.speaker.peers.size(), 1U);
  EXPECT_EQ(config.speaker.peers[0].local_address->to_string(), "192.0.2.1");
  EXPECT_EQ(config.speaker.peers[0].next_hop_self[0]->to_string(), "192.0.2.1");
  EXPECT_EQ(config.speaker.peers[0].next_hop_self[1]->to_string(), "2001:db8::1");
  ASSERT_EQ(config.speaker.peers[0].import_policy->rules().size(), 2U)
      << "the peer's own rules: none, then this host's blocks and the pools";
}

TEST(ParseConfig, ImportRulesAreThePeersOwnOrTheGlobalOnesAndThenThePools) {
  const AgentConfig config = parsed(minimal(R"(
pools: [10.0.0.0/8, "fd00::/16"]
import:
  - {prefix: 0.0.0.0/0, max_length: 0, action: reject}
peers:
  - {name: global, address: 192.0.2.2, as: 1}
  - {name: own, address: 192.0.2.3, as: 1, import: [{prefix: "2001:db8::/32", min_length: 48, max_length: 64}]}
  - {name: none, address: 192.0.2.4, as: 1, import: []}
)"));
  const auto rules = [](bgp::PrefixRange range, bgp::Verdict verdict) {
    std::vector<bgp::RouteRule> list{
        bgp::accept_prefixes("import[0]", {range}),
        bgp::accept_prefixes("pools", {{prefix("10.0.0.0/8"), 8, 32}, {prefix("fd00::/16"), 16, 128}})};
    list[0].verdict = verdict;
    return list;
  };
  ASSERT_EQ(config.speaker.peers.size(), 3U);
  EXPECT_EQ(config.speaker.peers[0].import_policy->rules(),
            rules({prefix("0.0.0.0/0"), 0, 0}, bgp::Verdict::kReject));
  EXPECT_EQ(config.speaker.peers[1].import_policy->rules(),
            rules({prefix("2001:db8::/32"), 48, 64}, bgp::Verdict::kAccept));
  ASSERT_EQ(config.speaker.peers[2].import_policy->rules().size(), 1U);
  EXPECT_EQ(config.speaker.peers[2].import_policy->rules()[0].name, "pools");
}

// A single address of a block may be: another host has borrowed it.
TEST(ParseConfig, NobodyAnnouncesPartsOfOurBlocksUnlessARuleSaysSo) {
  const AgentConfig config = parsed(minimal(R"(
pools: [10.0.0.0/8, "fd00::/16"]
blocks: [10.1.0.0/26, "fd00:1::/122", 10.1.7.7/32]
peers:
  - {name: plain, address: 192.0.2.2, as: 1}
  - {name: ruled, address: 192.0.2.3, as: 1, import: [{prefix: 10.1.0.0/27, action: accept}]}
  - {name: strict, address: 192.0.2.4, as: 1, import: [{prefix: 10.1.0.0/26, max_length: 32, action: reject}]}
)"));
  const auto verdict = [&](std::size_t peer, const char* text) {
    bgp::PolicyRoute route;
    route.prefix = prefix(text);
    return config.speaker.peers[peer].import_policy->apply(route, config.speaker.as).verdict;
  };
  for (const char* own : {"10.1.0.0/26", "10.1.0.2/31", "fd00:1::/122", "fd00:1::2/127", "10.1.7.7/32"}) {
    EXPECT_EQ(verdict(0, own), bgp::Verdict::kReject) << own;
  }
  for (const char* other : {"10.1.0.64/26", "10.1.0.0/24", "fd00:2::/122", "10.1.0.1/32", "fd00:1::1/128"}) {
    EXPECT_EQ(verdict(0, other), bgp::Verdict::kAccept) << other;
  }
  EXPECT_EQ(verdict(1, "10.1.0.0/27"), bgp::Verdict::kAccept);
  EXPECT_EQ(verdict(2, "10.1.0.1/32"), bgp::Verdict::kReject);
}

TEST(ParseConfig, MultipathForBothFamiliesOrEach) {
  EXPECT_EQ(parsed(minimal("multipath: 8\n")).speaker.multipath, (bgp::MultipathLimits{8, 8}));
  EXPECT_EQ(parsed(minimal("multipath: {ipv6: 2}\n")).speaker.multipath, (bgp::MultipathLimits{1, 2}));
  EXPECT_THAT(errors_of(minimal("multipath: {ipv4: 65}\n")),
              ElementsAre("t.yaml:4: multipath.ipv4: value '65': must be a number from 1 to 64"));
}

TEST(ParseConfig, EveryPeerKeyIsTaken) {
  const AgentConfig config = parsed(minimal(R"(
peers:
  - name: b
    address: 2001:db8::2
    as: "1.10"
    port: 1179
    local_address: 2001:db8::1
    passive: true
    hold_time: 0
    connect_retry: 60
    families: [ipv6]
    next_hop: {ipv6: "2001:db8::9"}
    ttl: 3
    export: all
)"));
  ASSERT_EQ(config.speaker.peers.size(), 1U);
  const bgp::PeerConfig& peer = config.speaker.peers[0];
  EXPECT_EQ(peer.as.number.value, 65546U);
  EXPECT_EQ(peer.port, 1179);
  EXPECT_EQ(peer.local_address->to_string(), "2001:db8::1");
  EXPECT_TRUE(peer.passive);
  EXPECT_EQ(peer.hold_time.count(), 0);
  EXPECT_EQ(peer.connect_retry.count(), 60);
  EXPECT_FALSE(peer.families[index(bgp::Family::kIpv4Unicast)]);
  EXPECT_TRUE(peer.families[index(bgp::Family::kIpv6Unicast)]);
  EXPECT_EQ(peer.next_hop_self[index(bgp::Family::kIpv6Unicast)]->to_string(), "2001:db8::9");
  EXPECT_EQ(peer.ttl, 3);
  EXPECT_EQ(peer.export_scope, bgp::ExportScope::kAll);
}

TEST(ParseConfig, AnchorsAndMergeKeysAreFine) {
  const AgentConfig config = parsed(minimal(R"(
peers:
  - &first {name: b, address: 192.0.2.2, as: 1, hold_time: 30, passive: true}
  - {<<: *first, name: c, address: 192.0.2.3}
  - {<<: [{as: 7}, *first], name: d, address: 192.0.2.4, passive: false}
)"));
  ASSERT_EQ(config.speaker.peers.size(), 3U);
  EXPECT_EQ(config.speaker.peers[1].name, "c");
  EXPECT_EQ(config.speaker.peers[1].hold_time.count(), 30);
  EXPECT_TRUE(config.speaker.peers[1].passive);
  EXPECT_EQ(config.speaker.peers[2].as.number.value, 7U);
  EXPECT_FALSE(config.speaker.peers[2].passive);
}

TEST(ParseConfig, AListWithEveryEntryCommentedOutIsEmpty) {
  const AgentConfig config = parsed(minimal("listen:\npools:\nblocks:\nimport:\npeers:\n"));
  EXPECT_TRUE(config.speaker.listen.empty());
  EXPECT_TRUE(config.speaker.peers.empty());
}

struct Refused {
  const char* why;    // the reason for the row
  std::string text;   // the file
  std::string error;  // the one complaint
};

std::string peer(const std::string& more) {
  return minimal("peers:\n- {name: b, address: 192.0.2.2, as: 1, " + more + "}\n");
}

const std::vector<Refused>& refused() {
  static const std::vector<Refused> rows{
      {"empty", "", "t.yaml: the file is empty"},
      {"only comments", "# nothing\n", "t.yaml: the file is empty"},
      {"syntax", "node: [a\n", "t.yaml:2: not valid YAML: end of sequence flow not found"},
      {"not a mapping", "just words\n", "t.yaml:1: value 'just words': must be a mapping (key: value)"},
      {"two documents", minimal("---\nnode: b\n"),
       "t.yaml:5: a second YAML document begins; there must be one"},
      {"missing node", "router_id: 1.2.3.4\nas: 1\n", "t.yaml:1: node: is missing"},
      {"missing router_id", "node: a\nas: 1\n", "t.yaml:1: router_id: is missing"},
      {"missing as", "node: a\nrouter_id: 1.2.3.4\n", "t.yaml:1: as: is missing"},
      {"no value", "node:\nrouter_id: 1.2.3.4\nas: 1\n", "t.yaml:1: node: has no value"},
      {"near miss", minimal("rooter_id: 1\n"), "t.yaml:4: rooter_id: unknown key; did you mean 'router_id'?"},
      {"far miss", minimal("colour: red\n"),
       "t.yaml:4: colour: unknown key; known here: node, router_id, as, cluster_id, listen, pools, blocks, "
       "policies, import, peers, advertise, advertise_leases, kernel, multipath, "
       "restart_deferral, state_dir, network_policies, control_socket, metrics, log"},
      {"unknown in a peer", peer("hold-time: 9"),
       "t.yaml:5: peers[0].hold-time: unknown key; did you mean 'hold_time'?"},
      {"key twice", minimal("as: 2\n"), "t.yaml:4: as: given twice, first on line 3"},
      {"bad name", "node: a b\nrouter_id: 1.2.3.4\nas: 1\n",
       "t.yaml:1: node: value 'a b': must be 1 to 253 letters, digits, '-', '.' or '_', and begin with a "
       "letter or digit"},
      {"router id zero", "node: a\nrouter_id: 0.0.0.0\nas: 1\n",
       "t.yaml:2: router_id: value '0.0.0.0': router id 0.0.0.0 must not be used (RFC 6286)"},
      {"router id text", "node: a\nrouter_id: x\nas: 1\n",
       "t.yaml:2: router_id: value 'x': 'x' is not a router id (four octets, as in 192.0.2.1)"},
      {"as zero", "node: a\nrouter_id: 1.2.3.4\nas: 0\n",
       "t.yaml:3: as: value '0': AS number 0 must not be used (RFC 7607)"},
      {"as that stands for others", "node: a\nrouter_id: 1.2.3.4\nas: 23456\n",
       "t.yaml:3: as: value '23456': is AS_TRANS, which no speaker can be in (RFC 6793 section 9)"},
      {"as too large", "node: a\nrouter_id: 1.2.3.4\nas: 4294967296\n",
       "t.yaml:3: as: value '4294967296': '4294967296' is not an AS number (1 to 4294967295)"},
      {"as a list", "node: a\nrouter_id: 1.2.3.4\nas: [1]\n",
       "t.yaml:3: as: must be a single value, is a list"},
      {"as a mapping", "node: a\nrouter_id: 1.2.3.4\nas: {b: 1}\n",
       "t.yaml:3: as: must be a single value, is a mapping"},
      {"cluster id", minimal("cluster_id: 0.0.0.0\n"),
       "t.yaml:4: cluster_id: value '0.0.0.0': router id 0.0.0.0 must not be used (RFC 6286)"},
      {"listen no list", minimal("listen: 192.0.2.1\n"),
       "t.yaml:4: listen: value '192.0.2.1': must be a list"},
      {"listen no map", minimal("listen: [192.0.2.1]\n"),
       "t.yaml:4: listen[0]: value '192.0.2.1': must be a mapping (key: value)"},
      {"listen everywhere", minimal("listen: [{address: 0.0.0.0}]\n"),
       "t.yaml:4: listen[0].address: value '0.0.0.0': must name one address, not all of them"},
      {"listen multicast", minimal("listen: [{address: 224.0.0.1}]\n"),
       "t.yaml:4: listen[0].address: value '224.0.0.1': must be a unicast address"},
      {"listen link-local", minimal("listen: [{address: 'fe80::1'}]\n"),
       "t.yaml:4: listen[0].address: value 'fe80::1': must not be link-local: it would need an interface"},
      {"listen port", minimal("listen: [{address: 192.0.2.1, port: 0}]\n"),
       "t.yaml:4: listen[0].port: value '0': must be a number from 1 to 65535"},
      {"listen twice", minimal("listen:\n- {address: 192.0.2.1}\n- {address: 192.0.2.1}\n"),
       "t.yaml:6: listen[1]: 192.0.2.1 port 179 is on line 5 already"},
      {"metrics name", minimal("metrics: {address: localhost}\n"),
       "t.yaml:4: metrics.address: value 'localhost': 'localhost' is not an IP address"},
      {"metrics port", minimal("metrics: {port: 0}\n"),
       "t.yaml:4: metrics.port: value '0': must be a number from 1 to 65535"},
      {"metrics key", minimal("metrics: {tls: true}\n"),
       "t.yaml:4: metrics.tls: unknown key; known here: address, port"},
      {"pool host bits", minimal("pools: [10.0.0.1/8]\n"),
       "t.yaml:4: pools[0]: value '10.0.0.1/8': '10.0.0.1/8' has bits set beyond its length; the network is "
       "10.0.0.0/8"},
      {"pool no length", minimal("pools: [10.0.0.0]\n"),
       "t.yaml:4: pools[0]: value '10.0.0.0': '10.0.0.0' has no prefix length"},
      {"pools overlap", minimal("pools:\n- 10.0.0.0/8\n- 10.1.0.0/16\n"),
       "t.yaml:6: pools[1]: value '10.1.0.0/16': overlaps 10.0.0.0/8 on line 5"},
      {"pool of everything", minimal("pools: ['::/0']\n"),
       "t.yaml:4: pools[0]: value '::/0': has addresses of ::/127, which no container can have"},
      {"pool multicast", minimal("pools: [224.0.0.0/8]\n"),
       "t.yaml:4: pools[0]: value '224.0.0.0/8': has addresses of 224.0.0.0/4, which no container can have"},
      {"pool a map", minimal("pools: [{a: b}]\n"),
       "t.yaml:4: pools[0]: must be a single value, is a mapping"},
      {"block outside", minimal("pools: [10.0.0.0/16]\nblocks: [10.1.0.0/26]\n"),
       "t.yaml:5: blocks[0]: value '10.1.0.0/26': lies in none of the pools"},
      {"block of the other family", minimal("pools: [10.0.0.0/16]\nblocks: ['fd00::/122']\n"),
       "t.yaml:5: blocks[0]: value 'fd00::/122': lies in none of the pools"},
      {"block with our own address",
       minimal("listen:\n- address: 192.0.2.1\npools: [192.0.2.0/24]\nblocks: [192.0.2.0/26]\n"),
       "t.yaml:7: blocks[0]: value '192.0.2.0/26': contains 192.0.2.1, our own listen address"},
      {"block with the address of a peer",
       minimal("pools: ['2001:db8::/32']\nblocks: ['2001:db8::/122']\npeers:\n- {name: b, address: "
               "'2001:db8::2', as: 64512}\n"),
       "t.yaml:5: blocks[0]: value '2001:db8::/122': contains 2001:db8::2, the address of peer b"},
      {"block with the address that we have toward a peer",
       minimal(
           "pools: [192.0.2.0/24]\nblocks: [192.0.2.0/26]\npeers:\n- {name: b, address: 198.51.100.2, as: "
           "64512, local_address: 192.0.2.9}\n"),
       "t.yaml:5: blocks[0]: value '192.0.2.0/26': contains 192.0.2.9, our own address toward peer b"},
      {"key file that can be none",
       minimal("peers:\n- {name: b, address: 192.0.2.2, as: 64512, md5_key_file: /dev}\n"),
       "t.yaml:5: peers[0].md5_key_file: value '/dev': is not a regular file"},
      {"blocks overlap", minimal("pools: [10.0.0.0/16]\nblocks:\n- 10.0.0.0/26\n- 10.0.0.32/27\n"),
       "t.yaml:7: blocks[1]: value '10.0.0.32/27': overlaps 10.0.0.0/26 on line 6"},
      {"rule without prefix", minimal("import: [{action: accept}]\n"),
       "t.yaml:4: import[0].prefix: is missing"},
      {"rule shorter than its prefix", minimal("import: [{prefix: 10.0.0.0/8, min_length: 7}]\n"),
       "t.yaml:4: import[0].min_length: value '7': must be a number from 8 to 32"},
      {"rule lengths crossed", minimal("import: [{prefix: 10.0.0.0/8, min_length: 24, max_length: 16}]\n"),
       "t.yaml:4: import[0].max_length: value '16': must be a number from 24 to 32"},
      {"rule beyond the family", minimal("import: [{prefix: 10.0.0.0/8, max_length: 33}]\n"),
       "t.yaml:4: import[0].max_length: value '33': must be a number from 8 to 32"},
      {"rule action", minimal("import: [{prefix: 10.0.0.0/8, action: allow}]\n"),
       "t.yaml:4: import[0].action: value 'allow': must be one of accept, reject"},
      {"peer without name", minimal("peers: [{address: 192.0.2.2, as: 1}]\n"),
       "t.yaml:4: peers[0].name: is missing"},
      {"peer without address", minimal("peers: [{name: b, as: 1}]\n"),
       "t.yaml:4: peers[0].address: is missing"},
      {"peer without as", minimal("peers: [{name: b, address: 192.0.2.2}]\n"),
       "t.yaml:4: peers[0].as: is missing"},
      {"peer no map", minimal("peers: [b]\n"),
       "t.yaml:4: peers[0]: value 'b': must be a mapping (key: value)"},
      {"peers no list", minimal("peers: {name: b}\n"), "t.yaml:4: peers: must be a list"},
      {"peer name local", minimal("peers: [{name: local, address: 192.0.2.2, as: 1}]\n"),
       "t.yaml:4: peers[0].name: value 'local': stands for this host in route dumps; choose another"},
      {"peer name twice",
       minimal("peers:\n- {name: b, address: 192.0.2.2, as: 1}\n- {name: b, address: 192.0.2.3, as: 1}\n"),
       "t.yaml:6: peers[1].name: value 'b': is the name of the peer on line 5 already"},
      {"peer address twice",
       minimal("peers:\n- {name: b, address: 192.0.2.2, as: 1}\n- {name: c, address: 192.0.2.2, as: 1}\n"),
       "t.yaml:6: peers[1].address: value '192.0.2.2': is the address of the peer on line 5 already"},
      {"peer is ourselves",
       minimal("listen: [{address: 192.0.2.2}]\npeers: [{name: b, address: 192.0.2.2, as: 1}]\n"),
       "t.yaml:5: peers[0].address: value '192.0.2.2': is our own listen address"},
      {"peer address", minimal("peers: [{name: b, address: host-b, as: 1}]\n"),
       "t.yaml:4: peers[0].address: value 'host-b': 'host-b' is not an IP address"},
      {"peer port", peer("port: 65536"),
       "t.yaml:5: peers[0].port: value '65536': must be a number from 1 to 65535"},
      {"passive", peer("passive: yes"), "t.yaml:5: peers[0].passive: value 'yes': must be true or false"},
      {"hold time 1", peer("hold_time: 1"),
       "t.yaml:5: peers[0].hold_time: value '1': must be 0 or at least 3 seconds (RFC 4271 section 4.2)"},
      {"hold time 2", peer("hold_time: 2"),
       "t.yaml:5: peers[0].hold_time: value '2': must be 0 or at least 3 seconds (RFC 4271 section 4.2)"},
      {"hold time negative", peer("hold_time: -1"),
       "t.yaml:5: peers[0].hold_time: value '-1': must be a number from 0 to 65535"},
      {"hold time too long", peer("hold_time: 65536"),
       "t.yaml:5: peers[0].hold_time: value '65536': must be a number from 0 to 65535"},
      {"hold time with unit", peer("hold_time: 9s"),
       "t.yaml:5: peers[0].hold_time: value '9s': must be a number from 0 to 65535"},
      {"connect retry", peer("connect_retry: 0"),
       "t.yaml:5: peers[0].connect_retry: value '0': must be a number from 1 to 65535"},
      {"family unknown", peer("families: [ip]"),
       "t.yaml:5: peers[0].families[0]: value 'ip': must be one of ipv4, ipv6"},
      {"family twice", peer("families: [ipv4, ipv4]"),
       "t.yaml:5: peers[0].families[1]: value 'ipv4': is there twice"},
      {"families none", peer("families: []"), "t.yaml:5: peers[0].families: must name at least one family"},
      {"families no list", peer("families: ipv4"),
       "t.yaml:5: peers[0].families: value 'ipv4': must be a list"},
      {"next hop of the other family", peer("next_hop: {ipv6: 192.0.2.1}"),
       "t.yaml:5: peers[0].next_hop.ipv6: value '192.0.2.1': must be an ipv6 address"},
      {"next hop without family", peer("families: [ipv4], next_hop: {ipv6: 'fd00::1'}"),
       "t.yaml:5: peers[0].next_hop.ipv6: value 'fd00::1': has no use: families does not have ipv6"},
      {"local address of the other family", peer("local_address: 'fd00::1'"),
       "t.yaml:5: peers[0].local_address: value 'fd00::1': must be an ipv4 address, as the peer's 192.0.2.2"},
      {"local address is the peer's", peer("local_address: 192.0.2.2"),
       "t.yaml:5: peers[0].local_address: value '192.0.2.2': is the peer's own address"},
      {"ttl", peer("ttl: 256"), "t.yaml:5: peers[0].ttl: value '256': must be a number from 0 to 255"},
      {"reflector to another AS", peer("route_reflector_client: true"),
       "t.yaml:5: peers[0].route_reflector_client: value 'true': is for peers in our AS 64512, this one is "
       "in AS 1 "
       "(RFC 4456)"},
      {"export", peer("export: none"), "t.yaml:5: peers[0].export: value 'none': must be one of own, all"},
      {"peer's rule", peer("import: [{prefix: 10.0.0.0/8, min: 3}]"),
       "t.yaml:5: peers[0].import[0].min: unknown key; known here: policy, match, then, prefix, min_length, "
       "max_length, action"},
      {"kernel no map", minimal("kernel: 254\n"),
       "t.yaml:4: kernel: value '254': must be a mapping (key: value)"},
      {"table 0", minimal("kernel: {table: 0}\n"),
       "t.yaml:4: kernel.table: value '0': must be a number from 1 to 4294967295"},
      {"table local", minimal("kernel: {table: 255}\n"),
       "t.yaml:4: kernel.table: value '255': is the kernel's own table 'local'"},
      {"protocol of the kernel", minimal("kernel: {protocol: 2}\n"),
       "t.yaml:4: kernel.protocol: value '2': must be a number from 5 to 255"},
      {"metric 0", minimal("kernel: {metric: 0}\n"),
       "t.yaml:4: kernel.metric: value '0': must be a number from 1 to 4294967294"},
      {"metrics crossed", minimal("kernel: {metric: 50, blackhole_metric: 50}\n"),
       "t.yaml:4: kernel.blackhole_metric: value '50': blackhole_metric 50 must be greater than metric 50, "
       "or the "
       "blackhole would win"},
      {"metrics crossed by default", minimal("kernel: {metric: 5000}\n"),
       "t.yaml:4: kernel: blackhole_metric 4096 must be greater than metric 5000, or the blackhole would "
       "win"},
      {"deferral", minimal("restart_deferral: 3601\n"),
       "t.yaml:4: restart_deferral: value '3601': must be a number from 0 to 3600"},
      {"relative state dir", minimal("state_dir: run\n"),
       "t.yaml:4: state_dir: value 'run': must be an absolute path"},
      {"relative socket", minimal("control_socket: s\n"),
       "t.yaml:4: control_socket: value 's': must be an absolute path"},
      {"long socket", minimal("control_socket: /" + std::string(107, 'x') + "\n"),
       "t.yaml:4: control_socket: value '/" + std::string(107, 'x') +
           "': a socket path has at most 107 characters, this has 108"},
      {"log level", minimal("log: {level: verbose}\n"),
       "t.yaml:4: log.level: value 'verbose': must be one of debug, info, warning, error"},
      {"log format", minimal("log: {format: xml}\n"),
       "t.yaml:4: log.format: value 'xml': must be one of text, json"},
      {"merge of a word", minimal("log: {<<: x}\n"), "t.yaml:4: log.<<: must merge a mapping"},
      {"line break in a value", minimal("state_dir: \"a\\nb\"\n"),
       "t.yaml:4: state_dir: value 'a b': must be an absolute path"},
  };
  return rows;
}

TEST(ParseConfig, RefusesWithOneExactComplaint) {
  for (const Refused& row : refused()) {
    EXPECT_THAT(errors_of(row.text), ElementsAre(row.error)) << row.why;
  }
}

TEST(ParseConfig, ReportsAllErrorsInTheOrderOfTheFile) {
  const auto errors = errors_of("node: a b\npeers:\n- {name: x, address: 1.1.1.1, as: 0, ttl: 999}\nas: y\n");
  ASSERT_EQ(errors.size(), 5U) << testing::PrintToString(errors);
  EXPECT_THAT(errors[0], HasSubstr("t.yaml:1: node"));
  EXPECT_THAT(errors[1], HasSubstr("t.yaml:1: router_id: is missing"));
  EXPECT_THAT(errors[2], HasSubstr("t.yaml:3: peers[0].as"));
  EXPECT_THAT(errors[3], HasSubstr("t.yaml:3: peers[0].ttl"));
  EXPECT_THAT(errors[4], HasSubstr("t.yaml:4: as"));
}

TEST(LoadConfig, NamesTheFileThatCannotBeRead) {
  const auto missing = load_config("/nonexistent/towpathd.yaml");
  ASSERT_FALSE(missing.has_value());
  EXPECT_THAT(missing.error(), ElementsAre("/nonexistent/towpathd.yaml: open: No such file or directory"));
  const auto directory = load_config("/");
  ASSERT_FALSE(directory.has_value());
  EXPECT_THAT(directory.error(), ElementsAre("/: is not a regular file"));
}

}  // namespace
}  // namespace towpath::agent
