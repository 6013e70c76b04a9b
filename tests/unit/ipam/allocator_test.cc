#include "ipam/allocator.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace towpath::ipam {
namespace {

// Bitmaps in memory.
struct FakeChunks {
  std::map<std::uint64_t, BitmapChunk> chunks;
  std::size_t loads = 0;

  void take(std::uint64_t offset) { chunks[offset / kChunkBits].set(offset % kChunkBits); }
  void give_back(std::uint64_t offset) { chunks[offset / kChunkBits].clear(offset % kChunkBits); }
  std::optional<std::uint64_t> choose(const char* block, std::uint64_t next) {
    const auto spans = allowed_offsets(*Prefix::parse(block), {}, {});
    auto chosen = choose_clear(spans, next, [&](std::uint64_t index) -> Result<BitmapChunk> {
      ++loads;
      return chunks[index];
    });
    EXPECT_TRUE(chosen.has_value());
    return *chosen;
  }
};

TEST(Allocator, BeginsAfterTheNetworkAddress) {
  FakeChunks chunks;
  EXPECT_EQ(chunks.choose("10.0.0.0/26", 0), 1U);
  EXPECT_EQ(chunks.choose("10.0.0.0/31", 0), 0U);
  EXPECT_EQ(chunks.choose("fd00::7/128", 0), 0U);
}

TEST(Allocator, GoesRoundBeforeItUsesAnAddressAgain) {
  FakeChunks chunks;
  std::uint64_t next = 0;
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 63; ++i) {
    const auto offset = chunks.choose("10.0.0.0/26", next);
    ASSERT_TRUE(offset);
    EXPECT_TRUE(seen.insert(*offset).second) << "offset " << *offset << " came back after " << i << " others";
    next = *offset + 1;  // taken and given back at once
  }
  EXPECT_EQ(chunks.choose("10.0.0.0/26", next), 1U) << "after the last one comes the first";
}

TEST(Allocator, GivesEachAddressOnceAndThenNone) {
  for (const char* block :
       {"10.0.0.0/30", "10.0.0.0/26", "10.0.0.2/31", "10.0.0.1/32", "10.0.0.0/20", "fd00::/116"}) {
    FakeChunks chunks;
    const Prefix prefix = *Prefix::parse(block);
    const std::uint64_t count = prefix.size() - (prefix.size() > 2 ? 1 : 0);
    std::set<std::uint64_t> seen;
    std::uint64_t next = 7 % prefix.size();
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto offset = chunks.choose(block, next);
      ASSERT_TRUE(offset) << block << " after " << i;
      ASSERT_LT(*offset, prefix.size());
      ASSERT_TRUE(seen.insert(*offset).second);
      chunks.take(*offset);
      next = *offset + 1;
    }
    EXPECT_EQ(chunks.choose(block, next), std::nullopt) << block;
    chunks.give_back(*seen.begin());
    EXPECT_EQ(chunks.choose(block, next), *seen.begin())
        << block << ": the only free one is found from anywhere";
  }
}

TEST(Allocator, LooksAtOneChunkOfAnEmptyHugeBlock) {
  FakeChunks chunks;
  EXPECT_EQ(chunks.choose("fd00::/64", std::uint64_t{1} << 62), std::uint64_t{1} << 62);
  EXPECT_EQ(chunks.loads, 1U);
  EXPECT_EQ(chunks.choose("fd00::/64", ~std::uint64_t{0} - 1), ~std::uint64_t{0} - 1);
  EXPECT_EQ(chunks.choose("fd00::/64", ~std::uint64_t{0}), 1U)
      << "wraps at the end of the address arithmetic";
}

TEST(Allocator, SixtyThousandHeldCostAFewChunks) {
  FakeChunks chunks;
  for (std::uint64_t i = 1; i <= 60000; ++i) chunks.take(i);
  EXPECT_EQ(chunks.choose("10.0.0.0/16", 60001), 60001U);
  EXPECT_EQ(chunks.loads, 1U);
  chunks.loads = 0;
  EXPECT_EQ(chunks.choose("10.0.0.0/16", 1), 60001U);
  EXPECT_LE(chunks.loads, 30U);
}

