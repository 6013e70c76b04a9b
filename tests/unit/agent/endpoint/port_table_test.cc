#include "agent/endpoint/port_table.h"

#include <gtest/gtest.h>

#include "tests/unit/agent/endpoint/endpoint_fixture.h"

namespace towpath::agent {
namespace {

using netlink::PortChange;
using netlink::PortState;
using test::make_record;
using test::tcp;

// A kernel that does what it is told, and complains where that cannot be.
void carry_out(const PortChange& change, PortState& kernel) {
  for (const auto& [key, target] : change.remove_ports) {
    EXPECT_EQ(kernel.ports.erase(key), 1U) << "removes what is not there";
  }
  for (const auto& [key, target] : change.add_ports) {
    EXPECT_TRUE(kernel.ports.emplace(key, target).second) << "adds what is there";
  }
  for (const IpAddress& address : change.remove_hairpins) EXPECT_EQ(kernel.hairpins.erase(address), 1U);
  for (const IpAddress& address : change.add_hairpins) EXPECT_TRUE(kernel.hairpins.insert(address).second);
}

class PortTableTest : public ::testing::Test {
 protected:
  void apply() {
    const PortChange change = table_.next_change();
    carry_out(change, kernel_);
    table_.applied(change);
    EXPECT_TRUE(table_.next_change().empty());
  }
  PortTable table_;
  PortState kernel_;
};

TEST_F(PortTableTest, EveryMappingIsAnElementForEachFamilyItIsFor) {
  const auto record = make_record(
      1, {tcp(80), tcp(81, "0.0.0.0"), tcp(82, "::"), tcp(83, "192.0.2.1"), tcp(84, "2001:db8::1")});
  const IpAddress v4 = record.addresses[0], v6 = record.addresses[1];
  const std::vector<std::pair<netlink::PortKey, netlink::PortTarget>> expected = {
      {{AddressFamily::kIpv4, IPPROTO_TCP, {}, 80}, {v4, 80}},
      {{AddressFamily::kIpv6, IPPROTO_TCP, {}, 80}, {v6, 80}},
      {{AddressFamily::kIpv4, IPPROTO_TCP, {}, 81}, {v4, 80}},
      {{AddressFamily::kIpv6, IPPROTO_TCP, {}, 82}, {v6, 80}},
      {{AddressFamily::kIpv4, IPPROTO_TCP, *IpAddress::parse("192.0.2.1"), 83}, {v4, 80}},
      {{AddressFamily::kIpv6, IPPROTO_TCP, *IpAddress::parse("2001:db8::1"), 84}, {v6, 80}},
  };
  EXPECT_EQ(port_elements(record), expected);
}

TEST_F(PortTableTest, OnlyWhatDiffersIsChanged) {
  table_.allow_removals();
  EXPECT_FALSE(table_.want(make_record(1, {tcp(80), tcp(81)})));
  EXPECT_FALSE(table_.want(make_record(2, {tcp(82)})));
  apply();
  EXPECT_EQ(kernel_.ports.size(), 6U);
  EXPECT_EQ(kernel_.hairpins.size(), 4U);
  EXPECT_FALSE(table_.want(make_record(1, {tcp(81)})));
  const PortChange change = table_.next_change();
  EXPECT_EQ(change.remove_ports.size(), 2U);
  EXPECT_TRUE(change.add_ports.empty());
  EXPECT_TRUE(change.remove_hairpins.empty()) << "the other mapping still needs it";
  apply();
  table_.unwant(make_record(1).attachment);
  table_.unwant(make_record(2).attachment);
  apply();
  EXPECT_EQ(kernel_, PortState());
}

TEST_F(PortTableTest, WhatThePortsClashWith) {
  struct Row {
    const char* first;
    const char* second;
    bool clash;
  };
  const Row rows[] = {
      {"", "", true},
      {"", "192.0.2.1", true},
      {"192.0.2.1", "", true},
      {"0.0.0.0", "192.0.2.1", true},
      {"192.0.2.1", "0.0.0.0", true},
      {"192.0.2.1", "192.0.2.1", true},
      {"192.0.2.1", "192.0.2.2", false},
      {"0.0.0.0", "::", false},
      {"192.0.2.1", "::", false},
      {"2001:db8::1", "", true},
      {"::", "2001:db8::1", true},
      {"2001:db8::1", "2001:db8::2", false},
  };
  for (const Row& row : rows) {
    PortTable table;
    ASSERT_FALSE(
        table.want(make_record(7, {tcp(79, row.first), tcp(8080, row.first), tcp(9000, "192.0.2.9")})));
    const auto clash = table.want(make_record(8, {tcp(8000), tcp(8080, row.second)}));
    EXPECT_EQ(clash.has_value(), row.clash) << row.first << " then " << row.second;
    EXPECT_EQ(table.wants(make_record(8).attachment), !row.clash) << "all or nothing";
    if (!clash) continue;
    EXPECT_EQ(clash->holder, make_record(7).attachment);
    EXPECT_TRUE(clash->error.message.ends_with(" of the host leads to c7/eth0 already"))
        << clash->error.message;
    table.unwant(clash->holder);
    EXPECT_FALSE(table.want(make_record(8, {tcp(8000), tcp(8080, row.second)})));
  }
}

TEST_F(PortTableTest, AnotherProtocolIsAnotherPort) {
  EXPECT_FALSE(table_.want(make_record(1, {tcp(53)})));
  EXPECT_FALSE(table_.want(make_record(2, {{IPPROTO_UDP, 53, 53, {}}, {IPPROTO_SCTP, 53, 53, {}}})));
}

TEST_F(PortTableTest, AfterARestartOnlyWhatIsMissingIsWritten) {
  table_.want(make_record(1, {tcp(80)}));
  table_.want(make_record(2, {tcp(81)}));
  apply();
  // The next agent: endpoint 1 as before, 2 moved, 3 of the kernel's memory only.
  PortTable next;
  next.adopt(kernel_);
  const netlink::PortKey stray{AddressFamily::kIpv4, IPPROTO_TCP, {}, 99};
  kernel_.ports[stray] = {IpAddress::v4(0x0A090063), 1};
  kernel_.hairpins.insert(IpAddress::v4(0x0A090063));
  next.adopt(kernel_);
  next.want(make_record(1, {tcp(80)}));
  next.want(make_record(4, {tcp(81)}));
  PortChange change = next.next_change();
  EXPECT_EQ(change.remove_ports.size(), 2U) << "81 leads elsewhere now";
  EXPECT_EQ(change.add_ports.size(), 2U);
  EXPECT_TRUE(change.remove_hairpins.empty());
  carry_out(change, kernel_);
  next.applied(change);
  EXPECT_TRUE(kernel_.ports.contains(stray)) << "nothing is swept before the records were listed";
  next.allow_removals();
  change = next.next_change();
  EXPECT_EQ(change.remove_ports, (decltype(change.remove_ports){{stray, {IpAddress::v4(0x0A090063), 1}}}));
  EXPECT_EQ(change.remove_hairpins.size(), 3U);
  carry_out(change, kernel_);
  next.applied(change);
  EXPECT_TRUE(next.next_change().empty());
}

TEST_F(PortTableTest, WhatChangedWhileAChangeWasUnderWayComesNext) {
  table_.allow_removals();
  table_.want(make_record(1, {tcp(80)}));
  const PortChange first = table_.next_change();
  table_.unwant(make_record(1).attachment);
  table_.want(make_record(2, {tcp(80)}));
  carry_out(first, kernel_);
  table_.applied(first);
  apply();
  EXPECT_EQ(kernel_.ports.begin()->second.address, make_record(2).addresses[0]);
  EXPECT_EQ(kernel_.hairpins.size(), 2U);
}

}  // namespace
}  // namespace towpath::agent
