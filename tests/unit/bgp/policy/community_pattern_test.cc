#include "towpath/bgp/community_pattern.h"

#include <gtest/gtest.h>

namespace towpath::bgp {
namespace {

PathAttributes tagged() {
  PathAttributes a;
  a.communities = {{65000U << 16 | 1}, kNoExport};
  a.extended_communities = {{0x0002FDE800000001}};
  a.large_communities = {{65000, 1, 2}};
  return a;
}

struct Row {
  const char* text;
  bool hits;  // a route with 65000:1, no-export, rt:65000:1, 65000:1:2
  const char* reason;
};

TEST(CommunityPattern, Matches) {
  for (const Row& row :
       {Row{"65000:1", true, "equal"}, Row{"65000:2", false, "another number"},
        Row{"65000:*", true, "any number of this AS"}, Row{"*:1", true, "any AS"},
        Row{"65001:*", false, "another AS"}, Row{"no-export", true, "a name is its number"},
        Row{"no-advertise", false, "another name"}, Row{"rt:65000:1", true, "route target"},
        Row{"rt:65000:*", true, "any target of this AS"}, Row{"ro:65000:1", false, "an origin is no target"},
        Row{"0x0002fde800000001", true, "the same in hex"}, Row{"65000:1:2", true, "large"},
        Row{"65000:*:2", true, "large with one number open"}, Row{"*:*:3", false, "large, another number"}}) {
    SCOPED_TRACE(row.text);
    const auto pattern = CommunityPattern::parse(row.text);
    ASSERT_TRUE(pattern.has_value()) << row.reason;
    EXPECT_EQ(pattern->matches(tagged()), row.hits) << row.reason;
    EXPECT_EQ(pattern->to_string() == row.text, !std::string_view(row.text).starts_with("0x"));
    EXPECT_EQ(*CommunityPattern::parse(pattern->to_string()), *pattern) << "what is shown can be written";
  }
}

TEST(CommunityPattern, WhatIsNoCommunityIsRefused) {
  for (const char* text : {"", "65000", "65536:1", "65000:65536", "1:2:3:4", "no-such", "rt:*:1", "rt:65000",
                           "rt:70000:65536", "0x12", "0x0002fde80000000g", "1:-2", "4294967296:1:1"}) {
    EXPECT_FALSE(CommunityPattern::parse(text)) << text;
  }
  EXPECT_FALSE(CommunityPattern::parse_exact("65000:*"));
  EXPECT_TRUE(CommunityPattern::parse_exact("rt:192.0.2.1:7"));
}

TEST(CommunityPattern, AddAndDelete) {
  PathAttributes a = tagged();
  for (const char* text : {"65000:1", "65000:9", "rt:70000:5", "65000:1:2", "65000:7:7"}) {
    add_community(a, *CommunityPattern::parse_exact(text));
  }
  EXPECT_EQ(a.communities.size(), 3U) << "one of the two was there";
  EXPECT_EQ(a.extended_communities.back().to_string(), "rt:70000:5");
  EXPECT_EQ(a.large_communities.size(), 2U);
  delete_communities(a, *CommunityPattern::parse("65000:*"));
  EXPECT_EQ(a.communities, std::vector{kNoExport}) << "the kind counts: large ones stay";
  EXPECT_EQ(a.large_communities.size(), 2U);
  delete_communities(a, *CommunityPattern::parse("65000:*:*"));
  EXPECT_TRUE(a.large_communities.empty());
}

}  // namespace
}  // namespace towpath::bgp
