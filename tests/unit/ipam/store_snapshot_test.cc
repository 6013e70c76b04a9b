#include "towpath/ipam/store_snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ipam/allocator.h"
#include "ipam/host_boot.h"
#include "ipam/index_audit.h"
#include "ipam/lmdb_environment.h"
#include "ipam/record_codec.h"
#include "tests/support/temporary_directory.h"
#include "towpath/ipam/state_store.h"

namespace towpath::ipam {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class StoreSnapshotTest : public testing::Test {
 protected:
  StateStore open(const std::string& boot = "one") {
    auto store = StateStore::open(directory_.path(), StateStore::OpenMode::kCreate, StoreLook::kBrief,
                                  HostBoot{boot, [this] { return uptime_; }});
    if (!store) throw std::runtime_error(store.error().message);
    return *std::move(store);
  }
  static ReserveRequest request(const std::string& container) {
    ReserveRequest r;
    r.attachment = {container, "eth0"};
    r.state = AllocationState::kLive;
    return r;
  }
  // Beside the store's own code, as damage does.
  void change(const std::function<Status(LmdbTransaction&)>& work) {
    const auto environment = LmdbEnvironment::open(directory_.path() + "/db", false, StoreLook::kWhole);
    ASSERT_TRUE(environment) << environment.error().message;
    auto txn = LmdbTransaction::begin(**environment, false);
    ASSERT_TRUE(txn);
    const Status status = work(*txn);
    ASSERT_TRUE(status) << status.error().message;
    ASSERT_TRUE(txn->commit());
  }

