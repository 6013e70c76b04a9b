// The next-hop objects behind the agent's routes, on the real kernel.
#include <linux/rtnetlink.h>

#include <map>

#include "netlink/message_reader.h"
#include "tests/netns/agent/dataplane_fixture.h"

namespace towpath::agent {
namespace {

using netlink::NextHop;
using netlink::NextHopObject;
using netlink::Route;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Each test for both families.
struct Names {
  AddressFamily family;
  const char *left, *right;  // next hops
};
constexpr Names kIpv4{AddressFamily::kIpv4, "192.0.2.2", "198.51.100.2"};
constexpr Names kIpv6{AddressFamily::kIpv6, "2001:db8:1::2", "2001:db8:2::2"};

class NextHopsTest : public DataplaneKernelTest, public ::testing::WithParamInterface<Names> {
 protected:
  Prefix prefix(std::uint32_t number) const {
    return n.family == AddressFamily::kIpv4 ? v4(number) : v6(number);
  }
  std::vector<NextHop> both() const {
    return {{.via = *IpAddress::parse(n.left)}, {.via = *IpAddress::parse(n.right)}};
  }
  std::vector<NextHopObject> objects() {
    auto found = netlink::dump_next_hops(*socket_);
    EXPECT_TRUE(found) << found.error().message;
    return *found;
  }
  std::vector<NextHopObject> groups() {
    auto found = objects();
    std::erase_if(found, [](const auto& object) { return object.members.empty(); });
    return found;
  }
  // Numbers by destination.
  std::map<Prefix, std::uint32_t> numbers() {
    std::map<Prefix, std::uint32_t> numbers;
    for (const Route& route : in_kernel(n.family)) numbers[route.key.destination] = route.nexthop_id;
    return numbers;
  }
  std::optional<Route> route(std::uint32_t number) {
    for (const Route& route : in_kernel(n.family)) {
      if (route.key.destination == prefix(number)) return route;
    }
    return std::nullopt;
  }
  struct Messages {
    std::size_t changes = 0, removals = 0;
  };
  // Of routes with our protocol number.
  static Messages count_route_messages(netlink::NetlinkSocket& listener) {
    Messages seen;
    for (auto datagram = listener.receive(); datagram; datagram = listener.receive()) {
      while (const auto message = netlink::next_message(*datagram)) {
        const auto route = netlink::parse_route(*message);
        if (!route || route->protocol != netlink::kRouteProtocol) continue;
        ++(message->header.nlmsg_type == RTM_DELROUTE ? seen.removals : seen.changes);
      }
    }
    return seen;
  }
  static void run(const std::string& command) { ASSERT_EQ(::system(command.c_str()), 0) << command; }
  // A tick, and what it leads to.
  void tick() {
    const auto before = routes().counters().resyncs;
    dataplane_->tick();
    dataplane_->resync();
    ASSERT_TRUE(loop_.run_until([&] { return routes().counters().resyncs > before; }));
    ASSERT_TRUE(
        loop_.run_until([this] { return routes().counters().in_flight == 0 && !routes().has_writes(); }));
  }
  netlink::KernelMonitor monitor() {
    auto opened = netlink::KernelMonitor::open(netlink::kMainTable, netlink::kRouteProtocol, port_);
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }
  // A route to each of 1 to `count` by the left next hop.
  void want_by_left(std::uint32_t count) {
    for (std::uint32_t i = 1; i <= count; ++i) routes().want(prefix(i), via(n.left));
  }

