// Which addresses the state store gives: the order of use, the rest before they are used again, addresses
// asked for by name, ranges and exclusions, and what a new boot does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ipam/host_boot.h"
#include "tests/support/temporary_directory.h"
#include "towpath/ipam/state_store.h"

namespace towpath::ipam {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using Texts = std::vector<std::string>;

std::vector<Prefix> prefixes(std::initializer_list<const char*> texts) {
  std::vector<Prefix> parsed;
  for (const char* text : texts) parsed.push_back(*Prefix::parse(text));
  return parsed;
}

std::vector<AddressRange> ranges(std::initializer_list<const char*> texts) {
  std::vector<AddressRange> parsed;
  for (const char* text : texts) parsed.push_back(*AddressRange::parse(text));
  return parsed;
}

std::vector<IpAddress> addresses(std::initializer_list<const char*> texts) {
  std::vector<IpAddress> parsed;
  for (const char* text : texts) parsed.push_back(*IpAddress::parse(text));
  return parsed;
}

class AddressChoiceTest : public testing::Test {
 protected:
  AddressChoiceTest() { open(); }

  void open() {
    store_.reset();
    auto opened = StateStore::open(directory_.path(), StateStore::OpenMode::kCreate, StoreLook::kBrief,
                                   {boot_, [this] { return std::chrono::nanoseconds(uptime_); }});
    if (!opened) throw std::runtime_error(opened.error().message);
    store_.emplace(*std::move(opened));
  }
  // The host went down and came up again.
  void reboot(seconds uptime) {
    boot_ += "'";
    uptime_ = uptime;
    open();
  }
  void own(std::initializer_list<const char*> blocks) {
    ASSERT_TRUE(store_->set_owned_blocks(prefixes(blocks)));
  }
  Result<EndpointRecord> reserve(const std::string& container, AddressChoice choice = {}) {
    ReserveRequest request;
    request.attachment = {container, "eth0"};
    request.network = "net";
    request.sandbox = "/run/netns/" + container;
    request.choice = std::move(choice);
    if (request.choice.cool_down == seconds(0)) request.choice.cool_down = cool_down_;
    auto record = store_->reserve(request);
    if (record && !store_->commit(*record)) ADD_FAILURE() << container;
    return record;
  }
  Texts take(const std::string& container, AddressChoice choice = {}) {
    const auto record = reserve(container, std::move(choice));
    if (!record) return {record.error().message};
    Texts texts;
    for (const BlockAddress& address : record->allocated) texts.push_back(address.address.to_string());
    return texts;
  }
  void release(const std::string& container) {
    const auto record = store_->find({container, "eth0"});
    ASSERT_TRUE(record && *record);
    ASSERT_EQ(store_->release((*record)->attachment, (*record)->generation), true);
  }

