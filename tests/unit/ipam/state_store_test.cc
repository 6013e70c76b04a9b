#include "towpath/ipam/state_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lmdb.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "tests/unit/ipam/store_fixture.h"

namespace towpath::ipam {
namespace {

using test::request;
using testing::HasSubstr;

std::vector<Prefix> prefixes(std::initializer_list<const char*> texts) {
  std::vector<Prefix> parsed;
  for (const char* text : texts) parsed.push_back(*Prefix::parse(text));
  return parsed;
}

std::vector<std::string> texts(const EndpointRecord& record) {
  std::vector<std::string> out;
  for (const auto& a : record.allocated) out.push_back(a.address.to_string());
  return out;
}

class StateStoreTest : public test::StoreFixture {};

TEST_F(StateStoreTest, OneAddressForEachFamilyOfTheOwnedBlocks) {
  StateStore store = open();
  ASSERT_TRUE(store.set_owned_blocks(prefixes({"10.64.1.0/26", "fd00:64:0:1::/122"})));
  const auto first = store.reserve(request("a"));
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(texts(*first), (std::vector<std::string>{"10.64.1.1", "fd00:64:0:1::1"}));
  EXPECT_EQ(first->state, AllocationState::kPending);
  const auto second = store.reserve(request("b"));
  EXPECT_EQ(texts(*second), (std::vector<std::string>{"10.64.1.2", "fd00:64:0:1::2"}));
  EXPECT_GT(second->generation, first->generation);
}

TEST_F(StateStoreTest, WithoutOwnedBlocksThereIsNothingToGive) {
  StateStore store = open();
  const auto refused = store.reserve(request("a"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(refused.error().message, HasSubstr("owns no block"));
  EXPECT_EQ(store.can_allocate({}).error().kind, ErrorKind::kNotFound);
  EXPECT_TRUE(store.endpoints()->empty());
}

TEST_F(StateStoreTest, DualStackIsAllOrNothing) {
  StateStore store = open();
  ASSERT_TRUE(store.set_owned_blocks(prefixes({"10.64.1.0/26", "fd00::8/128"})));
  ASSERT_TRUE(store.reserve(request("a")));
  const auto refused = store.reserve(request("b"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kExhausted);
  EXPECT_EQ(refused.error().message, "no free ipv6 address in fd00::8/128");
  EXPECT_EQ(store.can_allocate({}).error().message, "no free ipv6 address in fd00::8/128");
  EXPECT_EQ(store.blocks()->at(0).used, 1U) << "the IPv4 address of the refused ADD must not stay";
  EXPECT_EQ(store.endpoints()->size(), 1U);
}

TEST_F(StateStoreTest, TheNextBlockOfAFamilyServesWhenOneIsFull) {
  StateStore store = open();
  ASSERT_TRUE(store.set_owned_blocks(prefixes({"10.64.1.0/31", "10.64.2.0/31"})));
  std::set<std::string> seen;
  for (const char* name : {"a", "b", "c", "d"}) seen.insert(texts(*store.reserve(request(name))).at(0));
  EXPECT_EQ(seen, (std::set<std::string>{"10.64.1.0", "10.64.1.1", "10.64.2.0", "10.64.2.1"}));
  EXPECT_EQ(store.reserve(request("e")).error().message,
            "no free ipv4 address in 10.64.1.0/31, 10.64.2.0/31");
}

TEST_F(StateStoreTest, ReleaseComparesTheGeneration) {
  StateStore store = open();
  ASSERT_TRUE(store.set_owned_blocks(prefixes({"10.64.1.0/26"})));
  const auto record = store.reserve(request("a"));
  EXPECT_EQ(store.release(record->attachment, record->generation + 1), false);
  EXPECT_EQ(store.blocks()->at(0).used, 1U);
  EXPECT_EQ(store.release(record->attachment, record->generation), true);
  EXPECT_EQ(store.blocks()->at(0).used, 0U);
  EXPECT_EQ(store.release(record->attachment, record->generation), false) << "twice is harmless";
  EXPECT_EQ(texts(*store.reserve(request("b"))).at(0), "10.64.1.2") << "a released address rests";
}

TEST_F(StateStoreTest, CommitWantsThePendingRecordOfItsGeneration) {
  StateStore store = open();
  ASSERT_TRUE(store.set_owned_blocks(prefixes({"10.64.1.0/26"})));
  EndpointRecord record = *store.reserve(request("a"));
  record.host_ifname = "tp0";
  record.mtu = 1400;
  ASSERT_TRUE(store.commit(record));
  const auto found = *store.find(record.attachment);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->state, AllocationState::kLive);
  EXPECT_EQ(found->host_ifname, "tp0");
  ASSERT_TRUE(store.release(record.attachment, record.generation));
  EXPECT_EQ(store.commit(record).error().kind, ErrorKind::kConflict);
  EXPECT_TRUE(store.endpoints()->empty());
}

TEST_F(StateStoreTest, AnAttachmentIsReplacedOnlyByNamingItsGeneration) {
  StateStore store = open();
  ASSERT_TRUE(store.set_owned_blocks(prefixes({"10.64.1.0/26"})));
  const EndpointRecord old = *store.reserve(request("a", 1));
  EXPECT_EQ(store.reserve(request("a", 2)).error().kind, ErrorKind::kExists);
  ReserveRequest again = request("a", 2);
  again.replaces = old.generation;
  const auto replaced = store.reserve(again);
  ASSERT_TRUE(replaced) << replaced.error().message;
  EXPECT_EQ(store.blocks()->at(0).used, 1U) << "the address of the dead sandbox is free again";
  EXPECT_EQ(store.commit(old).error().kind, ErrorKind::kConflict) << "the older ADD has lost";
  EXPECT_EQ(store.release(old.attachment, old.generation), false);
}

TEST_F(StateStoreTest, BlocksThatLeaveTheListAreRetiredUntilEmpty) {
  StateStore store = open();
  ASSERT_TRUE(store.set_owned_blocks(prefixes({"10.64.1.0/26", "10.64.2.0/26"})));
  const EndpointRecord record = *store.reserve(request("a"));
  ASSERT_TRUE(store.set_owned_blocks(prefixes({"10.64.3.0/26"})));
  const auto blocks = *store.blocks();
  ASSERT_EQ(blocks.size(), 2U) << "the empty one of the two old blocks is gone";
  EXPECT_EQ(blocks[0].prefix.to_string(), "10.64.1.0/26");
  EXPECT_EQ(blocks[0].state, BlockState::kRetired);
  EXPECT_EQ(blocks[1].state, BlockState::kOwned);
  EXPECT_EQ(texts(*store.reserve(request("b"))).at(0), "10.64.3.1");
  ASSERT_TRUE(store.release(record.attachment, record.generation));
  EXPECT_EQ(store.blocks()->size(), 1U);
}

TEST_F(StateStoreTest, ARetiredBlockComesBackWithItsAllocations) {
  StateStore store = open();
  ASSERT_TRUE(store.set_owned_blocks(prefixes({"10.64.1.0/26"})));
  ASSERT_TRUE(store.reserve(request("a")));
  ASSERT_TRUE(store.set_owned_blocks({}));
  ASSERT_TRUE(store.set_owned_blocks(prefixes({"10.64.1.0/26"})));
  EXPECT_EQ(store.blocks()->at(0), (Block{*Prefix::parse("10.64.1.0/26"), BlockState::kOwned, 1}));
  EXPECT_EQ(texts(*store.reserve(request("b"))).at(0), "10.64.1.2");
}

TEST_F(StateStoreTest, OverlappingBlocksAreRefusedWhole) {
  StateStore store = open();
  ASSERT_TRUE(store.set_owned_blocks(prefixes({"10.64.1.0/26"})));
  EXPECT_EQ(store.set_owned_blocks(prefixes({"10.64.8.0/24", "10.64.8.0/26"})).error().message,
            "block 10.64.8.0/24 overlaps block 10.64.8.0/26");
  ASSERT_TRUE(store.reserve(request("a")));
  EXPECT_EQ(store.set_owned_blocks(prefixes({"10.64.9.0/24", "10.64.1.0/25"})).error().message,
            "block 10.64.1.0/25 overlaps block 10.64.1.0/26, which has 1 addresses in use");
  ASSERT_EQ(store.blocks()->size(), 1U);
  EXPECT_EQ(store.blocks()->at(0).state, BlockState::kOwned);

  ReserveRequest configured = request("b");
  configured.choice.blocks = prefixes({"10.64.1.0/27"});
  EXPECT_EQ(store.reserve(configured).error().kind, ErrorKind::kInvalid)
      << "it would give out 10.64.1.1 again";
}

TEST_F(StateStoreTest, AnEmptyBlockGivesWayToAnotherCut) {
  StateStore store = open();
  ASSERT_TRUE(store.set_owned_blocks(prefixes({"10.64.1.0/26"})));
  ASSERT_TRUE(store.set_owned_blocks(prefixes({"10.64.1.0/25"})));
  ASSERT_EQ(store.blocks()->size(), 1U);
  EXPECT_EQ(store.blocks()->at(0).prefix.to_string(), "10.64.1.0/25");

  ReserveRequest configured = request("a");
  configured.choice.blocks = prefixes({"10.65.0.0/26"});
  const EndpointRecord record = *store.reserve(configured);
  ASSERT_TRUE(store.release(record.attachment, record.generation));
  configured.choice.blocks = prefixes({"10.65.0.0/25"});
  ASSERT_TRUE(store.reserve(configured));
  EXPECT_EQ(store.blocks()->size(), 2U);
}

TEST_F(StateStoreTest, ConfiguredBlocksServeOnlyThoseWhoNameThem) {
  StateStore store = open();
  ASSERT_TRUE(store.set_owned_blocks(prefixes({"10.64.1.0/26"})));
  ReserveRequest configured = request("a");
  configured.choice.blocks = prefixes({"10.65.0.0/26", "fd00::/122"});
  EXPECT_EQ(texts(*store.reserve(configured)), (std::vector<std::string>{"10.65.0.1", "fd00::1"}));
  EXPECT_EQ(texts(*store.reserve(request("b"))), (std::vector<std::string>{"10.64.1.1"}));
  const auto blocks = *store.blocks();
  ASSERT_EQ(blocks.size(), 3U);
  EXPECT_EQ(blocks[1].state, BlockState::kConfigured);
  EXPECT_TRUE(store.can_allocate({.blocks = prefixes({"10.99.0.0/26"})}).has_value())
      << "a block not yet stored is empty";
}

TEST_F(StateStoreTest, ARecordWithoutAddressesForAForeignIpam) {
  StateStore store = open();
  ReserveRequest foreign = request("a");
  foreign.allocate = false;
  foreign.ipam_type = "host-local";
  const auto record = store.reserve(foreign);
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_TRUE(record->allocated.empty());
  EXPECT_EQ(store.find(record->attachment)->value().ipam_type, "host-local");
}

TEST_F(StateStoreTest, AllocationsAreOrderedByAddress) {
  StateStore store = open();
  ASSERT_TRUE(store.set_owned_blocks(prefixes({"10.64.1.0/26", "fd00::/122"})));
  ASSERT_TRUE(store.reserve(request("b")));
  ASSERT_TRUE(store.reserve(request("a")));
  std::vector<std::string> seen;
  const auto allocations = *store.allocations();
  for (const Allocation& a : allocations)
    seen.push_back(a.address.to_string() + " " + a.attachment.to_string());
  EXPECT_EQ(seen, (std::vector<std::string>{"10.64.1.1 b/eth0", "10.64.1.2 a/eth0", "fd00::1 b/eth0",
                                            "fd00::2 a/eth0"}));
}

TEST_F(StateStoreTest, StateSurvivesClosing) {
  {
    StateStore store = open();
    ASSERT_TRUE(store.set_owned_blocks(prefixes({"10.64.1.0/26"})));
    ASSERT_TRUE(store.reserve(request("a")));
  }
  StateStore store = open();
  EXPECT_EQ(store.endpoints()->size(), 1U);
}

TEST_F(StateStoreTest, OpeningWhatIsNotThere) {
  EXPECT_EQ(StateStore::open(directory_.path() + "/none", StateStore::OpenMode::kExisting).error().kind,
            ErrorKind::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(directory_.path() + "/none"));
  std::filesystem::create_directory(directory_.path() + "/db");
  EXPECT_EQ(StateStore::open(directory_.path(), StateStore::OpenMode::kExisting).error().kind,
            ErrorKind::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(data()));
}

TEST_F(StateStoreTest, ASecondHandleInOneProcessIsRefused) {
  const StateStore store = open();
  EXPECT_EQ(StateStore::open(directory_.path(), StateStore::OpenMode::kCreate).error().kind,
            ErrorKind::kConflict);
}

TEST_F(StateStoreTest, ADamagedFileIsNamedWithWhatToDo) {
  {
    StateStore store = open();
  }
  std::ofstream(data(), std::ios::trunc | std::ios::binary) << std::string(8192, 'x');
  const auto refused = StateStore::open(directory_.path(), StateStore::OpenMode::kCreate);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(refused.error().message,
            "state store " + data() + " is damaged (not an LMDB file): remove " + directory_.path() +
                "/db, restart towpathd, and attach the containers of this host again");
}

TEST_F(StateStoreTest, AFileCutShortIsNamed) {
  {
    StateStore store = open();
  }
  std::filesystem::resize_file(data(), 100);
  EXPECT_EQ(StateStore::open(directory_.path(), StateStore::OpenMode::kCreate).error().kind,
            ErrorKind::kCorrupt);
}

// Writes a record behind the store's back.
void poke(const std::string& directory, std::string key, std::string value) {
  MDB_env* env = nullptr;
  ASSERT_EQ(mdb_env_create(&env), 0);
  ASSERT_EQ(mdb_env_open(env, (directory + "/db").c_str(), 0, 0600), 0);
  MDB_txn* txn = nullptr;
  ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
  MDB_dbi dbi = 0;
  ASSERT_EQ(mdb_dbi_open(txn, nullptr, 0, &dbi), 0);
  MDB_val k{key.size(), key.data()};
  MDB_val v{value.size(), value.data()};
  ASSERT_EQ(mdb_put(txn, dbi, &k, &v, 0), 0);
  ASSERT_EQ(mdb_txn_commit(txn), 0);
  mdb_env_close(env);
}

TEST_F(StateStoreTest, AStoreOfANewerVersionIsLeftAlone) {
  {
    StateStore store = open();
    ASSERT_TRUE(store.set_owned_blocks(prefixes({"10.64.1.0/26"})));
  }
  poke(directory_.path(), "F", std::string("\0\0\0\2", 4));
  StateStore store = open();
  const auto refused = store.reserve(request("a"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnsupported);
  EXPECT_EQ(refused.error().message,
            "state store " + data() +
                " has format 2, and this program knows 1 only: install the programs of one release, "
                "or remove the store and attach the containers of this host again");
  EXPECT_EQ(store.set_owned_blocks({}).error().kind, ErrorKind::kUnsupported);
  EXPECT_EQ(store.endpoints().error().kind, ErrorKind::kUnsupported);
}

TEST_F(StateStoreTest, ARecordThatDoesNotDecodeIsNamed) {
  {
    StateStore store = open();
    ASSERT_TRUE(store.set_owned_blocks(prefixes({"10.64.1.0/26"})));
  }
  poke(directory_.path(), std::string("Ea\0eth0", 7), "short");
  StateStore store = open();
  const auto refused = store.reserve(request("a"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kCorrupt);
  EXPECT_THAT(refused.error().message,
              HasSubstr(data() + " is damaged (the record of a/eth0 does not follow the format)"));
  EXPECT_TRUE(store.reserve(request("b"))) << "other containers do not notice";
}

TEST_F(StateStoreTest, AReadOnlyPlaceIsAnError) {
  std::ofstream(directory_.path() + "/file") << "x";
  const auto refused = StateStore::open(directory_.path() + "/file", StateStore::OpenMode::kCreate);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr(directory_.path() + "/file"));
}

}  // namespace
}  // namespace towpath::ipam
