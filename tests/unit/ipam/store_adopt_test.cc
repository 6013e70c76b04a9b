#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ipam/index_audit.h"
#include "tests/support/temporary_directory.h"
#include "towpath/ipam/state_store.h"

namespace towpath::ipam {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class StoreAdoptTest : public testing::Test {
 protected:
  StoreAdoptTest() {
    auto store = StateStore::open(directory_.path(), StateStore::OpenMode::kCreate);
    store_.emplace(*std::move(store));
    EXPECT_TRUE(
        store_->set_owned_blocks(std::array{*Prefix::parse("10.64.1.0/26"), *Prefix::parse("fd00::/122")}));
  }
  static Adoption adoption(const std::string& id, std::initializer_list<const char*> addresses) {
    Adoption wanted{.attachment = {id, "eth0"}, .network = "net", .origin = "/f"};
    for (const char* text : addresses) wanted.addresses.push_back(*IpAddress::parse(text));
    return wanted;
  }
  void expect_refused(std::vector<Adoption> wanted, ErrorKind kind, const std::string& message) {
    const auto before = store_->last_change();
    wanted.insert(wanted.begin(), adoption("before", {"10.64.1.60"}));
    wanted.push_back(adoption("behind", {"10.64.1.61"}));
    const auto refused = store_->adopt(wanted);
    ASSERT_FALSE(refused) << message;
    EXPECT_EQ(refused.error().kind, kind);
    EXPECT_EQ(refused.error().message, message);
    EXPECT_EQ(store_->last_change(), before) << "all or nothing";
  }
  std::uint64_t used() const { return (*store_->blocks())[0].used; }

  test::TemporaryDirectory directory_;
  std::optional<StateStore> store_;
};

TEST_F(StoreAdoptTest, TheAddressesAreTaken) {
  Adoption first = adoption("a", {"10.64.1.7", "fd00::7"});
  first.sandbox = "/run/netns/a";
  first.sandbox_inode = 5;
  const auto adopted = store_->adopt(std::array{first, adoption("b", {"10.64.1.1"})});
  ASSERT_TRUE(adopted) << adopted.error().message;
  ASSERT_EQ(adopted->size(), 2U);
  EXPECT_TRUE((*adopted)[0].is_new);
  const auto record = *store_->find({"a", "eth0"});
  ASSERT_TRUE(record);
  EXPECT_EQ(record->network, "net");
  EXPECT_EQ(record->sandbox_inode, 5U);
  EXPECT_EQ(record->state, AllocationState::kLive);
  EXPECT_EQ(record->ipam_type, kOwnIpamType);
  EXPECT_EQ(record->allocated[1].block, *Prefix::parse("fd00::/122"));
  EXPECT_EQ(record->addresses, first.addresses);
  EXPECT_EQ((*adopted)[1].record.allocated.size(), 1U) << "no address is chosen for a family that had none";
  EXPECT_THAT(audit_indexes(*store_->snapshot(), {}), IsEmpty());
  ReserveRequest next;
  next.attachment = {"c", "eth0"};
  EXPECT_EQ(store_->reserve(next)->allocated[0].address.to_string(), "10.64.1.2");
}

TEST_F(StoreAdoptTest, OnceMoreChangesNothing) {
  const std::array wanted{adoption("a", {"10.64.1.7", "fd00::7"})};
  const auto generation = (*store_->adopt(wanted))[0].record.generation;
  const auto again = store_->adopt(wanted);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_FALSE((*again)[0].is_new);
  EXPECT_EQ((*again)[0].record.generation, generation);
  EXPECT_EQ(used(), 1U);
}

TEST_F(StoreAdoptTest, AllOrNothing) {
  ReserveRequest other;
  other.attachment = {"other", "eth0"};
  other.network = "net2";
  ASSERT_TRUE(store_->reserve(other));
  expect_refused({adoption("a", {"10.64.1.9", "10.65.0.1"})}, ErrorKind::kInvalid,
                 "/f/10.65.0.1: address 10.65.0.1 lies in none of the blocks 10.64.1.0/26");
  expect_refused(
      {adoption("a", {"10.64.1.0"})}, ErrorKind::kInvalid,
      "/f/10.64.1.0: address 10.64.1.0 is the first of the block 10.64.1.0/26, which serves no container");
  expect_refused({adoption("a", {"fd00::1"})}, ErrorKind::kConflict,
                 "/f/fd00::1: address fd00::1 is in use by other/eth0 of network net2");
  expect_refused({adoption("other", {"10.64.1.9"})}, ErrorKind::kConflict,
                 "/f/10.64.1.9: other/eth0 is attached to network net2 already, with other addresses");
}

TEST_F(StoreAdoptTest, AnEndpointOfOursKeepsItsRecord) {
  ReserveRequest delegated;
  delegated.attachment = {"a", "eth0"};
  delegated.network = "net";
  delegated.ipam_type = "host-local";
  delegated.allocate = false;
  EndpointRecord record = *store_->reserve(delegated);
  record.addresses = {*IpAddress::parse("10.64.1.7"), *IpAddress::parse("fd00::7")};
  expect_refused({adoption("a", {"10.64.1.7"})}, ErrorKind::kConflict,
                 "/f/10.64.1.7: a/eth0 is attached to network net already, with other addresses");
  record.host_ifname = "tp0";
  ASSERT_TRUE(store_->commit(record));
  const auto adopted = store_->adopt(std::array{adoption("a", {"10.64.1.7", "fd00::7"})});
  ASSERT_TRUE(adopted) << adopted.error().message;
  const auto now = *store_->find({"a", "eth0"});
  EXPECT_EQ(now->host_ifname, "tp0");
  EXPECT_EQ(now->ipam_type, kOwnIpamType);
  EXPECT_EQ(now->allocated.size(), 2U);
  ASSERT_EQ(store_->release(now->attachment, now->generation), true);
  EXPECT_EQ(used(), 0U);
}

TEST_F(StoreAdoptTest, ARestingAddressComesBack) {
  const std::array wanted{adoption("a", {"10.64.1.7"})};
  const auto record = (*store_->adopt(wanted))[0].record;
  ASSERT_EQ(store_->release(record.attachment, record.generation), true);
  ASSERT_TRUE(store_->adopt(wanted));
  EXPECT_THAT(audit_indexes(*store_->snapshot(), {}), IsEmpty());
}

TEST_F(StoreAdoptTest, OnlyBlocksThatAreInUse) {
  ASSERT_TRUE(store_->adopt(std::array{adoption("a", {"10.64.1.7"})}));
  ASSERT_TRUE(store_->set_owned_blocks({}));
  const auto refused = store_->adopt(std::array{adoption("b", {"10.64.1.8"})});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("has no block of addresses"));
}

}  // namespace
}  // namespace towpath::ipam
