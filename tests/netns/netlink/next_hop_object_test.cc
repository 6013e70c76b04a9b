#include "towpath/netlink/next_hop_object.h"

#include "tests/support/netlink_fixture.h"

namespace towpath::netlink {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Numbers of a single next hop on each side, of their group, and of a group of one.
constexpr std::uint32_t kLeft = kNextHopIdFirst, kRight = kLeft + 1, kBoth = kLeft + 2;

struct Names {
  const char *left, *right, *other;  // next hops
  const char *a, *b;                 // prefixes
};
constexpr Names kIpv4{"192.0.2.2", "198.51.100.2", "198.51.100.3", "10.1.0.0/16", "10.2.0.0/16"};
constexpr Names kIpv6{"2001:db8:1::2", "2001:db8:2::2", "2001:db8:2::3", "fd01::/64", "fd02::/64"};

class NextHopObjectTest : public test::NetlinkTest, public ::testing::WithParamInterface<Names> {
 protected:
  void SetUp() override {
    NetlinkTest::SetUp();
    if (IsSkipped()) return;
    left_ = make_interface("left");
    right_ = make_interface("right");
    for (const auto& [device, prefix] : {std::pair{left_, "192.0.2.0/24"},
                                         {right_, "198.51.100.0/24"},
                                         {left_, "2001:db8:1::/64"},
                                         {right_, "2001:db8:2::/64"}}) {
      run([&](Batch& batch) {
        batch.add_route({.key = {*Prefix::parse(prefix)}, .protocol = 2, .next_hops = {{.device = device}}});
      });
    }
  }
  void run(const std::function<void(Batch&)>& write) {
    Batch batch(*socket_);
    write(batch);
    const auto status = batch.execute();
    ASSERT_TRUE(status) << status.error().message;
  }
  NextHopObject single(std::uint32_t id, const char* via, IfIndex device) const {
    return {.id = id, .hop = {.via = *IpAddress::parse(via), .device = device}};
  }
  NextHopObject left() const { return single(kLeft, n.left, left_); }
  NextHopObject right() const { return single(kRight, n.right, right_); }
  static NextHopObject both() { return {.id = kBoth, .members = {{kLeft, 3}, {kRight, 1}}}; }
  static Route route(const char* prefix, std::uint32_t id) {
    return {.key = {*Prefix::parse(prefix), kMainTable, 32}, .nexthop_id = id};
  }
  std::vector<Route> routes() {
    const auto found = dump_routes(*socket_, Prefix::parse(n.a)->family(),
                                   {.table = kMainTable, .protocol = kRouteProtocol});
    EXPECT_TRUE(found) << found.error().message;
    return *found;
  }
  std::vector<NextHopObject> objects() {
    const auto found = dump_next_hops(*socket_);
    EXPECT_TRUE(found) << found.error().message;
    return *found;
  }

  const Names& n = GetParam();
  IfIndex left_, right_;
};

TEST_P(NextHopObjectTest, WhatIsWrittenIsReadBack) {
  run([&](Batch& batch) {
    batch.add_next_hop(left());
    batch.add_next_hop(right());
    batch.add_next_hop(both());
  });
  EXPECT_THAT(objects(), ElementsAre(left(), right(), both()));
}

TEST_P(NextHopObjectTest, ARouteRefersToItAndFollowsIt) {
  run([&](Batch& batch) {
    batch.add_next_hop(left());
    batch.add_next_hop(right());
    batch.add_next_hop(both());
    batch.add_route(route(n.a, kLeft));
    batch.add_route(route(n.b, kBoth));
  });
  auto found = routes();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].nexthop_id, kLeft);
  EXPECT_EQ(found[0].next_hops, std::vector{left().hop});
  EXPECT_EQ(found[1].nexthop_id, kBoth);
  ASSERT_EQ(found[1].next_hops.size(), 2U);
  EXPECT_EQ(found[1].next_hops[0].weight, 3);

  run([&](Batch& batch) { batch.replace_next_hop(single(kLeft, n.other, right_)); });
  found = routes();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].next_hops.front().via, *IpAddress::parse(n.other));
  EXPECT_EQ(found[0].next_hops.front().device, right_);
}

