// The compiled rules in the real kernel: against the reference evaluator, packet by packet, and in the cases
// that the evaluator knows nothing of.
#include "towpath/netlink/policy_table.h"

#include <gmock/gmock.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

#include <cstdlib>

#include "agent/policy/ruleset_change.h"
#include "tests/netns/policy/policy_lab.h"
#include "towpath/policy/compile.h"

namespace towpath::agent {
namespace {

using policy::DesiredRuleset;
using policy::Endpoint;
using policy::PolicySet;
using test::make_packet;
using test::PolicyPacket;
using test::RandomPolicies;

class PolicyTableTest : public test::PolicyLab {
 protected:
  void SetUp() override {
    PolicyLab::SetUp();
    if (IsSkipped()) return;
    table_.emplace(*netlink::PolicyTable::open());
    netfilter_.emplace(*netlink::NetlinkSocket::open(NETLINK_NETFILTER));
    replace({});
    // Packets here have none.
    ASSERT_TRUE(netlink::write_sysctl("net/netfilter/nf_conntrack_checksum", "0"));
  }

  void replace(const DesiredRuleset& ruleset) {
    const auto status = table_->replace(ruleset_change({}, ruleset));
    ASSERT_TRUE(status) << status.error().message;
    in_kernel_ = ruleset;
  }
  void change(const DesiredRuleset& ruleset) {
    const auto status = table_->change(ruleset_change(in_kernel_, ruleset));
    ASSERT_TRUE(status) << status.error().message;
    in_kernel_ = ruleset;
  }

  // All flows that connection tracking knows.
  void forget_flows() {
    struct {
      nlmsghdr header;
      nfgenmsg family;
    } request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    ASSERT_TRUE(netfilter_->send(std::as_bytes(std::span(&request, 1))));
    ASSERT_TRUE(netfilter_->receive_answer());
  }

  std::vector<bool> pass(const std::vector<PolicyPacket>& packets, bool icmp_errors = false) {
    std::vector<std::vector<std::uint8_t>> bytes;
    std::vector<std::pair<IpAddress, IpAddress>> ways;
    const std::uint32_t first = next_number_;
    for (const PolicyPacket& packet : packets) {
      const auto source_port = static_cast<std::uint16_t>(10000 + next_number_ % 50000);
      bytes.push_back(make_packet(packet, source_port, next_number_++, icmp_errors));
      ways.emplace_back(packet.source, packet.destination);
    }
    return PolicyLab::pass(bytes, ways, first);
  }
  bool passes(const PolicyPacket& packet) { return pass({packet})[0]; }

