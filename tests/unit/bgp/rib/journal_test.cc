#include "bgp/rib/journal.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace towpath::bgp {
namespace {

class JournalTest : public testing::Test {
 protected:
  void record(std::uint32_t n, Family family = Family::kIpv4Unicast) {
    journal_.record(PrefixRef::make(family, n));
  }
  std::vector<std::uint32_t> read(Journal::CursorId cursor, std::size_t budget = 1000) {
    std::vector<PrefixRef> refs;
    journal_.read(cursor, budget, refs);
    std::vector<std::uint32_t> numbers;
    for (const PrefixRef ref : refs) numbers.push_back(ref.number());
    return numbers;
  }
  std::vector<std::uint32_t> trim() {
    std::vector<std::uint32_t> dropped;
    journal_.trim([&](PrefixRef p) { dropped.push_back(p.number()); });
    return dropped;
  }
  using List = std::vector<std::uint32_t>;

  std::map<std::uint32_t, std::uint32_t> places_;
  Journal journal_{[this](PrefixRef p) -> std::uint32_t& { return places_[p.value]; }};
};

TEST_F(JournalTest, APrefixIsReadOnceAtItsLastChange) {
  const auto cursor = journal_.add_cursor();
  for (const std::uint32_t n : List{1, 2, 3, 1, 2, 1}) record(n);
  EXPECT_EQ(read(cursor), (List{3, 2, 1}));
  EXPECT_TRUE(journal_.at_end(cursor));
}

TEST_F(JournalTest, FamiliesDoNotMix) {
  const auto cursor = journal_.add_cursor();
  record(1, Family::kIpv4Unicast);
  record(1, Family::kIpv6Unicast);
  std::vector<PrefixRef> refs;
  journal_.read(cursor, 10, refs);
  ASSERT_EQ(refs.size(), 2U);
  EXPECT_EQ(refs[0].family(), Family::kIpv4Unicast);
  EXPECT_EQ(refs[1].family(), Family::kIpv6Unicast);
}

TEST_F(JournalTest, ANewCursorSeesOnlyWhatComes) {
  record(1);
  const auto cursor = journal_.add_cursor();
  EXPECT_TRUE(journal_.at_end(cursor));
  record(2);
  EXPECT_EQ(read(cursor), List{2});
}

TEST_F(JournalTest, EntriesGoWhenTheSlowestHasPassed) {
  const auto fast = journal_.add_cursor();
  const auto slow = journal_.add_cursor();
  record(1);
  record(2);
  read(fast);
  EXPECT_EQ(trim(), List{});
  EXPECT_TRUE(journal_.contains(PrefixRef::make(Family::kIpv4Unicast, 1)));
  EXPECT_EQ(read(slow, 1), List{1});
  EXPECT_EQ(trim(), List{1});
  EXPECT_FALSE(journal_.contains(PrefixRef::make(Family::kIpv4Unicast, 1)));
  journal_.remove_cursor(slow);
  EXPECT_EQ(trim(), List{2});
  EXPECT_EQ(journal_.size(), 0U);
}

TEST_F(JournalTest, ACopiedCursorStandsWhereTheOtherStands) {
  const auto cursor = journal_.add_cursor();
  for (const std::uint32_t n : List{1, 2, 3}) record(n);
  read(cursor, 1);
  const auto copy = journal_.copy_cursor(cursor);
  EXPECT_EQ(read(cursor), (List{2, 3}));
  EXPECT_EQ(read(copy), (List{2, 3}));
}

TEST_F(JournalTest, AReaderThatNeverReadsCostsOneEntryPerPrefix) {
  const auto stuck = journal_.add_cursor();
  const auto fast = journal_.add_cursor();
  for (std::uint32_t i = 0; i < 1'000'000; ++i) {
    record(i % 5000);
    if (i % 100 == 0) read(fast);
  }
  EXPECT_LE(journal_.size(), 2 * 5000U + 2);
  EXPECT_EQ(read(stuck, 100000).size(), 5000U);
}

// Readers at random speed, each compared with the set of prefixes that changed since it last looked.
TEST_F(JournalTest, EveryReaderMeetsEveryChange) {
  std::mt19937 random(5);
  std::map<Journal::CursorId, std::set<std::uint32_t>> readers;
  for (int i = 0; i < 4; ++i) readers[journal_.add_cursor()];
  for (int step = 0; step < 200'000; ++step) {
    const auto n = static_cast<std::uint32_t>(random() % 3000);
    record(n);
    for (auto& [cursor, owed] : readers) owed.insert(n);
    for (auto& [cursor, owed] : readers) {
      if (random() % (1U << (4 * cursor)) != 0) continue;
      for (const std::uint32_t seen : read(cursor, 1 + random() % 50)) {
        ASSERT_EQ(owed.erase(seen), 1U) << "read twice, or without a change";
      }
      ASSERT_EQ(owed.empty(), journal_.at_end(cursor));
    }
    if (step % 16 == 0) trim();
  }
}

}  // namespace
}  // namespace towpath::bgp