  test::TemporaryDirectory directory_;
  std::chrono::nanoseconds uptime_ = std::chrono::seconds(10);
  const Prefix ipv4_ = *Prefix::parse("10.64.0.0/20");  // two chunks
  const Prefix ipv6_ = *Prefix::parse("fd00::/64");
};

TEST_F(StoreSnapshotTest, HasAllOfIt) {
  StateStore store = open();
  ASSERT_TRUE(store.set_owned_blocks(std::array{ipv4_, ipv6_}));
  ReserveRequest far = request("b");
  far.choice.addresses = {*IpAddress::parse("10.64.15.255")};
  ASSERT_TRUE(store.reserve(request("a")));
  ASSERT_TRUE(store.reserve(far));
  const auto gone = store.reserve(request("c"));
  uptime_ = std::chrono::seconds(30);
  ASSERT_TRUE(store.release(gone->attachment, gone->generation));
  uptime_ = std::chrono::seconds(40);

  const auto snapshot = store.snapshot();
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  EXPECT_FALSE(snapshot->of_earlier_boot);
  EXPECT_EQ(snapshot->uptime, std::chrono::seconds(40));
  ASSERT_EQ(snapshot->blocks.size(), 2U);
  const BlockContents& block = snapshot->blocks[0];
  EXPECT_EQ(block.block, (Block{ipv4_, BlockState::kOwned, 2, 1}));
  EXPECT_TRUE(block.stored);
  EXPECT_THAT(block.marked, ElementsAre(1, 2, 4095));
  EXPECT_THAT(block.resting, ElementsAre(RestingAddress{2, std::chrono::seconds(30)}));
  EXPECT_THAT(snapshot->blocks[1].marked, ElementsAre(1, 2, 3));
  ASSERT_EQ(snapshot->records.size(), 2U);
  EXPECT_EQ(snapshot->records[1].attachment.container_id, "b");
  EXPECT_THAT(audit_indexes(*snapshot, {}), IsEmpty());
}

TEST_F(StoreSnapshotTest, OfAnEarlierBoot) {
  {
    StateStore store = open();
    ASSERT_TRUE(store.set_owned_blocks(std::array{ipv4_}));
    ASSERT_TRUE(store.reserve(request("a")));
  }
  const auto snapshot = open("two").snapshot();
  EXPECT_TRUE(snapshot->of_earlier_boot);
  EXPECT_EQ(snapshot->records.size(), 1U);
  EXPECT_THAT(audit_indexes(*snapshot, {}), IsEmpty());
}

TEST_F(StoreSnapshotTest, DamageShows) {
  {
    StateStore store = open();
    ASSERT_TRUE(store.set_owned_blocks(std::array{ipv4_}));
    ASSERT_TRUE(store.reserve(request("a")));
  }
  change([&](LmdbTransaction& txn) -> Status {
    BitmapChunk chunk;
    chunk.set(9);
    TOWPATH_TRY_STATUS(txn.put(chunk_key(ipv4_, 0), chunk.encode()));
    return txn.put(resting_key(ipv6_, {1, 2}), {});
  });
  const StateStore store = open();
  const auto snapshot = store.snapshot();
  ASSERT_EQ(snapshot->blocks.size(), 2U);
  EXPECT_FALSE(snapshot->blocks[1].stored);
  std::vector<std::string> found;
  for (const Finding& finding : audit_indexes(*snapshot, {}))
    found.push_back(finding.address + ": " + finding.reason);
  EXPECT_THAT(found, ElementsAre("10.64.0.1: the bitmap says that it is free",
                                 "10.64.0.9: the bitmap says that it is taken, but nobody has it",
                                 "fd00::/64: the store has indexes of this block, which it does not list"));
}

TEST_F(StoreSnapshotTest, RebuiltIndexesAreThoseOfTheRecords) {
  {
    StateStore store = open();
    ASSERT_TRUE(store.set_owned_blocks(std::array{ipv4_}));
    for (const char* name : {"a", "b", "c", "d"}) ASSERT_TRUE(store.reserve(request(name)));
    const auto gone = *store.find({"c", "eth0"});
    ASSERT_TRUE(store.release(gone->attachment, gone->generation));
  }
  change([&](LmdbTransaction& txn) -> Status {
    BitmapChunk chunk;  // a, b and d are free, c rests and is free; three others are taken
    for (const std::uint64_t offset : {0U, 9U, 10U}) chunk.set(offset);
    TOWPATH_TRY_STATUS(txn.put(chunk_key(ipv4_, 0), chunk.encode()));
    for (const std::uint64_t offset : {1U, 3U})
      TOWPATH_TRY_STATUS(txn.put(resting_key(ipv4_, {7, offset}), {}));
    TOWPATH_TRY_STATUS(txn.put(block_key(ipv4_), encode(BlockHead{BlockHead::kOwned, 99, 98, 5})));
    TOWPATH_TRY_STATUS(txn.put(chunk_key(ipv6_, 0), chunk.encode()));
    return txn.put(resting_key(ipv6_, {1, 2}), {});
  });
  StateStore store = open();
  const std::set in_use{*IpAddress::parse("10.64.0.10")};
  const auto before = store.snapshot();
  EXPECT_GT(audit_indexes(*before, in_use).size(), 8U);
  uptime_ = std::chrono::seconds(50);
  ASSERT_TRUE(store.rebuild_indexes(in_use));

  const auto snapshot = store.snapshot();
  ASSERT_EQ(snapshot->blocks.size(), 1U) << "nothing is left of the block that is not listed";
  const BlockContents& block = snapshot->blocks[0];
  EXPECT_EQ(block.block, (Block{ipv4_, BlockState::kOwned, 3, 2}));
  EXPECT_THAT(block.marked, ElementsAre(1, 2, 3, 4, 9, 10));
  EXPECT_THAT(block.resting, ElementsAre(RestingAddress{3, std::chrono::seconds(10)},
                                         RestingAddress{9, std::chrono::seconds(50)}))
      << "the younger of two times, and what was taken for nobody rests from now on";
  const auto left = audit_indexes(*snapshot, in_use);
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0].address, "10.64.0.10");
  EXPECT_EQ(left[0].repair, Repair::kNone) << "somebody has it";
  ASSERT_TRUE(store.rebuild_indexes({}));
  EXPECT_THAT(audit_indexes(*store.snapshot(), {}), IsEmpty());
  EXPECT_EQ((*store.reserve(request("e"))).allocated[0].address.to_string(), "10.64.0.5");
}

TEST_F(StoreSnapshotTest, RebuildingWhatIsSoundChangesNothing) {
  StateStore store = open();
  ASSERT_TRUE(store.set_owned_blocks(std::array{ipv4_, ipv6_}));
  for (const char* name : {"a", "b"}) ASSERT_TRUE(store.reserve(request(name)));
  const auto gone = *store.find({"a", "eth0"});
  ASSERT_TRUE(store.release(gone->attachment, gone->generation));
  const auto before = store.snapshot();
  ASSERT_TRUE(store.rebuild_indexes({}));
  EXPECT_EQ(store.snapshot()->blocks, before->blocks);
}

TEST_F(StoreSnapshotTest, WhatDoesNotParseNamesTheFile) {
  static_cast<void>(open().set_owned_blocks(std::array{ipv4_}));
  change([&](LmdbTransaction& txn) -> Status { return txn.put(chunk_key(ipv4_, 0), Bytes(1000)); });
  const auto snapshot = open().snapshot();
  ASSERT_FALSE(snapshot);
  EXPECT_EQ(snapshot.error().kind, ErrorKind::kCorrupt);
  EXPECT_THAT(snapshot.error().message, testing::HasSubstr(directory_.path() + "/db/data.mdb"));
}

}  // namespace
}  // namespace towpath::ipam
