#include "towpath/bgp/path_attributes.h"

#include <gtest/gtest.h>

namespace towpath::bgp {
namespace {

AsPathSegment sequence(std::vector<std::uint32_t> numbers, SegmentType type = SegmentType::kSequence) {
  AsPathSegment segment{type, {}};
  for (const auto n : numbers) segment.numbers.push_back(AsNumber{n});
  return segment;
}

TEST(AsPath, LengthCountsASetOnceAndAConfederationNever) {
  AsPath path{{sequence({7, 8}, SegmentType::kConfedSequence), sequence({1, 2, 3}),
               sequence({4, 5}, SegmentType::kSet), sequence({9}, SegmentType::kConfedSet)}};
  EXPECT_EQ(path.length(), 4U);
  EXPECT_EQ(AsPath{}.length(), 0U);
}

TEST(AsPath, ContainsLooksIntoEverySegment) {
  const AsPath path{
      {sequence({7}, SegmentType::kConfedSequence), sequence({1, 2}), sequence({4, 5}, SegmentType::kSet)}};
  for (const std::uint32_t as : {7U, 1U, 2U, 4U, 5U}) EXPECT_TRUE(path.contains(AsNumber{as})) << as;
  EXPECT_FALSE(path.contains(AsNumber{3}));
}

TEST(AsPath, BeginsWithNumbersAcrossSegmentsButNotInASet) {
  const std::vector<AsNumber> start{AsNumber{1}, AsNumber{2}};
  EXPECT_TRUE((AsPath{{sequence({1, 2, 3})}}.begins_with(start)));
  EXPECT_TRUE((AsPath{{sequence({1}), sequence({2, 3})}}.begins_with(start)));
  EXPECT_FALSE((AsPath{{sequence({1}), sequence({2, 3}, SegmentType::kSet)}}.begins_with(start)));
  EXPECT_FALSE((AsPath{{sequence({1, 3, 2})}}.begins_with(start)));
  EXPECT_FALSE((AsPath{{sequence({1})}}.begins_with(start)));
  EXPECT_FALSE((AsPath{}.begins_with(start)));
  EXPECT_TRUE((AsPath{}.begins_with({})));
}

TEST(AsPath, FirstAsIsTheNeighbour) {
  EXPECT_EQ((AsPath{{sequence({7}, SegmentType::kConfedSequence), sequence({1, 2})}}.first_as()),
            AsNumber{1});
  EXPECT_EQ((AsPath{{sequence({4, 5}, SegmentType::kSet), sequence({1})}}.first_as()), std::nullopt);
  EXPECT_EQ(AsPath{}.first_as(), std::nullopt);
}

TEST(AsPath, OriginAsIsTheLastOfTheLastSequence) {
  EXPECT_EQ((AsPath{{sequence({1, 2}), sequence({4, 5}, SegmentType::kSet)}}.origin_as()), AsNumber{2});
  EXPECT_EQ((AsPath{{sequence({1, 2})}}.origin_as()), AsNumber{2});
  EXPECT_EQ(AsPath{}.origin_as(), std::nullopt);
}

TEST(AsPath, PrependOpensASegmentWhereItMust) {
  AsPath path;
  path.prepend(AsNumber{1});
  path.prepend(AsNumber{2}, 2);
  EXPECT_EQ(path, (AsPath{{sequence({2, 2, 1})}}));

  AsPath behind_set{{sequence({4, 5}, SegmentType::kSet)}};
  behind_set.prepend(AsNumber{1});
  EXPECT_EQ(behind_set, (AsPath{{sequence({1}), sequence({4, 5}, SegmentType::kSet)}}));

  AsPath full{{AsPathSegment{SegmentType::kSequence, std::vector<AsNumber>(254, AsNumber{9})}}};
  full.prepend(AsNumber{1}, 3);
  ASSERT_EQ(full.segments.size(), 2U);
  EXPECT_EQ(full.segments[0], sequence({1, 1}));
  EXPECT_EQ(full.segments[1].numbers.size(), 255U);
  EXPECT_EQ(full.segments[1].numbers.front(), AsNumber{1});

  AsPath untouched{{sequence({1})}};
  untouched.prepend(AsNumber{2}, 0);
  EXPECT_EQ(untouched, (AsPath{{sequence({1})}}));
}

TEST(AsPath, PrependOfManyKeepsEverySegmentBelow256) {
  AsPath path;
  path.prepend(AsNumber{1}, 600);
  ASSERT_EQ(path.segments.size(), 3U);
  EXPECT_EQ(path.length(), 600U);
  for (const auto& segment : path.segments) EXPECT_LE(segment.numbers.size(), 255U);
}

TEST(AsPath, Text) {
  EXPECT_EQ(
      (AsPath{{sequence({65001, 65002}), sequence({65003, 4200000000}, SegmentType::kSet)}}.to_string()),
      "65001 65002 {65003 4200000000}");
  EXPECT_EQ((AsPath{{sequence({1, 2}, SegmentType::kConfedSequence), sequence({3}, SegmentType::kConfedSet)}}
                 .to_string()),
            "(1 2) [3]");
  EXPECT_EQ(AsPath{}.to_string(), "");
}

TEST(Community, Text) {
  EXPECT_EQ((Community{65000U << 16 | 7}).to_string(), "65000:7");
  EXPECT_EQ(kNoExport.to_string(), "no-export");
  EXPECT_EQ(kNoAdvertise.to_string(), "no-advertise");
  EXPECT_EQ(kNoExportSubconfed.to_string(), "no-export-subconfed");
  EXPECT_EQ(kGracefulShutdown.to_string(), "graceful-shutdown");
  EXPECT_EQ((Community{0xFFFF029A}).to_string(), "blackhole");
  EXPECT_EQ((Community{0xFFFFFFFF}).to_string(), "65535:65535");
}

TEST(ExtendedCommunity, Text) {
  EXPECT_EQ((ExtendedCommunity{0x0002'FDE8'0000'0064}).to_string(), "rt:65000:100");
  EXPECT_EQ((ExtendedCommunity{0x0003'FDE8'0000'0064}).to_string(), "ro:65000:100");
  EXPECT_EQ((ExtendedCommunity{0x0102'C000'0201'0007}).to_string(), "rt:192.0.2.1:7");
  EXPECT_EQ((ExtendedCommunity{0x0202'FA56'EA00'0007}).to_string(), "rt:4200000000:7");
  EXPECT_EQ((ExtendedCommunity{0x8006'0000'0000'0001}).to_string(), "0x8006000000000001");
}

TEST(LargeCommunity, Text) {
  EXPECT_EQ((LargeCommunity{4200000000, 1, 2}).to_string(), "4200000000:1:2");
}

TEST(PathAttributes, HasCommunity) {
  PathAttributes attributes;
  EXPECT_FALSE(attributes.has(kNoExport));
  attributes.communities = {Community{1}, kNoExport};
  EXPECT_TRUE(attributes.has(kNoExport));
  EXPECT_FALSE(attributes.has(kNoAdvertise));
}

}  // namespace
}  // namespace towpath::bgp
