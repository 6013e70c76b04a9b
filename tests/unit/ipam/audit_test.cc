#include "towpath/ipam/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace towpath::ipam {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr WallTime kNow{std::chrono::seconds(1700000000)};

IpAddress ip(const char* text) {
  return *IpAddress::parse(text);
}

// "kind address container: reason"
std::vector<std::string> lines(const std::vector<Finding>& findings) {
  std::vector<std::string> out;
  for (const Finding& f : findings) {
    out.push_back(std::string(format(f.kind)) + " " + f.address + " " + f.attachment.container_id + ": " +
                  f.reason);
  }
  return out;
}

// A host with one container, "a", at 10.64.1.1 and fd00::1, and all as it should be. Tests change something.
class AuditTest : public testing::Test {
 protected:
  AuditTest() {
    add_block("10.64.1.0/26");
    add_block("fd00::/122");
    add_container("a", 1, 7);
  }

  void add_block(const char* text) {
    BlockContents contents;
    contents.block.prefix = *Prefix::parse(text);
    store_.blocks.push_back(contents);
  }

  EndpointRecord& add_container(const std::string& id, std::uint64_t offset, std::uint64_t inode) {
    EndpointRecord record;
    record.attachment = {id, "eth0"};
    record.sandbox = "/run/netns/" + id;
    record.sandbox_inode = inode;
    record.created = kNow;
    record.generation = store_.records.size() + 1;
    record.state = AllocationState::kLive;
    record.ipam_type = kOwnIpamType;
    record.host_ifname = "tp-" + id;
    for (BlockContents& contents : store_.blocks) {
      const IpAddress address = contents.block.prefix.address().plus(offset);
      record.allocated.push_back({address, contents.block.prefix});
      record.addresses.push_back(address);
      contents.marked.push_back(offset);
      contents.block.used += 1;
      host_.routes.push_back({address, record.host_ifname, 0});
    }
    host_.links.push_back({record.host_ifname, record.attachment, true});
    host_.sandboxes[record.sandbox] = {inode, true};
    host_.interfaces[record.attachment] = std::set(record.addresses.begin(), record.addresses.end());
    store_.records.push_back(record);
    return store_.records.back();
  }

  // The container ends without a DEL.
  void kill(EndpointRecord& record) {
    host_.sandboxes[record.sandbox] = {0, true};
    std::erase_if(host_.links, [&](const ObservedLink& l) { return l.attachment == record.attachment; });
    std::erase_if(host_.routes, [&](const ObservedRoute& r) { return r.device == record.host_ifname; });
    host_.interfaces.erase(record.attachment);
  }
  // As an address of the stand-alone IPAM plugin.
  void make_standalone(EndpointRecord& record) {
    std::erase_if(host_.links, [&](const ObservedLink& l) { return l.attachment == record.attachment; });
    std::erase_if(host_.routes, [&](const ObservedRoute& r) { return r.device == record.host_ifname; });
    record.host_ifname.clear();
  }

  std::vector<std::string> found() const { return lines(audit(store_, host_, kNow)); }
  SandboxFate fate(const EndpointRecord& record) const { return sandbox_fate(record, store_.records, host_); }

  StoreSnapshot store_;
  HostObservation host_;
};

TEST_F(AuditTest, AHostThatIsAsItShouldBe) {
  add_container("b", 2, 8);
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(AuditTest, ASandboxThatIsGone) {
  kill(store_.records[0]);
  EXPECT_THAT(found(), ElementsAre("sandbox-gone 10.64.1.1 a: its sandbox /run/netns/a is gone",
                                   "sandbox-gone fd00::1 a: its sandbox /run/netns/a is gone"));
}

TEST_F(AuditTest, OnlyOurOwnAddressesOfItAreReleased) {
  EndpointRecord& record = store_.records[0];
  kill(record);
  for (const Finding& finding : audit(store_, host_, kNow)) EXPECT_EQ(finding.repair, Repair::kRelease);
  record.ipam_type = "host-local";
  record.allocated.clear();
  store_.blocks.clear();
  const auto findings = audit(store_, host_, kNow);
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0].reason, "its sandbox /run/netns/a is gone, and host-local has its addresses");
  EXPECT_EQ(findings[0].repair, Repair::kNone);
}

