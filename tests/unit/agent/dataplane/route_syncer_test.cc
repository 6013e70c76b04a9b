#include "agent/dataplane/route_syncer.h"

#include "tests/support/fake_kernel.h"

namespace towpath::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<netlink::NextHop> via(const char* address) {
  return {{.via = *IpAddress::parse(address)}};
}
Prefix prefix(const char* text) {
  return *Prefix::parse(text);
}

// Each test for both families: the same names stand for one family's prefixes and next hops.
struct Names {
  const char *a, *b, *c;     // prefixes
  const char *left, *right;  // next hops
};
constexpr Names kIpv4{"10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "192.0.2.1", "192.0.2.2"};
constexpr Names kIpv6{"fd01::/64", "fd02::/64", "fd03::/64", "2001:db8::1", "2001:db8::2"};

class RouteSyncerTest : public ::testing::TestWithParam<Names> {
 protected:
  const Names& n = GetParam();
  test::FakeKernel kernel;
  RouteSyncer routes{{.learned = 32, .own_block = 4096}};

  // Writes until nothing is left in the line.
  void apply() {
    for (auto writes = routes.take_writes(100); !writes.empty(); writes = routes.take_writes(100)) {
      routes.on_written(writes, kernel.write(writes));
    }
  }
  void resync() { routes.on_dumped(*kernel.dump()); }
  std::string line(const char* prefix, const char* next_hop, int metric = 32, int protocol = 84) const {
    return fmt::format("{} metric {} proto {}: via {}\n", prefix, metric, protocol, next_hop);
  }
  RouteRow row(const char* text, RouteRole role = RouteRole::kLearned) const {
    return routes.find(role, prefix(text)).value_or(RouteRow{});
  }
};

TEST_P(RouteSyncerTest, WritesWhatIsWantedAndRemovesWhatIsNotWantedAnyMore) {
  routes.allow_deletes();
  routes.want(prefix(n.a), via(n.left));
  routes.want(prefix(n.b), via(n.right));
  EXPECT_FALSE(routes.in_sync());
  apply();
  EXPECT_EQ(kernel.dump_text(), line(n.a, n.left) + line(n.b, n.right));
  EXPECT_TRUE(routes.in_sync());
  routes.unwant(prefix(n.a));
  apply();
  EXPECT_EQ(kernel.dump_text(), line(n.b, n.right));
  EXPECT_EQ(routes.counters().wanted, 1U);
  EXPECT_EQ(routes.counters().in_kernel, 1U);
  EXPECT_FALSE(routes.find(RouteRole::kLearned, prefix(n.a))) << "nothing is kept of what is gone";
}

TEST_P(RouteSyncerTest, ChangeOfTheNextHopIsAReplacement) {
  routes.want(prefix(n.a), via(n.left));
  apply();
  kernel.take_log();
  routes.want(prefix(n.a), via(n.right));
  apply();
  EXPECT_THAT(kernel.take_log(), ElementsAre(fmt::format("replace {}", n.a)));
  EXPECT_EQ(kernel.dump_text(), line(n.a, n.right));
}

TEST_P(RouteSyncerTest, WhatIsAsItShouldBeIsNotWritten) {
  routes.want(prefix(n.a), via(n.left));
  apply();
  kernel.take_log();
  routes.want(prefix(n.a), via(n.left));
  apply();
  routes.want(prefix(n.a), via(n.right));
  routes.want(prefix(n.a), via(n.left));
  apply();
  EXPECT_THAT(kernel.take_log(), IsEmpty()) << "there and back again before it was applied";
}

TEST_P(RouteSyncerTest, WantAndUnwantBeforeApplyIsNothing) {
  routes.allow_deletes();
  routes.want(prefix(n.a), via(n.left));
  routes.unwant(prefix(n.a));
  apply();
  EXPECT_THAT(kernel.take_log(), IsEmpty());
  EXPECT_TRUE(routes.in_sync());
}

TEST_P(RouteSyncerTest, OwnBlockAndLearnedRouteOfOnePrefixAreTwoRoutes) {
  routes.allow_deletes();
  routes.want_own_block(prefix(n.a));
  routes.want(prefix(n.a), via(n.left));
  apply();
  EXPECT_EQ(kernel.dump_text(), line(n.a, n.left) + fmt::format("{} metric 4096 proto 84: blackhole\n", n.a));
  routes.unwant(prefix(n.a));
  apply();
  EXPECT_EQ(kernel.dump_text(), fmt::format("{} metric 4096 proto 84: blackhole\n", n.a));
  routes.unwant_own_block(prefix(n.a));
  apply();
  EXPECT_EQ(kernel.dump_text(), "");
}

TEST_P(RouteSyncerTest, RestartAdoptsAndDeletesNothingBeforeItMay) {
  kernel.resolve_devices_to(IfIndex{7});
  for (const char* name : {n.a, n.b, n.c}) kernel.set(name, 32, 84, make_unicast(via(n.left)));
  resync();
  EXPECT_EQ(routes.counters().adopted, 3U);
  kernel.take_log();
  routes.want(prefix(n.a), via(n.left));   // as before
  routes.want(prefix(n.b), via(n.right));  // elsewhere now
  apply();
  EXPECT_THAT(kernel.take_log(), IsEmpty()) << "a better path may come";
  EXPECT_FALSE(routes.in_sync());
  EXPECT_EQ(row(n.b).reason, "adopted; waits for the routes of all peers");
  routes.allow_replacements();
  apply();
  EXPECT_THAT(kernel.take_log(), ElementsAre(fmt::format("replace {}", n.b)));
  EXPECT_TRUE(routes.in_sync()) << "what may not be deleted yet is nothing to be done";
  EXPECT_EQ(kernel.dump_text(), line(n.a, n.left) + line(n.b, n.right) + line(n.c, n.left));
  routes.allow_deletes();
  EXPECT_FALSE(routes.in_sync());
  apply();
  EXPECT_EQ(kernel.dump_text(), line(n.a, n.left) + line(n.b, n.right));
  EXPECT_TRUE(routes.in_sync());
}

TEST_P(RouteSyncerTest, WhatWasFoundIsKeptUntilTheBestPathIsThere) {
  kernel.resolve_devices_to(IfIndex{7});
  for (const char* name : {n.a, n.b}) kernel.set(name, 32, 84, make_unicast(via(n.left)));
  resync();
  kernel.take_log();
  for (const char* name : {n.a, n.b}) routes.want(prefix(name), via(n.right));  // who speaks first
  apply();
  for (const char* name : {n.a, n.b}) routes.want(prefix(name), via(n.left));  // who is better
  apply();
  EXPECT_THAT(kernel.take_log(), IsEmpty());
  EXPECT_TRUE(routes.in_sync());
  // From here on they are ours, as any other.
  routes.want(prefix(n.a), via(n.right));
  apply();
  EXPECT_THAT(kernel.take_log(), ElementsAre(fmt::format("replace {}", n.a)));
}

TEST_P(RouteSyncerTest, WhatWasFoundAndChangedByOthersIsPutRightAtOnce) {
  kernel.resolve_devices_to(IfIndex{7});
  kernel.set(n.a, 32, 84, make_unicast(via(n.left)));
  resync();
  routes.want(prefix(n.a), via(n.right));
  apply();
  kernel.remove(n.a, 32);
  resync();
  kernel.take_log();
  apply();
  EXPECT_THAT(kernel.take_log(), ElementsAre(fmt::format("add {}", n.a)));
}

TEST_P(RouteSyncerTest, OutdatedRouteIsReplacedAlthoughItForwardsAsWanted) {
  auto outdated = make_unicast(via(n.left));
  outdated.outdated = true;
  kernel.set(n.a, 32, 84, outdated);
  resync();
  kernel.take_log();
  routes.want(prefix(n.a), via(n.left));
  routes.allow_replacements();
  apply();
  EXPECT_THAT(kernel.take_log(), ElementsAre(fmt::format("replace {}", n.a)));
  EXPECT_TRUE(routes.in_sync());
}

TEST_P(RouteSyncerTest, WhatIsInUseIsKnownWhenNothingInTheKernelDiffers) {
  const auto in_use = [&] {
    std::vector<std::string> texts;
    const auto values = routes.forwardings_in_use();
    if (!values) return texts;
    for (const auto& forwarding : *values) texts.push_back(test::format(*forwarding));
    return texts;
  };
  kernel.set(n.c, 32, 84, make_unicast(via(n.right)));
  resync();
  routes.want(prefix(n.a), via(n.left));
  EXPECT_FALSE(routes.forwardings_in_use()) << "a leftover";
  routes.allow_deletes();
  auto writes = routes.take_writes(100);
  EXPECT_FALSE(routes.forwardings_in_use()) << "on its way";
  auto outcome = kernel.write(writes);
  outcome.routes_in_doubt = true;
  routes.on_written(writes, outcome);
  EXPECT_TRUE(routes.wants_resync());
  EXPECT_FALSE(routes.forwardings_in_use()) << "in doubt";
  resync();
  EXPECT_THAT(in_use(), ElementsAre(fmt::format("via {}", n.left)));
  kernel.refuse(n.b, ENETUNREACH);
  routes.want(prefix(n.b), via(n.right));
  apply();
  EXPECT_THAT(in_use(),
              ::testing::UnorderedElementsAre(fmt::format("via {}", n.left), fmt::format("via {}", n.right)))
      << "what is refused may come yet";
  routes.want(prefix(n.a), via(n.right));
  EXPECT_FALSE(routes.forwardings_in_use()) << "not replaced yet";
}

TEST_P(RouteSyncerTest, RouteOfOursWithAMetricOfOtherSettingsGoesWithTheFirstDeletes) {
  kernel.set(n.a, 20, 84, make_unicast(via(n.left)));
  kernel.set(n.a, 21, 12, make_unicast(via(n.left)));
  resync();
  apply();
  EXPECT_EQ(kernel.dump_text(), line(n.a, n.left, 20) + line(n.a, n.left, 21, 12));
  EXPECT_TRUE(routes.in_sync());
  routes.allow_deletes();
  EXPECT_FALSE(routes.in_sync());
  apply();
  EXPECT_EQ(kernel.dump_text(), line(n.a, n.left, 21, 12));
  EXPECT_TRUE(routes.in_sync());
}

TEST_P(RouteSyncerTest, ForeignRoutesStayAlsoForTheSamePrefix) {
  kernel.set(n.a, 20, 12, make_unicast(via(n.right)));
  kernel.set(n.b, 1024, 12, make_unicast(via(n.right)));
  resync();
  routes.allow_deletes();
  routes.want(prefix(n.a), via(n.left));
  apply();
  routes.unwant(prefix(n.a));
  routes.unwant(prefix(n.b));
  apply();
  EXPECT_EQ(kernel.dump_text(), line(n.a, n.right, 20, 12) + line(n.b, n.right, 1024, 12));
}

TEST_P(RouteSyncerTest, ForeignRouteWithOurMetricKeepsItsPlaceAndTheReasonShows) {
  kernel.set(n.a, 32, 12, make_unicast(via(n.right)));
  resync();
  routes.allow_deletes();
  routes.want(prefix(n.a), via(n.left));
  apply();
  EXPECT_EQ(kernel.dump_text(), line(n.a, n.right, 32, 12));
  EXPECT_TRUE(row(n.a).pending);
  EXPECT_THAT(row(n.a).reason, HasSubstr("File exists"));
  EXPECT_TRUE(routes.wants_resync()) << "it could be a route of ours that we do not know of";
  resync();
  EXPECT_FALSE(routes.wants_resync());
  routes.retry();
  apply();
  EXPECT_FALSE(routes.wants_resync()) << "reading once is enough, or it would never end";
  kernel.remove(n.a, 32);
  routes.retry();
  apply();
  EXPECT_EQ(kernel.dump_text(), line(n.a, n.left));
  EXPECT_TRUE(routes.in_sync());
  EXPECT_EQ(row(n.a).reason, "");
}

TEST_P(RouteSyncerTest, RefusedRouteStaysPendingAndOthersGoOn) {
  kernel.refuse(n.a, ENETUNREACH);
  routes.want(prefix(n.a), via(n.left));
  routes.want(prefix(n.b), via(n.left));
  apply();
  EXPECT_EQ(kernel.dump_text(), line(n.b, n.left));
  EXPECT_EQ(routes.counters().pending, 1U);
  EXPECT_EQ(routes.counters().failed, 1U);
  EXPECT_THAT(row(n.a).reason, HasSubstr("unreachable"));
  kernel.take_log();
  apply();
  EXPECT_THAT(kernel.take_log(), IsEmpty()) << "not again by itself, that would be a hot loop";
  routes.retry();
  apply();
  EXPECT_EQ(routes.counters().failed, 1U);
  kernel.heal();
  routes.retry();
  apply();
  EXPECT_EQ(kernel.dump_text(), line(n.a, n.left) + line(n.b, n.left));
  EXPECT_EQ(routes.counters().failed, 0U);
  EXPECT_EQ(routes.counters().refused, 2U);
}

TEST_P(RouteSyncerTest, FailedRouteThatIsNoLongerWantedIsForgotten) {
  routes.allow_deletes();
  kernel.refuse(n.a, ENETUNREACH);
  routes.want(prefix(n.a), via(n.left));
  apply();
  routes.unwant(prefix(n.a));
  EXPECT_EQ(routes.counters().failed, 0U);
  EXPECT_TRUE(routes.in_sync());
  routes.retry();
  kernel.take_log();
  apply();
  EXPECT_THAT(kernel.take_log(), IsEmpty());
}

TEST_P(RouteSyncerTest, FailedRouteWithANewNextHopIsTriedAtOnce) {
  kernel.refuse(n.a, ENETUNREACH);
  routes.want(prefix(n.a), via(n.left));
  apply();
  kernel.heal();
  routes.want(prefix(n.a), via(n.right));
  apply();
  EXPECT_EQ(kernel.dump_text(), line(n.a, n.right));
}

TEST_P(RouteSyncerTest, DeleteOfWhatIsGoneIsASuccess) {
  routes.allow_deletes();
  routes.want(prefix(n.a), via(n.left));
  apply();
  kernel.remove(n.a, 32);
  routes.unwant(prefix(n.a));
  apply();
  EXPECT_TRUE(routes.in_sync());
  EXPECT_EQ(routes.counters().failed, 0U);
}

TEST_P(RouteSyncerTest, ResyncPutsRightWhatOthersDid) {
  routes.allow_deletes();
  routes.want(prefix(n.a), via(n.left));
  routes.want(prefix(n.b), via(n.left));
  apply();
  kernel.remove(n.a, 32);
  kernel.set(n.b, 32, 84, make_unicast(via(n.right)));
  kernel.set(n.c, 32, 84, make_unicast(via(n.right)));
  resync();
  EXPECT_EQ(routes.counters().pending, 3U);
  apply();
  EXPECT_EQ(kernel.dump_text(), line(n.a, n.left) + line(n.b, n.left));
}

TEST_P(RouteSyncerTest, LostAnswersAskForAResyncThatSettlesEverything) {
  routes.allow_deletes();
  routes.want(prefix(n.a), via(n.left));
  kernel.lose_next_answers();
  auto writes = routes.take_writes(100);
  routes.on_written(writes, kernel.write(writes));
  EXPECT_TRUE(routes.wants_resync());
  EXPECT_EQ(row(n.a).kernel, nullptr);
  resync();
  EXPECT_TRUE(routes.in_sync()) << "it had been written after all";
  kernel.take_log();
  apply();
  EXPECT_THAT(kernel.take_log(), IsEmpty());
}

TEST_P(RouteSyncerTest, ChangeWhileAWriteIsOnItsWay) {
  routes.allow_deletes();
  routes.want(prefix(n.a), via(n.left));
  const auto first = routes.take_writes(100);
  routes.want(prefix(n.a), via(n.right));
  EXPECT_THAT(routes.take_writes(100), IsEmpty()) << "one write of a prefix at a time";
  EXPECT_EQ(row(n.a).reason, "being written");
  routes.on_written(first, kernel.write(first));
  apply();
  EXPECT_EQ(kernel.dump_text(), line(n.a, n.right));

  routes.want(prefix(n.b), via(n.left));
  const auto second = routes.take_writes(100);
  routes.unwant(prefix(n.b));
  routes.on_written(second, kernel.write(second));
  apply();
  EXPECT_EQ(kernel.dump_text(), line(n.a, n.right));

  kernel.refuse(n.c, EINVAL);
  routes.want(prefix(n.c), via(n.left));
  const auto third = routes.take_writes(100);
  const auto refused = kernel.write(third);
  kernel.heal();
  routes.want(prefix(n.c), via(n.right));
  routes.on_written(third, refused);
  apply();
  EXPECT_EQ(kernel.dump_text(), line(n.a, n.right) + line(n.c, n.right)) << "the refusal was of another wish";
}

TEST_P(RouteSyncerTest, ResyncWhileAWriteIsOnItsWay) {
  routes.want(prefix(n.a), via(n.left));
  const auto dumped = *kernel.dump();
  const auto writes = routes.take_writes(100);
  const auto outcome = kernel.write(writes);
  routes.on_dumped(dumped);
  EXPECT_THAT(routes.take_writes(100), IsEmpty());
  routes.on_written(writes, outcome);
  EXPECT_TRUE(routes.in_sync());
}

TEST_P(RouteSyncerTest, EventsAreBelievedAtOnce) {
  routes.allow_deletes();
  routes.want(prefix(n.a), via(n.left));
  apply();
  const auto left = std::make_shared<const Forwarding>(make_unicast(via(n.left)));
  const auto right = std::make_shared<const Forwarding>(make_unicast(via(n.right)));
  kernel.remove(n.a, 32);
  routes.on_kernel_route({prefix(n.a), 32, left}, true);
  apply();
  EXPECT_EQ(kernel.dump_text(), line(n.a, n.left));
  kernel.set(n.b, 32, 84, *right);
  routes.on_kernel_route({prefix(n.b), 32, right}, false);
  apply();
  EXPECT_EQ(kernel.dump_text(), line(n.a, n.left));
  routes.on_kernel_route({prefix(n.c), 99, right}, false);
  EXPECT_TRUE(routes.in_sync()) << "a metric that is not ours";
}

TEST_P(RouteSyncerTest, WalkGoesOnWhereItStopped) {
  routes.want(prefix(n.a), via(n.left));
  routes.want(prefix(n.b), via(n.left));
  routes.want_own_block(prefix(n.c));
  std::vector<Prefix> seen;
  std::optional<Prefix> stopped;
  EXPECT_FALSE(routes.walk(RouteRole::kLearned, Prefix{}, [&](const RouteRow& r) {
    if (!seen.empty()) {
      stopped = r.prefix;
      return false;
    }
    seen.push_back(r.prefix);
    return true;
  }));
  EXPECT_TRUE(routes.walk(RouteRole::kLearned, *stopped, [&](const RouteRow& r) {
    EXPECT_EQ(r.reason, "waiting to be written");
    EXPECT_EQ(test::format(*r.wanted), fmt::format("via {}", n.left));
    seen.push_back(r.prefix);
    return true;
  }));
  EXPECT_THAT(seen, ElementsAre(prefix(n.a), prefix(n.b)));
}

// State only, never history: every order of the same wishes, with and without applying in between, gives one
// table.
TEST_P(RouteSyncerTest, OutcomeDependsOnTheLastWishesOnly) {
  struct Wish {
    const char* prefix;
    const char* next_hop;  // nullptr: none
  };
  const std::vector<Wish> wishes = {{n.a, n.left}, {n.b, n.right}, {n.c, n.left}, {n.a, nullptr},
                                    {n.b, n.left}, {n.c, nullptr}, {n.c, n.right}};
  const std::string expected = line(n.b, n.left) + line(n.c, n.right);
  for (unsigned applied = 0; applied < 1U << wishes.size(); ++applied) {
    test::FakeKernel fresh;
    fresh.set(n.a, 32, 84, make_unicast(via(n.right)));
    RouteSyncer syncer{{}};
    syncer.on_dumped(*fresh.dump());
    syncer.allow_deletes();
    const auto write_all = [&] {
      for (auto writes = syncer.take_writes(1); !writes.empty(); writes = syncer.take_writes(1)) {
        syncer.on_written(writes, fresh.write(writes));
      }
    };
    for (std::size_t i = 0; i < wishes.size(); ++i) {
      if (wishes[i].next_hop != nullptr) {
        syncer.want(prefix(wishes[i].prefix), via(wishes[i].next_hop));
      } else {
        syncer.unwant(prefix(wishes[i].prefix));
      }
      if (applied >> i & 1) write_all();
    }
    write_all();
    ASSERT_EQ(fresh.dump_text(), expected) << "applied after wishes " << applied;
    ASSERT_TRUE(syncer.in_sync());
    ASSERT_EQ(syncer.counters().wanted, 2U);
    ASSERT_EQ(syncer.counters().in_kernel, 2U);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, RouteSyncerTest, ::testing::Values(kIpv4, kIpv6),
                         [](const auto& names) { return std::string(names.index == 0 ? "ipv4" : "ipv6"); });

}  // namespace
}  // namespace towpath::agent