  std::optional<netlink::PolicyTable> table_;
  std::optional<netlink::NetlinkSocket> netfilter_;
  DesiredRuleset in_kernel_;
  std::uint32_t next_number_ = 1;
};

const IpAddress kOne = RandomPolicies::endpoint_address(AddressFamily::kIpv4, 1),
                kTwo = RandomPolicies::endpoint_address(AddressFamily::kIpv4, 2),
                kAway = RandomPolicies::away_address(AddressFamily::kIpv4, 1);

std::vector<Endpoint> endpoints(std::size_t count) {
  std::vector<Endpoint> out;
  for (std::size_t i = 1; i <= count; ++i)
    out.push_back({fmt::format("tp{:02}", i),
                   "default",
                   {{"n", std::to_string(i)}},
                   {RandomPolicies::endpoint_address(AddressFamily::kIpv4, i),
                    RandomPolicies::endpoint_address(AddressFamily::kIpv6, i)},
                   {}});
  return out;
}

// TOWPATH_SEED begins elsewhere, TOWPATH_WORLDS is how many.
TEST_F(PolicyTableTest, TheKernelAgreesWithTheEvaluator) {
  const auto number = [](const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
  };
  const std::uint64_t first = number("TOWPATH_SEED", 1), worlds = number("TOWPATH_WORLDS", 40);
  std::size_t sent = 0, allowed = 0;
  for (std::uint64_t seed = first; seed < first + worlds; ++seed) {
    RandomPolicies random(seed);
    const auto world = random.endpoints(2 + random.below(kEndpoints - 1));
    const PolicySet set = random.policies(6);
    const test::PolicyEvaluator evaluator(set, world);
    // Most by a change from the world before, as an agent does it; some from nothing.
    const DesiredRuleset ruleset = policy::compile(set, world);
    seed % 8 == 0 ? replace(ruleset) : change(ruleset);
    forget_flows();
    std::vector<PolicyPacket> packets;
    for (int i = 0; i < 100; ++i) packets.push_back(random.packet(world));
    const auto passed = pass(packets);
    for (std::size_t i = 0; i < packets.size(); ++i) {
      const PolicyPacket& packet = packets[i];
      ASSERT_EQ(passed[i], evaluator.allows(packet))
          << "TOWPATH_SEED=" << seed << " TOWPATH_WORLDS=1: " << packet.source.to_string() << " to "
          << packet.destination.to_string() << ", protocol " << int{packet.protocol} << ", port "
          << packet.port;
      ++sent;
      allowed += passed[i] ? 1 : 0;
    }
  }
  RecordProperty("packets", static_cast<int>(sent));
  EXPECT_GT(allowed, 0U);
  EXPECT_LT(allowed, sent);
}

TEST_F(PolicyTableTest, AnInterfaceWithoutAnEntryHasNothing) {
  EXPECT_FALSE(passes({kOne, kTwo, IPPROTO_UDP, 80}));
  EXPECT_FALSE(passes({kOne, kAway, IPPROTO_UDP, 80}));
  EXPECT_FALSE(passes({kAway, kOne, IPPROTO_UDP, 80}));
  replace(policy::compile({}, endpoints(1)));
  EXPECT_TRUE(passes({kOne, kAway, IPPROTO_UDP, 80}));
  EXPECT_TRUE(passes({kAway, kOne, IPPROTO_UDP, 80}));
  EXPECT_FALSE(passes({kOne, kTwo, IPPROTO_UDP, 80}));
  ASSERT_TRUE(table_->remove());
  EXPECT_TRUE(passes({kOne, kTwo, IPPROTO_UDP, 80})) << "no rules at all";
  EXPECT_TRUE(table_->remove()) << "no table is success";
}

TEST_F(PolicyTableTest, AnswersOfAllowedFlowsPassAndOthersDoNot) {
  const auto web_of_two =
      policy::NetworkPolicy{"default", "two", {{{"n", "2"}}, {}},
                            true,      true,  {{{}, {{policy::Protocol::kUdp, policy::PortRange{80, 80}}}}},
                            {}};
  replace(policy::compile({{web_of_two}, {}}, endpoints(2)));
  const auto send = [&](const PolicyPacket& packet, std::uint16_t source_port) -> bool {
    const std::uint32_t number = next_number_++;
    return PolicyLab::pass({make_packet(packet, source_port, number)}, {{packet.source, packet.destination}},
                           number)[0];
  };
  EXPECT_FALSE(send({kTwo, kOne, IPPROTO_UDP, 4000}, 80)) << "nobody asked";
  EXPECT_TRUE(send({kOne, kTwo, IPPROTO_UDP, 80}, 4000));
  EXPECT_TRUE(send({kTwo, kOne, IPPROTO_UDP, 4000}, 80)) << "the answer";
  EXPECT_FALSE(send({kTwo, kOne, IPPROTO_UDP, 4001}, 80));
}

TEST_F(PolicyTableTest, IcmpErrorsPassIsolation) {
  const auto nothing = policy::NetworkPolicy{"default", "none", {}, true, true, {}, {}};
  replace(policy::compile({{nothing}, {}}, endpoints(2)));
  const IpAddress one6 = RandomPolicies::endpoint_address(AddressFamily::kIpv6, 1),
                  two6 = RandomPolicies::endpoint_address(AddressFamily::kIpv6, 2);
  EXPECT_EQ(pass({{kOne, kTwo, IPPROTO_ICMP, 0}, {one6, two6, IPPROTO_ICMPV6, 0}}),
            (std::vector{false, false}));
  EXPECT_EQ(pass({{kOne, kTwo, IPPROTO_ICMP, 0}, {one6, two6, IPPROTO_ICMPV6, 0}}, true),
            (std::vector{true, true}));
}

TEST_F(PolicyTableTest, ARefusedChangeChangesNothing) {
  replace(policy::compile({}, endpoints(1)));
  netlink::PolicyChange wrong;
  wrong.add_interfaces.push_back({"tp02", "i_none", std::nullopt});
  const auto status = table_->change(wrong);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, ::testing::HasSubstr("towpath_policy"));
  EXPECT_TRUE(passes({kOne, kAway, IPPROTO_UDP, 80}));
  EXPECT_FALSE(passes({kOne, kTwo, IPPROTO_UDP, 80}));
}

// What people look at when something is wrong.
TEST_F(PolicyTableTest, NftListsIt) {
  RandomPolicies random(3);
  const auto world = random.endpoints(kEndpoints);
  replace(policy::compile(random.policies(6), world));
  EXPECT_EQ(std::system("nft list table inet towpath_policy | grep -q '\"tp09\" : '"), 0);
  EXPECT_EQ(std::system("nft list ruleset | grep -q 'no policy allows it'"), 0);
}

// What a policy for each customer with an address list of its own makes: more than one datagram's worth.
TEST_F(PolicyTableTest, TenThousandRulesAreOneTransaction) {
  policy::NetworkPolicy large{"default", "large", {}, true, false, {}, {}};
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    large.ingress.push_back({{policy::IpBlock{Prefix::v4(0x0B000000 + 2 * i, 32), {}}},
                             {{policy::Protocol::kTcp, policy::PortRange{80, 80}}}});
  }
  large.ingress.push_back({{policy::IpBlock{Prefix::host(kAway), {}}}, {}});
  replace(policy::compile({{large}, {}}, endpoints(2)));
  EXPECT_TRUE(passes({kAway, kOne, IPPROTO_UDP, 80}));
  EXPECT_FALSE(passes({kOne, kTwo, IPPROTO_UDP, 80}));
  change(policy::compile({}, endpoints(2)));
  EXPECT_TRUE(passes({kOne, kTwo, IPPROTO_UDP, 80}));
}

}  // namespace
}  // namespace towpath::agent