  const Names& n = GetParam();
};

TEST_P(NextHopsTest, RoutesWithTheSameNextHopsReferToOneObject) {
  want_by_left(100);
  for (std::uint32_t i = 101; i <= 200; ++i) routes().want(prefix(i), both());
  routes().want_blackhole(prefix(201));
  ASSERT_TRUE(in_sync());
  const auto found = numbers();
  ASSERT_EQ(found.size(), 201U);
  for (std::uint32_t i = 1; i <= 100; ++i) {
    EXPECT_EQ(found.at(prefix(i)), found.at(prefix(1)));
    EXPECT_EQ(found.at(prefix(100 + i)), found.at(prefix(101)));
  }
  EXPECT_EQ(found.at(prefix(201)), 0U);
  EXPECT_THAT(objects(), SizeIs(4)) << "the left one alone, two members, a group";
  for (const NextHopObject& object : objects()) {
    EXPECT_TRUE(netlink::is_agent_next_hop(object.id));
    EXPECT_EQ(object.protocol, netlink::kRouteProtocol);
  }
}

TEST_P(NextHopsTest, ALostNextHopLeavesItsGroupsAndNoRouteIsWritten) {
  routes().want(prefix(1), both());
  routes().want(prefix(2), via(n.left));
  ASSERT_TRUE(in_sync());
  const auto before = numbers();
  auto others = netlink::NetlinkSocket::open();
  ASSERT_TRUE(others->join(n.family == AddressFamily::kIpv4 ? RTNLGRP_IPV4_ROUTE : RTNLGRP_IPV6_ROUTE));
  dataplane_->next_hop_lost(*IpAddress::parse(n.left));
  ASSERT_TRUE(test::eventually([this] { return groups().front().members.size() == 1; }));
  EXPECT_EQ(route(1)->next_hops,
            (std::vector<NextHop>{{.via = *IpAddress::parse(n.right), .device = right_}}));
  EXPECT_EQ(numbers(), before) << "what has nothing else keeps it";
  EXPECT_EQ(count_route_messages(*others).changes, 0U);
  // An audit does not bring it back before it is said to be back.
  ASSERT_NO_FATAL_FAILURE(tick());
  EXPECT_THAT(groups().front().members, SizeIs(1));
  EXPECT_EQ(dataplane_->next_hops().degraded, 1U);
  dataplane_->next_hop_back(*IpAddress::parse(n.left));
  ASSERT_NO_FATAL_FAILURE(tick());
  EXPECT_THAT(groups().front().members, SizeIs(2));
  EXPECT_EQ(numbers(), before);
  EXPECT_EQ(dataplane_->next_hops().degraded, 0U);
}

// The kernel takes no gateway that is behind another one, so it is given the one that is on a link.
TEST_P(NextHopsTest, OneBehindAGatewayIsReachedByIt) {
  const bool v4 = n.family == AddressFamily::kIpv4;
  const std::string far = v4 ? "203.0.113.1" : "2001:db8:3::1";
  const std::string leads =
      std::string("ip route replace ") + (v4 ? "203.0.113.0/24" : "2001:db8:3::/48") + " via ";
  run(leads + n.left);
  routes().want(prefix(1), via(far.c_str()));
  routes().want(prefix(2), {{.via = *IpAddress::parse(far)}, {.via = *IpAddress::parse(n.right)}});
  ASSERT_TRUE(in_sync());
  EXPECT_EQ(route(1)->next_hops, (std::vector<NextHop>{{.via = *IpAddress::parse(n.left), .device = left_}}));
  EXPECT_THAT(route(2)->next_hops, SizeIs(2));
  const auto before = numbers();
  ASSERT_NO_FATAL_FAILURE(tick());
  EXPECT_EQ(routes().counters().replaced, 0U) << "a dump finds what was wanted";
  // It is behind another gateway now: the objects follow, and no route is written.
  run(leads + n.right);
  ASSERT_NO_FATAL_FAILURE(tick());
  EXPECT_EQ(route(1)->next_hops,
            (std::vector<NextHop>{{.via = *IpAddress::parse(n.right), .device = right_}}));
  EXPECT_EQ(numbers(), before);
  EXPECT_EQ(routes().counters().replaced, 0U);
  // Out of reach: it stays as it is, as long as somebody wants it.
  run(std::string("ip route del ") + (v4 ? "203.0.113.0/24" : "2001:db8:3::/48"));
  ASSERT_NO_FATAL_FAILURE(tick());
  EXPECT_EQ(route(1)->next_hops,
            (std::vector<NextHop>{{.via = *IpAddress::parse(n.right), .device = right_}}));
}

TEST_P(NextHopsTest, AGroupKeepsItsLastMemberHoweverLost) {
  routes().want(prefix(1), both());
  ASSERT_TRUE(in_sync());
  dataplane_->next_hop_lost(*IpAddress::parse(n.left));
  dataplane_->next_hop_lost(*IpAddress::parse(n.right));
  ASSERT_NO_FATAL_FAILURE(tick());
  EXPECT_TRUE(route(1));
  EXPECT_THAT(groups(), ElementsAre(Field(&NextHopObject::members, SizeIs(1))));
}

TEST_P(NextHopsTest, RestartAdoptsThemAndSweepsWhatNobodyUses) {
  routes().want(prefix(1), both());
  routes().want(prefix(2), via(n.left));
  routes().want(prefix(3), via(n.right));
  ASSERT_TRUE(in_sync());
  const auto before = objects();
  const auto numbers_before = numbers();
  start();
  EXPECT_EQ(routes().counters().adopted, 3U);
  routes().want(prefix(1), both());
  routes().want(prefix(2), via(n.left));
  EXPECT_FALSE(routes().has_writes()) << "what is right is not written again";
  ASSERT_NO_FATAL_FAILURE(tick());
  EXPECT_EQ(objects(), before) << "nothing goes before the picture is complete";
  EXPECT_EQ(numbers(), numbers_before);
  routes().allow_deletes();
  ASSERT_TRUE(in_sync());
  ASSERT_NO_FATAL_FAILURE(tick());
  EXPECT_THAT(objects(), SizeIs(before.size() - 1)) << "the right one alone is not used any more";
  routes().unwant(prefix(1));
  ASSERT_TRUE(in_sync());
  ASSERT_NO_FATAL_FAILURE(tick());
  EXPECT_EQ(objects(),
            (std::vector<NextHopObject>{{.id = numbers_before.at(prefix(2)),
                                         .hop = {.via = *IpAddress::parse(n.left), .device = left_}}}));
  EXPECT_EQ(numbers(), (std::map{std::pair{prefix(2), numbers_before.at(prefix(2))}}));
}

TEST_P(NextHopsTest, RoutesOfAnOlderVersionAreReplacedInPlace) {
  dataplane_.reset();
  netlink::Batch batch(*socket_);
  batch.add_route({.key = {prefix(1), netlink::kMainTable, 32}, .next_hops = via(n.left)});
  batch.add_route({.key = {prefix(2), netlink::kMainTable, 32}, .next_hops = both()});
  ASSERT_TRUE(batch.execute());
  start();
  auto listener = netlink::NetlinkSocket::open();
  ASSERT_TRUE(listener->join(n.family == AddressFamily::kIpv4 ? RTNLGRP_IPV4_ROUTE : RTNLGRP_IPV6_ROUTE));
  routes().want(prefix(1), via(n.left));
  routes().want(prefix(2), both());
  routes().allow_replacements();
  ASSERT_TRUE(in_sync());
  EXPECT_EQ(routes().counters().replaced, 2U);
  for (const auto& [destination, number] : numbers()) EXPECT_TRUE(netlink::is_agent_next_hop(number));
  const auto seen = count_route_messages(*listener);
  EXPECT_EQ(seen.changes, 2U);
  EXPECT_EQ(seen.removals, 0U);
}

TEST_P(NextHopsTest, ObjectsOfOthersStayAsTheyAreAlsoWithOurNumbers) {
  dataplane_.reset();
  netlink::Batch batch(*socket_);
  const std::vector<NextHopObject> foreign = {
      {.id = 7, .protocol = 12, .hop = {.via = *IpAddress::parse(n.left), .device = left_}},
      {.id = netlink::kNextHopIdFirst,
       .protocol = 12,
       .hop = {.via = *IpAddress::parse(n.left), .device = left_}},
      {.id = netlink::kNextHopIdFirst + 1, .protocol = 12, .members = {{7, 1}}}};
  for (const NextHopObject& object : foreign) batch.add_next_hop(object);
  Route theirs{.key = {prefix(9), netlink::kMainTable, 20}, .protocol = 12};
  theirs.nexthop_id = 7;
  batch.add_route(theirs);
  ASSERT_TRUE(batch.execute());
  start();
  routes().allow_deletes();
  routes().want(prefix(1), via(n.left));
  ASSERT_TRUE(in_sync());
  // One that comes while we run takes the number that we would take next.
  NextHopObject late = foreign[1];
  late.id = numbers().at(prefix(1)) + 1;
  batch.add_next_hop(late);
  ASSERT_TRUE(batch.execute());
  routes().want(prefix(2), via(n.right));
  ASSERT_TRUE(in_sync());
  routes().unwant(prefix(1));
  routes().unwant(prefix(2));
  ASSERT_TRUE(in_sync());
  ASSERT_NO_FATAL_FAILURE(tick());
  auto expected = foreign;
  expected.push_back(late);
  EXPECT_EQ(objects(), expected);
  const auto left = in_kernel(n.family, 12);
  EXPECT_THAT(left, ElementsAre(Field(&Route::nexthop_id, 7U)));
}

TEST_P(NextHopsTest, WhatOthersChangeIsPutRightWithoutWritingRoutes) {
  want_by_left(3);
  routes().want(prefix(4), both());
  ASSERT_TRUE(in_sync());
  const auto before = objects();
  const auto numbers_before = numbers();
  auto events = monitor();
  for (const NextHopObject& object : before) {
    const std::string other = n.family == AddressFamily::kIpv4 ? "192.0.2.99" : "2001:db8:1::99";
    if (object.members.empty()) {
      run("ip nexthop replace id " + std::to_string(object.id) + " via " + other + " dev left");
    } else {
      run("ip nexthop replace id " + std::to_string(object.id) + " group " +
          std::to_string(object.members[0].id) + ",5");
    }
    ASSERT_NO_FATAL_FAILURE(take_events(events));
    ASSERT_TRUE(loop_.run_until([&] { return objects() == before; })) << netlink::format(object);
  }
  EXPECT_EQ(numbers(), numbers_before);
  EXPECT_EQ(routes().counters().added, 4U);
  EXPECT_EQ(routes().counters().replaced, 0U);
}

TEST_P(NextHopsTest, WhatOthersRemoveComesBackWithItsRoutes) {
  want_by_left(3);
  routes().want(prefix(4), both());
  routes().want(prefix(5), via(n.right));
  ASSERT_TRUE(in_sync());
  auto events = monitor();
  const std::size_t count = objects().size();
  for (int removals = 0; removals < 5; ++removals) {
    for (const NextHopObject& object : objects()) {
      run("ip nexthop del id " + std::to_string(object.id));
      ASSERT_NO_FATAL_FAILURE(take_events(events));
      ASSERT_TRUE(loop_.run_until([&] {
        return in_kernel(n.family).size() == 5 && objects().size() == count;
      })) << netlink::format(object);
    }
  }
  run("ip nexthop flush proto 84");
  ASSERT_NO_FATAL_FAILURE(take_events(events));
  ASSERT_TRUE(loop_.run_until([&] { return in_kernel(n.family).size() == 5 && objects().size() == count; }));
  EXPECT_THAT(route(4)->next_hops, SizeIs(2));
  EXPECT_GE(dataplane_->next_hops().repaired, 1U);
}

TEST_P(NextHopsTest, AnotherObjectBehindOurRouteIsPutRight) {
  want_by_left(2);
  routes().want(prefix(3), via(n.right));
  ASSERT_TRUE(in_sync());
  const auto before = numbers();
  auto events = monitor();
  const std::string ip = n.family == AddressFamily::kIpv4 ? "ip" : "ip -6";
  run(ip + " route replace " + prefix(1).to_string() + " metric 32 proto 84 nhid " +
      std::to_string(before.at(prefix(3))));
  ASSERT_NO_FATAL_FAILURE(take_events(events));
  ASSERT_TRUE(loop_.run_until([&] { return numbers() == before; }));
  run(ip + " route replace " + prefix(1).to_string() + " metric 32 proto 84 via " + n.left);
  ASSERT_NO_FATAL_FAILURE(take_events(events));
  ASSERT_TRUE(loop_.run_until([&] { return numbers() == before; }));
}

TEST_P(NextHopsTest, ARouteOfAnotherOwnerInThePlaceOfOursIsNotTouchedAndTold) {
  want_by_left(1);
  ASSERT_TRUE(in_sync());
  auto events = monitor();
  const std::string ip = n.family == AddressFamily::kIpv4 ? "ip" : "ip -6";
  run(ip + " route replace " + prefix(1).to_string() + " metric 32 proto 12 via " + n.right);
  ASSERT_NO_FATAL_FAILURE(take_events(events));
  ASSERT_TRUE(loop_.run_until([this] { return routes().counters().failed == 1; }));
  EXPECT_THAT(routes().find(RouteRole::kLearned, prefix(1))->reason, ::testing::HasSubstr("File exists"));
  EXPECT_THAT(in_kernel(n.family, 12), SizeIs(1));
  run(ip + " route del " + prefix(1).to_string() + " metric 32 proto 12");
  ASSERT_NO_FATAL_FAILURE(tick());
  EXPECT_TRUE(route(1));
  EXPECT_TRUE(routes().in_sync());
}

TEST_P(NextHopsTest, AGroupDoesWithoutTheUplinkThatLostItsCarrier) {
  routes().want(prefix(1), both());
  routes().want(prefix(2), via(n.left));
  ASSERT_TRUE(in_sync());
  const auto before = numbers();
  auto events = monitor();
  const auto carrier = [&](const char* state) {
    other_->run([&] { run(std::string("ip link set left ") + state); });
    ASSERT_NO_FATAL_FAILURE(take_events(events));
  };
  ASSERT_NO_FATAL_FAILURE(carrier("down"));
  // The event of the link may come behind those of its IPv6 routes; then the tick tells of the group.
  const auto eventually = [this](const std::function<bool()>& condition) {
    return test::eventually([&] {
      dataplane_->tick();
      EXPECT_TRUE(loop_.run_one());
      return condition();
    });
  };
  ASSERT_TRUE(eventually(
      [this] { return routes().counters().failed == 1 && dataplane_->next_hops().degraded == 1; }));
  EXPECT_EQ(numbers().at(prefix(1)), before.at(prefix(1)));
  EXPECT_THAT(route(1)->next_hops, SizeIs(1));
  EXPECT_FALSE(route(2));
  ASSERT_NO_FATAL_FAILURE(carrier("up"));
  ASSERT_TRUE(eventually([this] { return routes().in_sync() && dataplane_->next_hops().degraded == 0; }));
  EXPECT_THAT(route(1)->next_hops, SizeIs(2));
  EXPECT_TRUE(route(2));
}

TEST_P(NextHopsTest, ANextHopThatMovesToAnotherLinkIsOneMessage) {
  want_by_left(50);
  ASSERT_TRUE(in_sync());
  const auto before = numbers();
  // A more specific route says that it is on the other link now.
  netlink::Batch batch(*socket_);
  batch.add_route(
      {.key = {Prefix::host(*IpAddress::parse(n.left))}, .protocol = 2, .next_hops = {{.device = right_}}});
  ASSERT_TRUE(batch.execute());
  ASSERT_NO_FATAL_FAILURE(tick());
  EXPECT_EQ(numbers(), before);
  EXPECT_EQ(route(50)->next_hops.front().device, right_);
  EXPECT_EQ(routes().counters().replaced, 0U);
  EXPECT_EQ(dataplane_->next_hops().repaired, 1U);
}

TEST_P(NextHopsTest, AGroupIsMadeOfThoseNextHopsThatCanBeReached) {
  auto hops = both();
  hops.push_back(
      {.via = *IpAddress::parse(n.family == AddressFamily::kIpv4 ? "203.0.113.2" : "2001:db8:3::2")});
  routes().want(prefix(1), hops);
  ASSERT_TRUE(in_sync());
  EXPECT_THAT(route(1)->next_hops, SizeIs(2));
  run(n.family == AddressFamily::kIpv4 ? "ip address add 203.0.113.1/24 dev right"
                                       : "ip address add 2001:db8:3::1/64 dev right nodad");
  ASSERT_NO_FATAL_FAILURE(tick());
  EXPECT_THAT(route(1)->next_hops, SizeIs(3));
  EXPECT_EQ(routes().counters().replaced, 0U);
}

TEST_P(NextHopsTest, HostsWithoutTheCompatibleModeAreTheSameToUs) {
  run("sysctl -qw net.ipv4.nexthop_compat_mode=0");
  routes().want(prefix(1), both());
  routes().want(prefix(2), via(n.left));
  ASSERT_TRUE(in_sync());
  start();
  routes().want(prefix(1), both());
  routes().want(prefix(2), via(n.left));
  EXPECT_FALSE(routes().has_writes());
  routes().allow_deletes();
  auto events = monitor();
  run("ip nexthop flush proto 84");
  ASSERT_NO_FATAL_FAILURE(take_events(events));
  ASSERT_TRUE(loop_.run_until([&] { return in_kernel(n.family).size() == 2; }));
}

INSTANTIATE_TEST_SUITE_P(Families, NextHopsTest, ::testing::Values(kIpv4, kIpv6),
                         [](const auto& names) { return std::string(names.index == 0 ? "ipv4" : "ipv6"); });

}  // namespace
}  // namespace towpath::agent
