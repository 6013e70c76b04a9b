#include "agent/advertise/lease_table.h"

#include <gtest/gtest.h>

namespace towpath::agent {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{};

Prefix prefix(const char* text) {
  return *Prefix::parse(text);
}

ErrorKind kind(const auto& result) {
  return result ? ErrorKind::kSystem : result.error().kind;
}

TEST(LeaseTable, EndsUnlessItIsRenewed) {
  LeaseTable table;
  for (const char* text : {"192.0.2.80/32", "2001:db8::80/128"}) {
    EXPECT_TRUE(*table.renew(prefix(text), "web", 10s, kStart)) << "new";
    EXPECT_FALSE(*table.renew(prefix(text), "web", 10s, kStart + 6s)) << "renewed";
  }
  EXPECT_EQ(table.next_end(), kStart + 16s);
  EXPECT_TRUE(table.expire(kStart + 15999ms).empty());
  ASSERT_FALSE(*table.renew(prefix("192.0.2.80/32"), "web", 5s, kStart + 15s));
  const auto ended = table.expire(kStart + 16s);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].prefix, prefix("2001:db8::80/128"));
  EXPECT_EQ(ended[0].owner, "web");
  EXPECT_EQ(ended[0].since, kStart) << "of the first request";
  EXPECT_EQ(table.next_end(), kStart + 20s) << "the length is that of the last request";
  EXPECT_EQ(table.expire(kStart + 20s).size(), 1U);
  EXPECT_EQ(table.next_end(), std::nullopt);
}

TEST(LeaseTable, BelongsToOneOwner) {
  LeaseTable table;
  const Prefix web = prefix("192.0.2.80/32");
  ASSERT_TRUE(table.renew(web, "web", 10s, kStart));
  const auto other = table.renew(web, "mail", 10s, kStart + 1s);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(other.error().message, "prefix: value '192.0.2.80/32': web has it by a lease");
  EXPECT_EQ(table.find(web)->ends, kStart + 10s) << "as it was";
  EXPECT_EQ(kind(table.end(web, "mail")), ErrorKind::kConflict);
  EXPECT_EQ(kind(table.end(prefix("192.0.2.81/32"), "web")), ErrorKind::kNotFound);
  EXPECT_TRUE(table.end(web, "web"));
  EXPECT_TRUE(*table.renew(web, "mail", 10s, kStart + 2s)) << "free for others now";
  EXPECT_TRUE(table.end(web, std::nullopt)) << "whoever has it";
  EXPECT_TRUE(table.leases().empty());
}

TEST(LeaseTable, HasBounds) {
  LeaseTable table;
  const Prefix web = prefix("192.0.2.80/32");
  for (const auto length : {0s, -1s, 3601s, std::chrono::seconds::max()}) {
    EXPECT_EQ(kind(table.renew(web, "web", length, kStart)), ErrorKind::kInvalid) << length.count();
  }
  EXPECT_EQ(table.renew(web, "web", 0s, kStart).error().message,
            "lease: value '0': must be from 1 to 3600 seconds");
  for (const std::string& owner :
       {std::string(), std::string("a b"), std::string("a\n"), std::string(65, 'a')}) {
    EXPECT_EQ(kind(table.renew(web, owner, 1s, kStart)), ErrorKind::kInvalid) << owner;
  }
  EXPECT_TRUE(table.leases().empty());
  for (std::uint32_t i = 0; i < LeaseTable::kMost; ++i) {
    ASSERT_TRUE(table.renew(Prefix::v4(0x0A000000 + i, 32), "web", 3600s, kStart));
  }
  EXPECT_EQ(kind(table.renew(web, "web", 1s, kStart)), ErrorKind::kExhausted);
  EXPECT_TRUE(table.renew(Prefix::v4(0x0A000000, 32), "web", 1s, kStart)) << "who has one can renew it";
}

TEST(LeaseTable, TakesBackOnlyWhatCouldBe) {
  const Lease good{prefix("192.0.2.80/32"), "web", 10s, kStart, kStart + 10s};
  struct Row {
    const char* reason;
    bool taken;
    void (*change)(Lease&);
  };
  const Row rows[] = {
      {"as it was", true, [](Lease&) {}},
      {"over", false, [](Lease& l) { l.ends = kStart + 4s; }},
      {"just over", false, [](Lease& l) { l.ends = kStart + 5s; }},
      {"lasts longer than it was asked for", false, [](Lease& l) { l.ends = kStart + 16s; }},
      {"began in the future", false, [](Lease& l) { l.since = kStart + 6s; }},
      {"too long", false, [](Lease& l) { l.length = 3601s; }},
      {"no owner", false, [](Lease& l) { l.owner.clear(); }},
  };
  for (const Row& row : rows) {
    LeaseTable table;
    Lease lease = good;
    row.change(lease);
    table.restore(lease, kStart + 5s);
    EXPECT_EQ(!table.leases().empty(), row.taken) << row.reason;
  }
}

}  // namespace
}  // namespace towpath::agent
