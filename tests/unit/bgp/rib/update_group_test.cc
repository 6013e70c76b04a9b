// What peers are told: sharing, order, split horizon, slow and late readers. (End states: rib_model_test.cc.)
#include <gtest/gtest.h>

#include "rib_fixture.h"

namespace towpath::bgp {
namespace {

constexpr Family kV4 = Family::kIpv4Unicast;
constexpr Family kV6 = Family::kIpv6Unicast;

class UpdateGroupTest : public testing::Test {
 protected:
  explicit UpdateGroupTest(RibLimits limits = {}) : rib_(identity(), limits) {
    source_ = rib_.add_peer(rib_peer("10.0.0.1", PeerKind::kExternal));
    a_ = rib_.add_peer(rib_peer("10.0.0.2", PeerKind::kExternal));
    b_ = rib_.add_peer(rib_peer("10.0.0.3", PeerKind::kExternal));
  }
  Receiver open(PeerId peer, PeerKind kind = PeerKind::kExternal) {
    rib_.open_output(peer, target(kind));
    return Receiver(target(kind));
  }
  std::string nth(int i) { return "10." + std::to_string(i / 250) + "." + std::to_string(i % 250) + ".0/24"; }
  void announce_many(int from, int to, std::uint32_t as = 65001) {
    for (int i = from; i < to; ++i) announce(rib_, source_, nth(i), attributes({as}));
  }