TEST_F(AuditTest, NothingIsRepairedThatMayBeAlive) {
  EndpointRecord& record = store_.records[0];
  host_.routes.clear();
  host_.interfaces[record.attachment] = std::nullopt;
  host_.sandboxes[record.sandbox] = {0, true};  // its interface on the host is there
  const auto findings = audit(store_, host_, kNow);
  EXPECT_EQ(findings.size(), 4U);
  for (const Finding& finding : findings) EXPECT_EQ(finding.repair, Repair::kNone) << finding.reason;
}

TEST_F(AuditTest, AnotherNamespaceAtThePathIsAnotherSandbox) {
  kill(store_.records[0]);
  host_.sandboxes["/run/netns/a"] = {8, true};
  EXPECT_EQ(fate(store_.records[0]), SandboxFate::kGone);
}

TEST_F(AuditTest, EitherEndThatIsThereMeansAlive) {
  EndpointRecord& record = store_.records[0];
  host_.sandboxes[record.sandbox] = {0, true};
  EXPECT_EQ(fate(record), SandboxFate::kAlive) << "the pair is there, so its other end is";
  host_.links.clear();
  EXPECT_EQ(fate(record), SandboxFate::kGone);
  host_.sandboxes[record.sandbox] = {record.sandbox_inode, true};
  EXPECT_EQ(fate(record), SandboxFate::kAlive);
}

TEST_F(AuditTest, AnIfbProvesNothing) {
  kill(store_.records[0]);
  host_.links.push_back({"tb-a", {"a", "eth0"}, false});
  EXPECT_EQ(fate(store_.records[0]), SandboxFate::kGone);
}

TEST_F(AuditTest, WhatCannotBeSeenIsNotGone) {
  EndpointRecord& record = store_.records[0];
  kill(record);
  host_.sandboxes[record.sandbox] = {0, false};
  EXPECT_EQ(fate(record), SandboxFate::kUnknown);
  host_.sandboxes.clear();
  EXPECT_EQ(fate(record), SandboxFate::kUnknown) << "nobody has looked";
}

TEST_F(AuditTest, OfAStandaloneAddressTheProcessesAreAsked) {
  EndpointRecord& record = store_.records[0];
  make_standalone(record);
  EXPECT_THAT(found(), IsEmpty());
  kill(record);
  EXPECT_EQ(fate(record), SandboxFate::kUnknown) << "processes were not looked at";
  host_.inhabited = std::set<std::uint64_t>{1, 7};
  EXPECT_EQ(fate(record), SandboxFate::kUnknown) << "one may run in its sandbox";
  host_.inhabited = std::set<std::uint64_t>{1};
  EXPECT_EQ(fate(record), SandboxFate::kGone);
}

TEST_F(AuditTest, AnInodeNumberThatIsUsedAgainProvesNothing) {
  make_standalone(store_.records[0]);
  kill(store_.records[0]);
  host_.inhabited = std::set<std::uint64_t>{1, 7};
  add_container("b", 2, 7);
  EXPECT_EQ(fate(store_.records[0]), SandboxFate::kGone) << "the younger b has a namespace of that number";
  EXPECT_EQ(fate(store_.records[1]), SandboxFate::kAlive);
  host_.sandboxes["/run/netns/b"] = {0, true};
  EXPECT_EQ(fate(store_.records[0]), SandboxFate::kUnknown) << "and now nobody knows whose it is";
}

TEST_F(AuditTest, AnAddThatDoesNotEnd) {
  EndpointRecord& record = store_.records[0];
  record.state = AllocationState::kPending;
  record.host_ifname.clear();
  host_.routes.clear();
  host_.links.clear();
  host_.interfaces.clear();
  EXPECT_THAT(found(), IsEmpty()) << "it is under way";
  record.created = kNow - std::chrono::hours(1);
  EXPECT_THAT(found(), ElementsAre("unfinished 10.64.1.1 a: its ADD has not come to an end",
                                   "unfinished fd00::1 a: its ADD has not come to an end"));
  host_.sandboxes[record.sandbox] = {0, true};
  EXPECT_EQ(fate(record), SandboxFate::kGone);
}