TEST_P(NextHopObjectTest, WithoutTheCompatibleModeADumpHasTheNumberOnly) {
  run([&](Batch& batch) {
    batch.add_next_hop(left());
    batch.add_route(route(n.a, kLeft));
  });
  ASSERT_EQ(::system("sysctl -qw net.ipv4.nexthop_compat_mode=0"), 0);
  const auto found = routes();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].nexthop_id, kLeft);
  EXPECT_THAT(found[0].next_hops, IsEmpty());
}

TEST_P(NextHopObjectTest, ARemovedObjectLeavesItsGroupAndTakesItsRoutesAlong) {
  run([&](Batch& batch) {
    batch.add_next_hop(left());
    batch.add_next_hop(right());
    batch.add_next_hop(both());
    batch.add_route(route(n.a, kLeft));
    batch.add_route(route(n.b, kBoth));
    batch.delete_next_hop(kLeft);
  });
  EXPECT_THAT(objects(), ElementsAre(right(), NextHopObject{.id = kBoth, .members = {{kRight, 1}}}));
  const auto found = routes();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].key.destination, *Prefix::parse(n.b));
  EXPECT_EQ(found[0].nexthop_id, kBoth);
  run([&](Batch& batch) { batch.delete_next_hop(kRight); });
  EXPECT_THAT(objects(), IsEmpty());
  EXPECT_THAT(routes(), IsEmpty());
}

TEST_P(NextHopObjectTest, ObjectsGoWithTheCarrier) {
  run([&](Batch& batch) {
    batch.add_next_hop(left());
    batch.add_next_hop(right());
    batch.add_next_hop(both());
    batch.add_route(route(n.b, kBoth));
  });
  other_->run([] { ASSERT_EQ(::system("ip link set left down"), 0); });
  EXPECT_TRUE(test::eventually([&] { return objects().size() == 2; }));
  EXPECT_THAT(objects(), ElementsAre(right(), NextHopObject{.id = kBoth, .members = {{kRight, 1}}}));
  EXPECT_EQ(routes().size(), 1U);
}

TEST_P(NextHopObjectTest, ARouteIsReplacedInPlaceAndRemovedByItsKey) {
  Route plain = route(n.a, 0);
  plain.next_hops = {left().hop};
  Route several = route(n.b, 0);
  several.next_hops = {left().hop, right().hop};
  run([&](Batch& batch) {
    batch.add_route(plain);
    batch.add_route(several);
    batch.add_next_hop(left());
    batch.add_next_hop(right());
    batch.add_next_hop(both());
    batch.replace_route(route(n.a, kLeft));
    batch.replace_route(route(n.b, kBoth));
  });
  const auto found = routes();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].nexthop_id, kLeft);
  EXPECT_EQ(found[1].nexthop_id, kBoth);
  run([&](Batch& batch) {
    batch.delete_route(route(n.a, 0));
    batch.delete_route(route(n.b, kBoth));
  });
  EXPECT_THAT(routes(), IsEmpty());
}

TEST_P(NextHopObjectTest, RefusalsNameTheObject) {
  Batch batch(*socket_);
  batch.add_next_hop(single(kLeft, n.left, IfIndex{}));
  batch.add_next_hop(both());
  batch.add_next_hop(right());
  batch.add_next_hop(single(kRight, n.other, right_));
  batch.delete_next_hop(kBoth);
  const auto failures = batch.execute_all();
  ASSERT_TRUE(failures) << failures.error().message;
  ASSERT_EQ(failures->size(), 4U);
  EXPECT_THAT((*failures)[0].error.message,
              HasSubstr(fmt::format("add next hop {} via {}: Device attribute required", kLeft, n.left)));
  EXPECT_THAT((*failures)[1].error.message,
              HasSubstr(fmt::format("add next hop {} group {} weight 3/{}", kBoth, kLeft, kRight)));
  EXPECT_EQ((*failures)[2].error.kind, ErrorKind::kExists);
  EXPECT_EQ((*failures)[3].error.kind, ErrorKind::kNotFound);
  EXPECT_THAT((*failures)[3].error.message, HasSubstr(fmt::format("delete next hop {}", kBoth)));
}

INSTANTIATE_TEST_SUITE_P(Families, NextHopObjectTest, ::testing::Values(kIpv4, kIpv6),
                         [](const auto& names) { return std::string(names.index == 0 ? "ipv4" : "ipv6"); });

}  // namespace
}  // namespace towpath::netlink
