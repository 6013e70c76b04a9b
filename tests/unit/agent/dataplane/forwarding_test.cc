#include "agent/dataplane/forwarding.h"

namespace towpath::agent {
namespace {

using netlink::NextHop;

NextHop via(const char* address, std::uint32_t device = 0) {
  return {.via = *IpAddress::parse(address), .device = IfIndex{device}};
}

TEST(Forwarding, OrderOfNextHopsDoesNotMatter) {
  EXPECT_EQ(make_unicast({via("192.0.2.1"), via("192.0.2.2")}),
            make_unicast({via("192.0.2.2"), via("192.0.2.1")}));
}

TEST(Forwarding, SatisfiesTable) {
  struct Row {
    const char* reason;
    Forwarding kernel, wanted;
    bool expected;
  };
  NextHop heavy = via("192.0.2.1", 3);
  heavy.weight = 2;
  const Row rows[] = {
      {"equal", make_unicast({via("192.0.2.1", 3)}), make_unicast({via("192.0.2.1", 3)}), true},
      {"the kernel says the device", make_unicast({via("192.0.2.1", 3)}), make_unicast({via("192.0.2.1")}),
       true},
      {"another device", make_unicast({via("fe80::1", 3)}), make_unicast({via("fe80::1", 4)}), false},
      {"another address", make_unicast({via("192.0.2.1", 3)}), make_unicast({via("192.0.2.2")}), false},
      {"one of two", make_unicast({via("192.0.2.1", 3)}), make_unicast({via("192.0.2.1"), via("192.0.2.2")}),
       false},
      {"two of two", make_unicast({via("192.0.2.2", 3), via("192.0.2.1", 3)}),
       make_unicast({via("192.0.2.1"), via("192.0.2.2")}), true},
      {"another weight", make_unicast({heavy}), make_unicast({via("192.0.2.1", 3)}), false},
      {"blackhole", make_blackhole(), make_blackhole(), true},
      {"blackhole in place of a path", make_blackhole(), make_unicast({via("192.0.2.1")}), false},
  };
  for (const Row& row : rows) EXPECT_EQ(satisfies(row.kernel, row.wanted), row.expected) << row.reason;
}

TEST(ForwardingTable, SameValueSameNumberUntilTheLastUseIsGone) {
  ForwardingTable table;
  const auto first = table.acquire(make_unicast({via("192.0.2.1")}));
  EXPECT_NE(first, 0U);
  EXPECT_EQ(table.acquire(make_unicast({via("192.0.2.1")})), first);
  const auto second = table.acquire(make_unicast({via("192.0.2.2")}));
  EXPECT_NE(second, first);
  EXPECT_EQ(table.size(), 2U);
  table.release(first);
  EXPECT_EQ(table.get(first), make_unicast({via("192.0.2.1")}));
  const ForwardingPtr kept = table.share(first);
  table.release(first);
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(*kept, make_unicast({via("192.0.2.1")})) << "who shares the value keeps it";
  EXPECT_EQ(table.acquire(make_blackhole()), first) << "the number is used again";
  table.release(0);
  EXPECT_EQ(table.share(0), nullptr);
}

}  // namespace
}  // namespace towpath::agent