TEST_F(AuditTest, RoutesOfTheHost) {
  host_.routes.pop_back();
  EXPECT_THAT(found(), ElementsAre("no-route fd00::1 a: no route leads to it over tp-a"));
  host_.routes.push_back({ip("fd00::1"), "eth7", 0});
  EXPECT_THAT(found(), ElementsAre("no-route fd00::1 a: no route leads to it over tp-a"));
  host_.routes.push_back({ip("fd00::1"), "tp-a", 1024});
  EXPECT_THAT(found(), ElementsAre("no-route fd00::1 a: a route over eth7 comes before that over tp-a"));
  host_.routes[1].metric = 2048;
  EXPECT_THAT(found(), IsEmpty()) << "one behind ours does no harm";
}

TEST_F(AuditTest, AnInterfaceOfTheHostThatIsGone) {
  host_.links.clear();
  host_.routes.clear();
  EXPECT_THAT(found(), ElementsAre("no-route 10.64.1.1 a: its interface tp-a is gone",
                                   "no-route fd00::1 a: its interface tp-a is gone"));
}

TEST_F(AuditTest, WhatTheSandboxHas) {
  auto& inside = host_.interfaces[{"a", "eth0"}];
  inside->erase(ip("fd00::1"));
  EXPECT_THAT(found(),
              ElementsAre("not-in-sandbox fd00::1 a: the interface eth0 in /run/netns/a does not have it"));
  inside->insert(ip("fd00::1"));
  inside->insert(ip("fe80::1"));
  inside->insert(ip("192.0.2.7"));
  EXPECT_THAT(found(), IsEmpty()) << "addresses of others are none of our business";
  inside->insert(ip("10.64.1.9"));
  EXPECT_THAT(
      found(),
      ElementsAre(
          "no-allocation 10.64.1.9 a: the interface eth0 of the container has it, but nobody has it"));
  inside = std::nullopt;
  EXPECT_THAT(found(), ElementsAre("not-in-sandbox 10.64.1.1 a: there is no interface eth0 in /run/netns/a",
                                   "not-in-sandbox fd00::1 a: there is no interface eth0 in /run/netns/a"));
}

TEST_F(AuditTest, WhatTheHostHasWithoutARecord) {
  host_.links.push_back({"tp-z", {"z", "eth0"}, true});
  EXPECT_THAT(found(), ElementsAre("no-allocation  z: its interface tp-z is there, and no record"));
  host_.routes.push_back({ip("10.64.1.5"), "tp-z", 0});
  EXPECT_THAT(found(),
              ElementsAre("no-allocation 10.64.1.5 z: a route leads to it over tp-z, but nobody has it"));
  host_.routes.back().address = ip("10.64.1.1");
  EXPECT_THAT(found(),
              ElementsAre("double-use 10.64.1.1 z: a route leads to it over tp-z, but a/eth0 has it"));
}