  test::TemporaryDirectory directory_;
  std::string boot_ = "first-boot";
  seconds uptime_{1000};
  seconds cool_down_{30};
  std::optional<StateStore> store_;
};

TEST_F(AddressChoiceTest, TheLeastRecentlyUsedComesNext) {
  own({"10.64.1.0/30"});
  EXPECT_EQ(take("a"), Texts{"10.64.1.1"});
  EXPECT_EQ(take("b"), Texts{"10.64.1.2"});
  release("b");
  uptime_ += seconds(1);
  release("a");
  uptime_ += seconds(60);
  EXPECT_EQ(take("c"), Texts{"10.64.1.3"}) << "never used comes first";
  EXPECT_EQ(take("d"), Texts{"10.64.1.2"}) << "released before 10.64.1.1, though a higher address";
  EXPECT_EQ(take("e"), Texts{"10.64.1.1"});
  EXPECT_EQ(take("f"), Texts{"no free ipv4 address in 10.64.1.0/30"});
}

TEST_F(AddressChoiceTest, AnAddressRestsBeforeItIsUsedAgain) {
  own({"10.64.1.8/32", "fd00::8/128"});
  EXPECT_EQ(take("a"), (Texts{"10.64.1.8", "fd00::8"}));
  release("a");
  uptime_ += seconds(10);
  EXPECT_EQ(
      take("b"),
      Texts{"no free ipv4 address in 10.64.1.8/32: those that were in use rest, the first for 20 s more"});
  EXPECT_EQ(store_->can_allocate({.cool_down = cool_down_}).error().kind, ErrorKind::kExhausted);
  EXPECT_TRUE(store_->find({"b", "eth0"})->has_value() == false) << "nothing half applied";
  open();
  EXPECT_EQ(take("b").size(), 1U) << "a restart does not shorten it";
  uptime_ += seconds(20);
  EXPECT_TRUE(store_->can_allocate({.cool_down = cool_down_}));
  EXPECT_EQ(take("b"), (Texts{"10.64.1.8", "fd00::8"}));
}

TEST_F(AddressChoiceTest, TheAddressOfAnAddThatFailedNeedNotRest) {
  own({"10.64.1.8/32"});
  ReserveRequest request;
  request.attachment = {"a", "eth0"};
  request.network = "net";
  const auto pending = store_->reserve(request);
  ASSERT_TRUE(pending);
  ASSERT_EQ(store_->release(pending->attachment, pending->generation), true);
  EXPECT_EQ(take("b"), Texts{"10.64.1.8"});
}

TEST_F(AddressChoiceTest, TheOldestOfAllBlocksComesFirst) {
  own({"10.64.1.0/32", "10.64.2.0/32"});
  take("a");
  take("b");
  release("b");
  uptime_ += seconds(1);
  release("a");
  uptime_ += seconds(60);
  EXPECT_EQ(take("c"), Texts{"10.64.2.0"});
}

TEST_F(AddressChoiceTest, ARebootRemovesEndpointsAndKeepsTheOrder) {
  own({"10.64.1.0/31", "fd00::/126"});
  take("a");
  take("b");
  release("a");
  reboot(seconds(20));
  EXPECT_TRUE(store_->endpoints()->empty());
  EXPECT_FALSE(*store_->find({"b", "eth0"})) << "its sandbox is gone, whatever has the same inode now";
  EXPECT_THAT(take("c").at(0), HasSubstr("the first for 10 s more")) << "rest counts from the boot";
  EXPECT_EQ(store_->blocks()->at(0).used, 0U)
      << "shown as it will be, though the failed call has changed nothing";
  uptime_ = seconds(31);
  EXPECT_EQ(take("c"), (Texts{"10.64.1.0", "fd00::3"}));
  EXPECT_EQ(take("d"), (Texts{"10.64.1.1", "fd00::1"})) << "was in use when the host went down: comes last";
  EXPECT_EQ(store_->endpoints()->size(), 2U);
}

TEST_F(AddressChoiceTest, AfterARebootTheAgentsStartIsTheFirstWrite) {
  own({"10.64.1.0/26"});
  take("a");
  reboot(seconds(5));
  own({"10.64.1.0/26"});
  EXPECT_EQ(store_->blocks()->at(0), (Block{*Prefix::parse("10.64.1.0/26"), BlockState::kOwned, 0, 1}));
  EXPECT_EQ(take("b"), Texts{"10.64.1.2"});
}

TEST_F(AddressChoiceTest, AskedByName) {
  own({"10.64.1.0/26", "fd00::/122"});
  EXPECT_EQ(take("a", {.addresses = addresses({"10.64.1.40"})}), (Texts{"10.64.1.40", "fd00::1"}))
      << "the other family is chosen";
  EXPECT_EQ(take("b", {.addresses = addresses({"fd00::9", "10.64.1.9"})}), (Texts{"fd00::9", "10.64.1.9"}));
  EXPECT_EQ(take("c"), (Texts{"10.64.1.1", "fd00::2"}));
  release("a");
  EXPECT_EQ(take("d", {.addresses = addresses({"10.64.1.40"})}).at(0), "10.64.1.40")
      << "by name it need not rest";
}

TEST_F(AddressChoiceTest, NobodyGetsTheGatewayOfALink) {
  own({"10.64.1.0/30", "fd00::/126"});
  EXPECT_EQ(take("a", {.gateway = true}), (Texts{"10.64.1.2", "fd00::2"}));
  EXPECT_EQ(take("b", {.gateway = true}), (Texts{"no free ipv4 address in 10.64.1.0/30"}))
      << "the last one is the broadcast address";
  EXPECT_FALSE(store_->can_allocate({.gateway = true}));
  EXPECT_EQ(take("c", {.addresses = addresses({"10.64.1.1"}), .gateway = true}),
            (Texts{"address 10.64.1.1 is the gateway of the block 10.64.1.0/30"}));
  EXPECT_EQ(take("c", {.addresses = addresses({"10.64.1.3"}), .gateway = true}),
            (Texts{"address 10.64.1.3 is the broadcast address of the block 10.64.1.0/30"}));
  EXPECT_EQ(gateway_of(*Prefix::parse("fd00::/126")), *IpAddress::parse("fd00::1"));
}

TEST_F(AddressChoiceTest, ABlockServesContainersOnALinkOrRoutedOnes) {
  own({"10.64.1.0/29", "10.64.2.0/29"});
  EXPECT_EQ(take("routed"), (Texts{"10.64.1.1"})) << "on a link it would be the gateway's";
  EXPECT_EQ(take("on-link", {.gateway = true}), (Texts{"10.64.2.2"}));
  EXPECT_EQ(take("routed-2"), (Texts{"10.64.1.2"}));
  EXPECT_EQ(take("c", {.addresses = addresses({"10.64.2.3"})}),
            (Texts{"address 10.64.2.3 lies in none of the blocks 10.64.1.0/29"}));
  own({"10.64.2.0/29"});
  const std::string why =
      "the addresses of 10.64.2.0/29 are in use with ipam.gateway, and a block serves one kind: set "
      "ipam.blocks to "
      "others";
  EXPECT_EQ(take("c"), (Texts{why}));
  EXPECT_EQ(store_->can_allocate({}).error().message, why);
  release("on-link");
  EXPECT_EQ(take("c"), (Texts{"10.64.2.3"})) << "with nobody on it it is no link any more";
  EXPECT_EQ(take("d", {.gateway = true}).at(0).substr(0, 46),
            "the addresses of 10.64.2.0/29 are in use witho");
}

TEST_F(AddressChoiceTest, TwoAskForTheSame) {
  own({"10.64.1.0/26", "fd00::/122"});
  ASSERT_TRUE(reserve("a", {.addresses = addresses({"fd00::9"})}));
  const auto refused = reserve("b", {.addresses = addresses({"10.64.1.9", "fd00::9"})});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(refused.error().message, "address fd00::9 is in use by a/eth0 of network net");
  EXPECT_EQ(store_->blocks()->at(0).used, 1U) << "10.64.1.9 was not kept";
  EXPECT_EQ(reserve("c", {.addresses = addresses({"10.64.1.9", "10.64.1.9"})}).error().kind,
            ErrorKind::kConflict);
}

TEST_F(AddressChoiceTest, AskedByNameButNotOursToGive) {
  own({"10.64.1.0/26"});
  const std::pair<const char*, const char*> rows[] = {
      {"10.65.0.1", "address 10.65.0.1 lies in none of the blocks 10.64.1.0/26"},
      {"10.64.1.0", "address 10.64.1.0 is the first of the block 10.64.1.0/26, which serves no container"},
      {"fd00::1", "address fd00::1 is ipv6, and there is no block of that family"}};
  for (const auto& [address, message] : rows) {
    const auto refused = reserve("a", {.addresses = addresses({address})});
    ASSERT_FALSE(refused) << address;
    EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
    EXPECT_EQ(refused.error().message, message);
  }
  EXPECT_EQ(take("a", {.ranges = ranges({"10.64.1.8/29"}), .addresses = addresses({"10.64.1.20"})}),
            Texts{"address 10.64.1.20 lies outside the ranges"});
}

TEST_F(AddressChoiceTest, RangesAndExclusions) {
  own({"10.64.1.0/26"});
  const AddressChoice narrow{.ranges = ranges({"10.64.1.10-10.64.1.13"}), .excluded = ranges({"10.64.1.11"})};
  EXPECT_EQ(take("a", narrow), Texts{"10.64.1.10"});
  EXPECT_EQ(take("b", narrow), Texts{"10.64.1.12"});
  EXPECT_EQ(take("c", narrow), Texts{"10.64.1.13"});
  EXPECT_THAT(take("d", narrow).at(0), HasSubstr("no free ipv4 address"));
  AddressChoice by_name = narrow;
  by_name.addresses = addresses({"10.64.1.11"});
  EXPECT_EQ(take("d", by_name), Texts{"10.64.1.11"}) << "left out of the choice, not out of the block";
  EXPECT_EQ(take("e"), Texts{"10.64.1.14"}) << "others are not bound by it";
  release("d");
  release("b");
  uptime_ += seconds(60);
  EXPECT_EQ(take("f", narrow), Texts{"10.64.1.12"}) << "10.64.1.11 has rested longer, but is left out";
}

TEST_F(AddressChoiceTest, APoolIsThoseBlocksThatLieInsideIt) {
  own({"10.64.1.0/26", "10.65.1.0/26", "fd00:65::/122"});
  EXPECT_EQ(take("a", {.pool = prefixes({"10.65.0.0/16", "fd00:65::/32"})}),
            (Texts{"10.65.1.1", "fd00:65::1"}));
  EXPECT_EQ(take("b", {.pool = prefixes({"10.64.0.0/16"})}), Texts{"10.64.1.1"});
  EXPECT_EQ(take("c", {.pool = prefixes({"10.66.0.0/16", "10.67.0.0/16"})}),
            Texts{"this host has no block inside the pool 10.66.0.0/16, 10.67.0.0/16"});
  EXPECT_EQ(take("c", {.pool = prefixes({"10.64.1.0/28"})}),
            Texts{"pool 10.64.1.0/28 is smaller than the block 10.64.1.0/26 of this host"});
}

// Every length, both families: each usable address once, and then a clear end.
TEST_F(AddressChoiceTest, AnAddressOfAnotherHostsBlock) {
  const auto pools = prefixes({"10.64.0.0/16", "fd00:64::/48"});
  AddressChoice choice{.addresses = addresses({"10.64.2.9"}), .keys = {"ips[0]"}};
  own({"10.64.1.0/26", "fd00:64:0:1::/122"});
  EXPECT_EQ(take("a", choice), Texts{"ips[0]: address 10.64.2.9 lies in none of the blocks 10.64.1.0/26"})
      << "who does not know the pools cannot say more";
  ASSERT_TRUE(store_->set_owned_blocks(prefixes({"10.64.1.0/26", "fd00:64:0:1::/122"}), pools));
  EXPECT_EQ(take("a", choice),
            Texts{"ips[0]: address 10.64.2.9 lies in none of the blocks 10.64.1.0/26 of this host; with "
                  "ipam.borrow it can be one of another host's"});
  choice.borrow = true;
  EXPECT_EQ(take("a", choice), (Texts{"10.64.2.9", "fd00:64:0:1::1"}));
  const Block borrowed{*Prefix::parse("10.64.2.9/32"), BlockState::kBorrowed, 1};
  EXPECT_THAT(*store_->blocks(), testing::Contains(borrowed)) << "counted";
  EXPECT_EQ(borrowed.free(), 0U);
  const std::vector<BlockContents> indexes = store_->snapshot()->blocks;
  ASSERT_TRUE(store_->rebuild_indexes({}));
  EXPECT_EQ(store_->snapshot()->blocks, indexes) << "sound";
  EXPECT_EQ(take("b", choice), Texts{"ips[0]: address 10.64.2.9 is in use by a/eth0 of network net"});
  EXPECT_EQ(reserve("b", choice).error().kind, ErrorKind::kConflict);
  release("a");
  EXPECT_EQ(store_->blocks()->size(), 2U) << "nothing of it is left, and it does not rest";
  EXPECT_EQ(take("b", choice), (Texts{"10.64.2.9", "fd00:64:0:1::2"})) << "at once";

  const auto refused = [&](const char* address, AddressChoice asked = {}) {
    asked.borrow = true;
    asked.addresses = addresses({address});
    return take("x", asked).at(0);
  };
  EXPECT_EQ(refused("10.99.0.1"), "address 10.99.0.1 lies in none of the pools 10.64.0.0/16, fd00:64::/48");
  EXPECT_EQ(refused("10.64.9.9", {.pool = prefixes({"10.64.0.0/20", "10.64.9.128/25"})}), "10.64.9.9");
  release("x");
  EXPECT_EQ(refused("10.64.99.9", {.pool = prefixes({"10.64.0.0/20"})}),
            "address 10.64.99.9 lies outside the pool 10.64.0.0/20");
  EXPECT_EQ(refused("10.64.1.9", {.blocks = prefixes({"10.64.7.0/26"})}),
            "address 10.64.1.9 lies in the block 10.64.1.0/26 of this host, which is not for this network");
  EXPECT_EQ(refused("10.64.1.0"),
            "address 10.64.1.0 is the first of the block 10.64.1.0/26, which serves no container");
  EXPECT_EQ(refused("10.64.2.10", {.ranges = ranges({"10.64.2.11-10.64.2.12"})}),
            "address 10.64.2.10 lies outside the ranges");
  EXPECT_EQ(store_->blocks()->size(), 3U) << "what is refused leaves nothing";
}

TEST_F(AddressChoiceTest, BorrowedWithoutABlockOfItsOwn) {
  AddressChoice choice{.addresses = addresses({"10.64.2.9", "fd00:64:0:2::9"}), .borrow = true};
  EXPECT_EQ(take("a", choice),
            Texts{"address 10.64.2.9 cannot be borrowed: towpathd has not said yet which pools there are"});
  ASSERT_TRUE(store_->set_owned_blocks({}, {}));
  EXPECT_EQ(take("a", choice), Texts{"address 10.64.2.9 cannot be borrowed: towpathd has no `pools`"});
  ASSERT_TRUE(store_->set_owned_blocks({}, prefixes({"10.64.0.0/16", "fd00:64::/48"})));
  EXPECT_EQ(take("a", choice), (Texts{"10.64.2.9", "fd00:64:0:2::9"}));
  open();
  EXPECT_EQ(store_->blocks()->size(), 2U);
  reboot(seconds(5));
  ASSERT_TRUE(store_->set_owned_blocks({}, prefixes({"10.64.0.0/16", "fd00:64::/48"})));
  EXPECT_TRUE(store_->blocks()->empty()) << "nobody has them after a boot";
  EXPECT_EQ(take("b", choice), (Texts{"10.64.2.9", "fd00:64:0:2::9"}));
}

// The host gets the block from which it has borrowed.
TEST_F(AddressChoiceTest, ABorrowedAddressComesHome) {
  const auto pools = prefixes({"10.64.0.0/16"});
  ASSERT_TRUE(store_->set_owned_blocks({}, pools));
  const AddressChoice first{.addresses = addresses({"10.64.2.1"}), .borrow = true};
  const AddressChoice single{.addresses = addresses({"10.64.3.3"}), .borrow = true};
  ASSERT_EQ(take("a", first), Texts{"10.64.2.1"});
  ASSERT_EQ(take("b", single), Texts{"10.64.3.3"});
  ASSERT_TRUE(store_->set_owned_blocks(prefixes({"10.64.2.0/29", "10.64.3.3/32"}), pools));
  EXPECT_EQ(*store_->blocks(), (std::vector<Block>{{*Prefix::parse("10.64.2.0/29"), BlockState::kOwned, 1},
                                                   {*Prefix::parse("10.64.3.3/32"), BlockState::kOwned, 1}}));
  EXPECT_EQ(store_->find({"a", "eth0"})->value().allocated[0].block, *Prefix::parse("10.64.2.0/29"));
  EXPECT_EQ(take("c"), Texts{"10.64.2.2"}) << "the one that is in use is passed over";
  release("a");
  release("b");
  EXPECT_EQ(store_->blocks()->at(0).used, 1U);
  EXPECT_EQ(store_->blocks()->at(0).resting, 1U) << "it rests as others do";
}

TEST_F(AddressChoiceTest, EveryLengthDownToOneAddress) {
  const char* const rows[] = {"10.64.1.0/28", "10.64.2.0/29", "10.64.3.0/30", "10.64.4.0/31", "10.64.5.5/32",
                              "fd00::/124",   "fd00:1::/126", "fd00:2::/127", "fd00:3::7/128"};
  for (const char* row : rows) {
    const Prefix block = *Prefix::parse(row);
    const std::uint64_t usable = block.size() > 2 ? block.size() - 1 : block.size();
    const AddressChoice choice{.blocks = {block}};
    std::set<std::string> seen;
    for (std::uint64_t i = 0; i < usable; ++i) {
      const auto record = reserve(std::string(row) + std::to_string(i), choice);
      ASSERT_TRUE(record) << row << ": " << record.error().message;
      ASSERT_EQ(record->allocated.size(), 1U);
      EXPECT_TRUE(block.contains(record->allocated[0].address));
      EXPECT_TRUE(seen.insert(record->allocated[0].address.to_string()).second) << row;
    }
    EXPECT_EQ(reserve("one-more", choice).error().kind, ErrorKind::kExhausted) << row;
    EXPECT_EQ(seen.contains(block.first().to_string()), block.size() <= 2) << row;
    EXPECT_TRUE(seen.contains(block.last().to_string())) << row;
  }
}

}  // namespace
}  // namespace towpath::ipam
