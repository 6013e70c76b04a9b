#include "bgp/rib/attribute_table.h"

#include <gtest/gtest.h>

#include <random>

#include "bgp/rib/attribute_codec.h"
#include "rib_fixture.h"

namespace towpath::bgp {
namespace {

PathAttributes everything() {
  PathAttributes a;
  a.origin = Origin::kIncomplete;
  a.as_path = as_path({65001, 4200000000});
  a.as_path.segments.push_back({SegmentType::kSet, {{1}, {2}, {3}}});
  a.next_hop = {address("2001:db8::7"), address("fe80::7")};
  a.med = 0;
  a.local_pref = 0xFFFFFFFF;
  a.atomic_aggregate = true;
  a.aggregator = Aggregator{{65001}, {0x01020304}};
  a.originator_id = RouterId{0x05060708};
  a.cluster_list = {{1}, {2}};
  a.communities = {kNoExport, {7}};
  a.extended_communities = {{0x0002000100020003}};
  a.large_communities = {{1, 2, 3}, {4, 5, 6}};
  a.only_to_customer = AsNumber{65009};
  a.unknown = {{0xC0, 99, {std::byte{1}, std::byte{2}}}, {0xE0, 100, {}}};
  return a;
}

TEST(AttributeCodec, WhatGoesInComesOut) {
  std::vector<std::byte> bytes;
  for (const PathAttributes& a : {PathAttributes{}, everything(), attributes({1})}) {
    pack_attributes(a, a.next_hop, bytes);
    EXPECT_EQ(unpack_attributes(bytes), a);
    EXPECT_EQ(unpack_next_hop(bytes), a.next_hop);
  }
}

// Each change of one part alone must change the bytes, or two different sets would become one.
TEST(AttributeCodec, EveryPartCounts) {
  std::vector<PathAttributes> all(1, everything());
  const auto variant = [&](auto&& change) {
    all.push_back(everything());
    change(all.back());
  };
  variant([](auto& a) { a.origin = Origin::kIgp; });
  variant([](auto& a) { a.as_path.segments.pop_back(); });
  variant([](auto& a) { a.as_path.segments[1].type = SegmentType::kSequence; });
  variant([](auto& a) { a.as_path.segments[0].numbers.push_back({1}); });
  variant([](auto& a) { a.next_hop.address = address("2001:db8::8"); });
  variant([](auto& a) { a.next_hop.link_local.reset(); });
  variant([](auto& a) { a.next_hop = next_hop("192.0.2.9"); });
  variant([](auto& a) { a.med.reset(); });
  variant([](auto& a) { a.local_pref.reset(); });
  variant([](auto& a) { a.local_pref = 0; });
  variant([](auto& a) { a.atomic_aggregate = false; });
  variant([](auto& a) { a.aggregator.reset(); });
  variant([](auto& a) { a.aggregator->router_id.value = 1; });
  variant([](auto& a) { a.originator_id.reset(); });
  variant([](auto& a) { a.cluster_list.pop_back(); });
  variant([](auto& a) { std::swap(a.communities[0], a.communities[1]); });
  variant([](auto& a) { a.extended_communities.clear(); });
  variant([](auto& a) { a.large_communities[1].local2 = 7; });
  variant([](auto& a) { a.only_to_customer.reset(); });
  variant([](auto& a) { a.unknown[0].flags = 0xE0; });
  variant([](auto& a) { a.unknown[0].type = 98; });
  variant([](auto& a) { a.unknown[0].value.pop_back(); });
  AttributeTable table;
  for (const PathAttributes& a : all) table.intern(a, a.next_hop);
  EXPECT_EQ(table.size(), all.size());
}

TEST(AttributeTable, EqualSetsShareOneNumberUntilTheLastReferenceIsGone) {
  AttributeTable table;
  const AttributeId first = table.intern(everything(), next_hop("192.0.2.9"));
  const AttributeId second = table.intern(everything(), next_hop("192.0.2.9"));
  EXPECT_EQ(first, second);
  EXPECT_NE(first, table.intern(everything(), next_hop("192.0.2.10"))) << "the next hop is part of the set";
  EXPECT_EQ(table.size(), 2U);
  table.unref(first);
  EXPECT_EQ(table.next_hop(second), next_hop("192.0.2.9"));
  EXPECT_EQ(table.get(second).as_path, everything().as_path);
  table.unref(second);
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(table.intern(attributes({1}), next_hop("192.0.2.9")), first) << "numbers are reused";
}

TEST(AttributeTable, KeysOfTheDecision) {
  const AttributeKeys k = AttributeKeys::of(everything());
  EXPECT_EQ(k.local_pref, 0xFFFFFFFF);
  EXPECT_EQ(k.as_path_length, 3) << "an AS_SET counts one";
  EXPECT_EQ(k.neighbour_as, 65001U);
  EXPECT_EQ(k.originator_id, 0x05060708U);
  EXPECT_EQ(k.cluster_list_length, 2);
  EXPECT_TRUE(k.no_export);
  EXPECT_FALSE(k.no_advertise);
  const AttributeKeys empty = AttributeKeys::of({});
  EXPECT_EQ(empty.local_pref, 100U);
  EXPECT_EQ(empty.neighbour_as, 0U);
}

// Numbers and references against a plain map, through growth and removal in random order.
TEST(AttributeTable, RandomReferences) {
  std::mt19937 random(3);
  AttributeTable table;
  std::map<std::uint32_t, std::pair<AttributeId, int>> model;  // by MED
  for (int i = 0; i < 60000; ++i) {
    const auto med = static_cast<std::uint32_t>(random() % (i < 30000 ? 3000 : 300));
    PathAttributes a = attributes({65001});
    a.med = med;
    const auto it = model.find(med);
    if (random() % 2 == 0) {
      const AttributeId id = table.intern(a, next_hop("192.0.2.9"));
      if (it == model.end()) {
        model[med] = {id, 1};
      } else {
        ASSERT_EQ(id, it->second.first);
        ++it->second.second;
      }
    } else if (it != model.end()) {
      ASSERT_EQ(table.get(it->second.first).med, med);
      table.unref(it->second.first);
      if (--it->second.second == 0) model.erase(it);
    }
    ASSERT_EQ(table.size(), model.size());
  }
  for (const auto& [med, entry] : model) ASSERT_EQ(table.keys(entry.first).med, med);
}

}  // namespace
}  // namespace towpath::bgp