TEST_F(AuditTest, ADelegateHasNotSaidYetWhichAddressItGave) {
  EndpointRecord& record = store_.records[0];
  record.state = AllocationState::kPending;
  record.allocated.clear();
  record.addresses.clear();
  for (BlockContents& contents : store_.blocks) {
    contents.marked.clear();
    contents.block.used = 0;
  }
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(AuditTest, OneAddressTwoUsers) {
  EndpointRecord& other = add_container("b", 2, 8);
  other.addresses[0] = ip("10.64.1.1");
  other.allocated[0].address = ip("10.64.1.1");
  host_.own_addresses.emplace(ip("fd00::2"), "eth7");
  const auto all = found();
  EXPECT_THAT(all, testing::Contains("double-use 10.64.1.1 b: a/eth0 has it too"));
  EXPECT_THAT(all, testing::Contains("double-use fd00::2 b: the host itself has it on eth7"));
  EXPECT_THAT(all, testing::Not(testing::Contains(testing::HasSubstr("double-use 10.64.1.1 a"))))
      << "one line for one clash";
}

TEST_F(AuditTest, AddressesThatNoBlockHas) {
  EndpointRecord& record = add_container("b", 2, 8);
  record.allocated[0].block = *Prefix::parse("10.64.1.0/28");
  record.addresses[1] = ip("fd00::3");
  store_.blocks[0].marked = {1};
  store_.blocks[0].block.used = 1;
  host_.interfaces.clear();
  host_.routes.push_back({ip("fd00::3"), "tp-b", 0});
  EXPECT_THAT(found(),
              ElementsAre("outside-blocks 10.64.1.2 b: the store does not list its block 10.64.1.0/28",
                          "outside-blocks fd00::3 b: no block gave it",
                          "record fd00::2 b: its record does not list it among the container's addresses"));
}

TEST_F(AuditTest, TheFirstAddressOfABlockServesNobody) {
  EndpointRecord& record = store_.records[0];
  record.allocated[0].address = record.addresses[0] = ip("10.64.1.0");
  const auto all = found();
  EXPECT_THAT(
      all, testing::Contains("outside-blocks 10.64.1.0 a: it is the first of the block 10.64.1.0/26, which "
                             "serves no container"));
}

TEST_F(AuditTest, AddressesOfAnotherIpamAreOfNoBlock) {
  EndpointRecord& record = store_.records[0];
  record.ipam_type = "host-local";
  record.allocated.clear();
  for (BlockContents& contents : store_.blocks) {
    contents.marked.clear();
    contents.block.used = 0;
  }
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(AuditTest, OfAnEarlierBootOnlyTheIndexesAreCompared) {
  kill(store_.records[0]);
  store_.of_earlier_boot = true;
  EXPECT_THAT(found(), IsEmpty());
  store_.blocks[0].block.used = 5;
  EXPECT_EQ(found().size(), 1U);
}

TEST_F(AuditTest, Indexes) {
  BlockContents& block = store_.blocks[0];
  block.marked = {0, 5, 6, 64};  // 1 is in use and not marked; 5 is nobody's
  block.resting = {{6, {}}, {7, {}}, {6, {}}, {1, {}}, {99, {}}};
  block.block.used = 3;
  block.block.resting = 4;
  EXPECT_THAT(
      found(),
      ElementsAre("index 10.64.1.1 a: the bitmap says that it is free",
                  "index 10.64.1.7 : it rests, but the bitmap says that it is free",
                  "index 10.64.1.6 : it rests twice",
                  "index 10.64.1.1 a: the list of resting addresses has it",
                  "index 10.64.1.0/26 : an address rests that it does not have: offset 99",
                  "index 10.64.1.0/26 : the bitmap marks an address that serves no container: offset 0",
                  "index 10.64.1.5 : the bitmap says that it is taken, but nobody has it",
                  "index 10.64.1.0/26 : the bitmap marks an address that serves no container: offset 64",
                  "index 10.64.1.0/26 : it says that 3 addresses are in use, and the records have 1",
                  "index 10.64.1.0/26 : it says that 4 addresses rest, and the list has 5"));
}

TEST_F(AuditTest, AMarkForWhatSomebodyHasIsNoMistakeOfTheIndex) {
  store_.blocks[0].marked.push_back(9);
  auto findings = audit(store_, host_, kNow);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].repair, Repair::kRebuild);
  host_.routes.push_back({ip("10.64.1.9"), "eth7", 0});
  findings = audit(store_, host_, kNow);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].repair, Repair::kNone);
  EXPECT_EQ(findings[0].reason, "the bitmap says that it is taken, and it is in use, but no record has it");
}

TEST_F(AuditTest, IndexesOfABlockThatIsNotListed) {
  add_block("10.64.9.0/26");
  store_.blocks.back().stored = false;
  store_.blocks.back().marked = {3};
  EXPECT_THAT(
      found(),
      ElementsAre("index 10.64.9.0/26 : the store has indexes of this block, which it does not list"));
}

TEST_F(AuditTest, BlocksThatOverlap) {
  store_.blocks.insert(store_.blocks.begin() + 1, BlockContents{});
  store_.blocks[1].block.prefix = *Prefix::parse("10.64.1.32/28");
  EXPECT_THAT(found(), ElementsAre("index 10.64.1.32/28 : it lies inside the block 10.64.1.0/26"));
}

TEST_F(AuditTest, InBothKeepsWhatStays) {
  kill(store_.records[0]);
  const auto first = audit(store_, host_, kNow);
  EXPECT_EQ(in_both(first, first), first);
  store_.records[0].generation += 1;
  EXPECT_THAT(in_both(first, audit(store_, host_, kNow)), IsEmpty())
      << "it was attached again between the looks";
}

}  // namespace
}  // namespace towpath::ipam