TEST(AllowedOffsets, RangesExclusionsAndTheNetworkAddress) {
  using Spans = std::vector<OffsetSpan>;
  const auto spans = [](const char* block, std::initializer_list<const char*> ranges,
                        std::initializer_list<const char*> excluded) {
    std::vector<AddressRange> in;
    std::vector<AddressRange> out;
    for (const char* text : ranges) in.push_back(*AddressRange::parse(text));
    for (const char* text : excluded) out.push_back(*AddressRange::parse(text));
    return allowed_offsets(*Prefix::parse(block), in, out);
  };
  EXPECT_EQ(spans("10.0.0.0/26", {}, {}), (Spans{{1, 63}})) << "all but the network address";
  EXPECT_EQ(spans("10.0.0.0/30", {}, {}), (Spans{{1, 3}})) << "no broadcast on a routed block";
  EXPECT_EQ(spans("10.0.0.2/31", {}, {}), (Spans{{0, 1}})) << "RFC 3021: both";
  EXPECT_EQ(spans("10.0.0.2/32", {}, {}), (Spans{{0, 0}}));
  EXPECT_EQ(spans("fd00::/126", {}, {}), (Spans{{1, 3}}));
  EXPECT_EQ(spans("fd00::2/127", {}, {}), (Spans{{0, 1}})) << "RFC 6164: both";
  EXPECT_EQ(spans("fd00::2/128", {}, {}), (Spans{{0, 0}}));
  EXPECT_EQ(spans("10.0.0.0/26", {"10.0.0.0/28"}, {}), (Spans{{1, 15}}));
  EXPECT_EQ(spans("10.0.0.0/26", {"10.0.0.60-10.0.1.9", "10.0.0.3"}, {}), (Spans{{3, 3}, {60, 63}}))
      << "clipped";
  EXPECT_EQ(spans("10.0.0.0/26", {"10.0.0.2-10.0.0.9", "10.0.0.5-10.0.0.12"}, {}), (Spans{{2, 9}, {10, 12}}));
  EXPECT_EQ(spans("10.0.0.0/26", {"10.9.0.0/24", "fd00::/64"}, {}), Spans{}) << "elsewhere";
  EXPECT_EQ(spans("10.0.0.0/29", {}, {"10.0.0.1", "10.0.0.3-10.0.0.4", "10.0.0.7"}), (Spans{{2, 2}, {5, 6}}));
  EXPECT_EQ(spans("10.0.0.0/29", {}, {"10.0.0.0/8"}), Spans{});
  EXPECT_EQ(spans("fd00::/64", {}, {"fd00::/66"}).at(0).first, std::uint64_t{1} << 62);
}

TEST(AddressRange, TextForms) {
  EXPECT_EQ(AddressRange::parse("10.0.0.7")->to_string(), "10.0.0.7");
  EXPECT_EQ(AddressRange::parse("10.0.0.8/29")->to_string(), "10.0.0.8-10.0.0.15");
  EXPECT_EQ(AddressRange::parse("fd00::1-fd00::9")->to_string(), "fd00::1-fd00::9");
  for (const char* wrong :
       {"", "-", "10.0.0.9-10.0.0.1", "10.0.0.1-fd00::1", "10.0.0.1/24", "10.0.0.1-", "x"}) {
    EXPECT_FALSE(AddressRange::parse(wrong)) << wrong;
  }
}

TEST(BitmapChunk, StoresOnlyWhatIsSet) {
  BitmapChunk chunk;
  EXPECT_TRUE(chunk.empty());
  chunk.set(9);
  EXPECT_EQ(chunk.encode().size(), 2U);
  const auto decoded = BitmapChunk::decode(chunk.encode());
  ASSERT_TRUE(decoded);
  EXPECT_TRUE(decoded->test(9));
  EXPECT_FALSE(decoded->test(8));
  chunk.clear(9);
  EXPECT_TRUE(chunk.empty());
  const std::vector<std::byte> long_one(kChunkBits / 8 + 1);
  EXPECT_EQ(BitmapChunk::decode(long_one).error().kind, ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace towpath::ipam