  Rib rib_;
  PeerId source_;
  PeerId a_;
  PeerId b_;
};

TEST_F(UpdateGroupTest, AnEmptyTableIsEndOfRibOfEachFamily) {
  Receiver a = open(a_);
  EXPECT_TRUE(rib_.has_output(a_));
  a.pull_all(rib_, a_);
  EXPECT_EQ(a.messages, 2U);
  EXPECT_EQ(a.end_of_ribs[kV4], 1);
  EXPECT_EQ(a.end_of_ribs[kV6], 1);
}

// RFC 4724 section 4.1.
TEST_F(UpdateGroupTest, AHeldEndOfRibComesBehindAllThatCameMeanwhile) {
  rib_.hold_end_of_rib();
  Receiver a = open(a_);
  announce_many(0, 10);
  a.pull_all(rib_, a_);
  EXPECT_EQ(a.routes.size(), 10U) << "routes are not held";
  EXPECT_EQ(a.end_of_ribs[kV4], 0);
  EXPECT_FALSE(rib_.has_output(a_));
  Receiver late = open(b_);
  announce_many(10, 20);
  late.pull_all(rib_, b_);
  EXPECT_EQ(late.routes.size(), 20U);
  EXPECT_EQ(late.end_of_ribs[kV4], 0);
  announce_many(20, 500);
  EXPECT_TRUE(rib_.release_end_of_rib());
  EXPECT_FALSE(rib_.release_end_of_rib());
  for (Receiver* receiver : {&a, &late}) {
    const PeerId peer = receiver == &a ? a_ : b_;
    EXPECT_TRUE(rib_.has_output(peer));
    for (bool more = true; more && receiver->end_of_ribs[kV4] == 0;) more = receiver->pull(rib_, peer, 100);
    EXPECT_EQ(receiver->routes.size(), 500U) << "before the End-of-RIB";
    receiver->pull_all(rib_, peer);
    EXPECT_EQ(receiver->end_of_ribs[kV4], 1);
    EXPECT_EQ(receiver->end_of_ribs[kV6], 1);
  }
}

TEST_F(UpdateGroupTest, WhoHearsOwnRoutesAloneWaitsForNobody) {
  rib_.hold_end_of_rib();
  rib_.open_output(a_, target(PeerKind::kExternal, ExportScope::kOwn));
  Receiver a(target(PeerKind::kExternal, ExportScope::kOwn));
  a.pull_all(rib_, a_);
  EXPECT_EQ(a.end_of_ribs[kV4], 1);
}

TEST_F(UpdateGroupTest, PeersOfOneGroupReadTheSameBytes) {
  Receiver a = open(a_);
  Receiver b = open(b_);
  a.pull_all(rib_, a_);
  b.pull_all(rib_, b_);
  announce_many(0, 1000);
  std::vector<OutputSlice> first;
  std::vector<OutputSlice> second;
  rib_.pull(a_, 1 << 20, first);
  rib_.pull(b_, 1 << 20, second);
  ASSERT_EQ(first.size(), 1U);
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(first[0].bytes.data(), second[0].bytes.data());
  EXPECT_EQ(first[0].bytes.size(), second[0].bytes.size());
}

TEST_F(UpdateGroupTest, ReceivingLimitsMakeNoOtherGroup) {
  open(a_);
  ExportTarget t = target(PeerKind::kExternal);
  t.session.max_receive = 65535;
  t.session.families[0].add_path_receive = true;
  rib_.open_output(b_, t);
  announce_many(0, 10);
  std::vector<OutputSlice> first;
  std::vector<OutputSlice> second;
  rib_.pull(a_, 1 << 20, first);
  rib_.pull(b_, 1 << 20, second);
  ASSERT_FALSE(first.empty() || second.empty());
  EXPECT_EQ(first[0].bytes.data(), second[0].bytes.data());
}

// Research C6: at least 95 % of what a message can hold.
TEST_F(UpdateGroupTest, MessagesAreFilled) {
  Receiver a = open(a_);
  a.pull_all(rib_, a_);
  // Sets that alternate, which is the worst order for packing.
  for (int i = 0; i < 5000; ++i)
    announce(rib_, source_, nth(i), attributes({65001U + static_cast<unsigned>(i % 2)}));
  const std::size_t before = a.messages;
  a.pull_all(rib_, a_);
  // 23 octets of header and lengths, 33 of attributes; four octets for a /24.
  const std::size_t per_message = (4096 - 23 - 33) / 4;
  const std::size_t ideal = 2 * ((2500 + per_message - 1) / per_message);
  EXPECT_LE(a.messages - before, ideal);
}

TEST_F(UpdateGroupTest, TheSourceIsNotToldItsOwnRoutes) {
  Receiver source = open(source_);
  Receiver a = open(a_);
  announce_many(0, 3);
  a.pull_all(rib_, a_);
  source.pull_all(rib_, source_);
  EXPECT_EQ(a.routes.size(), 3U);
  EXPECT_TRUE(source.routes.empty());
  EXPECT_EQ(source.withdrawn, 0U);
  EXPECT_EQ(rib_.sent(source_, kV4), 0U);
  EXPECT_EQ(rib_.sent(a_, kV4), 3U);
}

TEST_F(UpdateGroupTest, WhoeverBecomesTheSourceGetsAWithdrawal) {
  Receiver a = open(a_);
  Receiver b = open(b_);
  announce(rib_, a_, "10.1.0.0/16", attributes({65001, 65002}));
  a.pull_all(rib_, a_);
  b.pull_all(rib_, b_);
  EXPECT_TRUE(b.routes.contains(prefix("10.1.0.0/16")));
  announce(rib_, b_, "10.1.0.0/16", attributes({65001}));
  a.pull_all(rib_, a_);
  b.pull_all(rib_, b_);
  EXPECT_TRUE(a.routes.contains(prefix("10.1.0.0/16")));
  EXPECT_FALSE(b.routes.contains(prefix("10.1.0.0/16"))) << "the path that it was told is not used any more";
  withdraw(rib_, b_, "10.1.0.0/16");
  a.pull_all(rib_, a_);
  b.pull_all(rib_, b_);
  EXPECT_FALSE(a.routes.contains(prefix("10.1.0.0/16")));
  EXPECT_TRUE(b.routes.contains(prefix("10.1.0.0/16")));
  EXPECT_EQ(a.withdrawn_in_vain + b.withdrawn_in_vain, 0U);
}

TEST_F(UpdateGroupTest, WhatComesAndGoesUnseenIsNotSaid) {
  Receiver a = open(a_);
  a.pull_all(rib_, a_);
  announce_many(0, 100);
  rib_.clear_peer(source_, kV4);
  run_to_end(rib_);
  a.pull_all(rib_, a_);
  EXPECT_EQ(a.messages, 2U) << "nothing but the two End-of-RIB";
}

TEST_F(UpdateGroupTest, APullStopsNearItsLimitAtAWholeMessage) {
  Receiver a = open(a_);
  for (int i = 0; i < 300; ++i)
    announce(rib_, source_, nth(i), attributes({65001U + static_cast<unsigned>(i)}));
  std::vector<OutputSlice> slices;
  EXPECT_TRUE(rib_.pull(a_, 1000, slices));
  std::size_t bytes = 0;
  for (const OutputSlice& slice : slices) bytes += slice.bytes.size();
  EXPECT_GE(bytes, 1000U);
  EXPECT_LT(bytes, 1100U);
}

TEST_F(UpdateGroupTest, RefreshRepeatsOneFamilyWithoutEndOfRib) {
  Receiver a = open(a_);
  announce_many(0, 10);
  announce(rib_, source_, "2001:db8:1::/48", attributes({65001}));
  a.pull_all(rib_, a_);
  rib_.refresh_output(a_, kV4);
  a.pull_all(rib_, a_);
  EXPECT_EQ(a.announced, 21U);
  EXPECT_EQ(a.withdrawn, 0U);
  EXPECT_EQ(a.end_of_ribs[kV4], 1);
  announce_many(10, 12);
  a.pull_all(rib_, a_);
  EXPECT_EQ(a.announced, 23U) << "the changes come once";
}

TEST_F(UpdateGroupTest, ARefreshIsMarkedWhereBothSidesKnowTheMarks) {
  Receiver a = open(a_);
  announce_many(0, 10);
  rib_.refresh_output(a_, kV4, true);
  a.pull_all(rib_, a_);
  EXPECT_EQ(a.refresh_marks, "") << "RFC 7313 section 4: not before the End-of-RIB";
  EXPECT_EQ(a.end_of_ribs[kV4], 1);
  a.announced = 0;
  rib_.refresh_output(a_, kV4, true);
  a.pull_all(rib_, a_);
  EXPECT_EQ(a.refresh_marks, "[10]") << "all routes stand between BoRR and EoRR";
  EXPECT_EQ(a.end_of_ribs[kV4], 1);
  rib_.refresh_output(a_, kV6, true);
  a.pull_all(rib_, a_);
  EXPECT_EQ(a.refresh_marks, "[10][10]") << "an empty family is marked, too";
}

TEST_F(UpdateGroupTest, ASessionThatComesBackStartsAnew) {
  Receiver a = open(a_);
  announce_many(0, 10);
  a.pull_all(rib_, a_);
  rib_.close_output(a_);
  EXPECT_FALSE(rib_.has_output(a_));
  announce_many(5, 15, 65002);
  a = open(a_);
  a.pull_all(rib_, a_);
  EXPECT_EQ(a.routes.size(), 15U);
  EXPECT_EQ(a.end_of_ribs[kV4], 1);
}

TEST_F(UpdateGroupTest, AttributesThatFitNoMessageAreWithdrawn) {
  Receiver a = open(a_);
  announce(rib_, source_, "10.1.0.0/16", attributes({65001}));
  a.pull_all(rib_, a_);
  PathAttributes huge = attributes({65001});
  for (std::uint32_t i = 0; i < 1500; ++i) huge.communities.push_back({i});
  announce(rib_, source_, "10.1.0.0/16", huge);
  announce(rib_, source_, "10.2.0.0/16", attributes({65001}));
  a.pull_all(rib_, a_);
  EXPECT_FALSE(a.routes.contains(prefix("10.1.0.0/16"))) << "RFC 8654 4";
  EXPECT_TRUE(a.routes.contains(prefix("10.2.0.0/16")));
  EXPECT_EQ(rib_.sent(a_, kV4), 1U);
}

// RFC 7911.
class AddPathTest : public UpdateGroupTest {
 protected:
  static ExportTarget several(std::uint8_t limit = 0) {
    ExportTarget t = target(PeerKind::kExternal);
    for (auto& family : t.session.families) family.add_path_send = true;
    t.path_limit = limit;
    return t;
  }
  Receiver open_several(PeerId peer, std::uint8_t limit = 0) {
    rib_.open_output(peer, several(limit));
    return Receiver(several(limit));
  }
  // The neighbour AS of each path of 10.1.0.0/16, by its identifier.
  static std::map<std::uint32_t, std::uint32_t> told(Receiver& r) {
    std::map<std::uint32_t, std::uint32_t> found;
    for (const auto& [id, a] : r.paths[prefix("10.1.0.0/16")]) {
      found[id] = a.as_path.segments.at(0).numbers.at(1).value;
    }
    return found;
  }
  using Told = std::map<std::uint32_t, std::uint32_t>;
  void one(PeerId peer, std::uint32_t as, std::uint32_t path_id = 0) {
    announce(rib_, peer, "10.1.0.0/16", attributes({as}), "", path_id);
  }
};

TEST_F(AddPathTest, AllPathsAreToldAndEachKeepsItsIdentifier) {
  Receiver a = open_several(a_);
  one(source_, 65001, 77);
  a.pull_all(rib_, a_);
  EXPECT_EQ(told(a), (Told{{1, 65001}})) << "the identifiers are ours, those of the source stay with it";
  one(source_, 65002, 78);
  a.pull_all(rib_, a_);
  one(b_, 65003);
  a.pull_all(rib_, a_);
  EXPECT_EQ(told(a), (Told{{1, 65001}, {2, 65002}, {3, 65003}}));
  EXPECT_EQ(a.announced, 3U) << "what did not change is not said again";
  EXPECT_EQ(rib_.sent(a_, kV4), 3U);
  one(source_, 65009, 77);
  a.pull_all(rib_, a_);
  EXPECT_EQ(told(a), (Told{{1, 65009}, {2, 65002}, {3, 65003}}));
  EXPECT_EQ(a.announced, 4U);
  withdraw(rib_, source_, "10.1.0.0/16", 77);
  a.pull_all(rib_, a_);
  EXPECT_EQ(told(a), (Told{{2, 65002}, {3, 65003}}));
  EXPECT_EQ(a.withdrawn, 1U) << "one path, by its identifier";
  EXPECT_EQ(a.withdrawn_in_vain, 0U);
}

TEST_F(AddPathTest, ThePeersOwnPathsAreLeftOut) {
  Receiver a = open_several(a_);
  Receiver b = open_several(b_);
  one(source_, 65001);
  one(b_, 65003);
  a.pull_all(rib_, a_);
  b.pull_all(rib_, b_);
  EXPECT_EQ(told(a), (Told{{1, 65001}, {2, 65003}}));
  EXPECT_EQ(told(b), (Told{{1, 65001}}));
  EXPECT_EQ(rib_.sent(b_, kV4), 1U);
  // Its path takes over an identifier that meant another one's before.
  withdraw(rib_, source_, "10.1.0.0/16");
  withdraw(rib_, b_, "10.1.0.0/16");
  one(b_, 65003);
  a.pull_all(rib_, a_);
  b.pull_all(rib_, b_);
  EXPECT_EQ(told(a), (Told{{1, 65003}}));
  EXPECT_EQ(told(b), (Told{}));
}

TEST_F(AddPathTest, WithALimitTheBestAreTold) {
  Receiver a = open_several(a_, 2);
  announce(rib_, source_, "10.1.0.0/16", attributes({65001, 65001, 65001}), "", 1);
  a.pull_all(rib_, a_);
  announce(rib_, source_, "10.1.0.0/16", attributes({65002, 65002}), "", 2);
  a.pull_all(rib_, a_);
  announce(rib_, b_, "10.1.0.0/16", attributes({65003}));
  a.pull_all(rib_, a_);
  EXPECT_EQ(told(a), (Told{{2, 65002}, {3, 65003}}));
  withdraw(rib_, b_, "10.1.0.0/16");
  a.pull_all(rib_, a_);
  EXPECT_EQ(told(a), (Told{{1, 65001}, {2, 65002}})) << "the next one moves up";
  rib_.change_output(a_, several(1));
  a.pull_all(rib_, a_);
  EXPECT_EQ(told(a), (Told{{2, 65002}})) << "another limit holds within the session";
}

TEST_F(AddPathTest, SessionsWithAndWithoutIdentifiersAreGroupsOfTheirOwn) {
  Receiver plain = open(a_);
  Receiver several = open_several(b_);
  one(source_, 65001, 1);
  several.pull_all(rib_, b_);
  one(source_, 65002, 2);
  plain.pull_all(rib_, a_);
  several.pull_all(rib_, b_);
  EXPECT_EQ(plain.announced, 1U);
  EXPECT_EQ(told(several), (Told{{1, 65001}, {2, 65002}}));
  // A path that is not the best one concerns the second group only.
  withdraw(rib_, source_, "10.1.0.0/16", 2);
  plain.pull_all(rib_, a_);
  several.pull_all(rib_, b_);
  EXPECT_EQ(plain.announced, 1U);
  EXPECT_EQ(plain.withdrawn, 0U);
  EXPECT_EQ(told(several), (Told{{1, 65001}}));
}

TEST_F(AddPathTest, ALimitWithoutIdentifiersMakesNoOtherGroup) {
  Receiver a = open(a_);
  ExportTarget t = target(PeerKind::kExternal);
  t.path_limit = 3;
  rib_.open_output(b_, t);
  one(source_, 65001);
  std::vector<OutputSlice> first;
  std::vector<OutputSlice> second;
  rib_.pull(a_, 1 << 20, first);
  rib_.pull(b_, 1 << 20, second);
  ASSERT_FALSE(first.empty() || second.empty());
  EXPECT_EQ(first[0].bytes.data(), second[0].bytes.data());
}

class SlowPeerTest : public UpdateGroupTest {
 protected:
  SlowPeerTest() : UpdateGroupTest({16, 2000}) {}
};

TEST_F(SlowPeerTest, ASlowPeerGetsTheFinalStateOnly) {
  Receiver fast = open(a_);
  Receiver slow = open(b_);
  fast.pull_all(rib_, a_);
  slow.pull_all(rib_, b_);
  // 200 rounds of 50 routes, each with new attributes; the slow one does not read at all.
  for (std::uint32_t round = 0; round < 200; ++round) {
    announce_many(0, 50, 100 + round);
    fast.pull_all(rib_, a_);
  }
  EXPECT_EQ(fast.announced, 200U * 50);
  slow.pull_all(rib_, b_);
  EXPECT_LE(slow.announced, 50U + 16) << "each route once, beside one batch that had been formatted for all";
  EXPECT_EQ(slow.routes, fast.routes);
  EXPECT_EQ(slow.withdrawn, 0U);
  // It is back among the others: one change is one message for both, in the same bytes.
  announce(rib_, source_, nth(0), attributes({77}));
  std::vector<OutputSlice> first;
  std::vector<OutputSlice> second;
  rib_.pull(a_, 1 << 20, first);
  rib_.pull(b_, 1 << 20, second);
  ASSERT_EQ(first.size(), 1U);
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(first[0].bytes.data(), second[0].bytes.data());
}

TEST_F(SlowPeerTest, ASlowPeerHearsThatRoutesAreGone) {
  Receiver fast = open(a_);
  Receiver slow = open(b_);
  announce_many(0, 200);
  fast.pull_all(rib_, a_);
  slow.pull_all(rib_, b_);
  for (std::uint32_t round = 0; round < 20; ++round) {
    announce_many(0, 200, 100 + round);
    fast.pull_all(rib_, a_);
  }
  for (int i = 0; i < 150; ++i) withdraw(rib_, source_, nth(i));
  fast.pull_all(rib_, a_);
  slow.pull_all(rib_, b_);
  EXPECT_EQ(slow.routes.size(), 50U);
  EXPECT_EQ(slow.routes, fast.routes);
}

TEST_F(SlowPeerTest, ALatePeerGetsTheTableThenTheChanges) {
  Receiver fast = open(a_);
  announce_many(0, 300);
  fast.pull_all(rib_, a_);
  Receiver late = open(b_);
  // In the midst of its dump, routes before and behind the place change.
  late.pull(rib_, b_, 100);
  announce_many(0, 10, 65007);
  announce_many(290, 310, 65007);
  for (int i = 100; i < 200; ++i) withdraw(rib_, source_, nth(i));
  late.pull_all(rib_, b_);
  fast.pull_all(rib_, a_);
  EXPECT_EQ(late.routes.size(), 210U);
  EXPECT_EQ(late.routes, fast.routes);
  EXPECT_EQ(late.end_of_ribs[kV4], 1);
}

TEST_F(SlowPeerTest, APeerThatOnlyHearsOwnRoutesIsNotBotheredWithOthers) {
  rib_.open_output(a_, target(PeerKind::kExternal, ExportScope::kOwn));
  rib_.open_output(b_, target(PeerKind::kExternal, ExportScope::kOwn));
  Receiver a(target(PeerKind::kExternal));
  Receiver b(target(PeerKind::kExternal));
  a.pull_all(rib_, a_);
  rib_.originate(prefix("10.200.0.0/16"), {}, {});
  a.pull_all(rib_, a_);
  b.pull(rib_, b_, 1);
  announce_many(0, 500);
  rib_.refresh_output(b_, kV4);
  for (int i = 0; i < 500; ++i) withdraw(rib_, source_, nth(i));
  b.pull_all(rib_, b_);
  EXPECT_EQ(b.routes.size(), 1U);
  EXPECT_EQ(b.withdrawn, 0U);
}

}  // namespace
}  // namespace towpath::bgp
