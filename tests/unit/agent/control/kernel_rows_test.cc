#include "agent/control/kernel_rows.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace towpath::agent {
namespace {

using control::RouteTable;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint32_t kLoopback = 1;  // "lo" has this index in every network namespace

Prefix prefix(std::string_view text) {
  return *Prefix::parse(text);
}
std::vector<netlink::NextHop> via(std::string_view address) {
  return {{.via = *IpAddress::parse(address), .device = IfIndex{kLoopback}}};
}

// The rows of a complete reply, and how many slices it took.
struct Reply {
  std::vector<json> rows;
  std::size_t slices = 0;
};

Reply reply(const RouteSyncer& routes, control::RouteQuery query) {
  KernelRows source(routes, std::move(query));
  RowWriter writer;
  Reply out;
  do {
    ++out.slices;
  } while (source.next_slice(writer));
  std::istringstream lines(writer.text());
  for (std::string line; std::getline(lines, line);) out.rows.push_back(json::parse(line).at("row"));
  return out;
}

std::vector<std::string> prefixes(const Reply& reply) {
  std::vector<std::string> out;
  for (const json& row : reply.rows) out.push_back(row.at("prefix"));
  return out;
}

// The kernel does all that is asked.
void write_all(RouteSyncer& routes) {
  for (auto writes = routes.take_writes(1000); !writes.empty(); writes = routes.take_writes(1000)) {
    routes.on_written(writes, {});
  }
}

TEST(KernelRows, ShowWhatIsThereOwnBlocksFirst) {
  RouteSyncer routes({});
  routes.want(prefix("10.64.2.0/26"), via("192.0.2.2"));
  routes.want_own_block(prefix("10.64.1.0/26"));
  EXPECT_THAT(reply(routes, {.table = RouteTable::kKernel}).rows, IsEmpty());
  write_all(routes);
  EXPECT_THAT(
      reply(routes, {.table = RouteTable::kKernel}).rows,
      ElementsAre(json::parse(R"({"table":"kernel","family":"ipv4","prefix":"10.64.1.0/26","type":"blackhole",
                                  "metric":4096,"next_hops":[]})"),
                  json::parse(R"({"table":"kernel","family":"ipv4","prefix":"10.64.2.0/26","type":"unicast",
                                  "metric":32,"next_hops":[{"via":"192.0.2.2","device":"lo"}]})")));
}

TEST(KernelRows, FilterByPrefixAndAddress) {
  RouteSyncer routes({});
  for (const char* text : {"10.64.2.0/26", "10.65.0.0/26", "fd00:64:0:2::/122"})
    routes.want_own_block(prefix(text));
  write_all(routes);
  EXPECT_THAT(prefixes(reply(routes, {.table = RouteTable::kKernel, .prefix = prefix("10.64.0.0/16")})),
              ElementsAre("10.64.2.0/26"));
  EXPECT_THAT(
      prefixes(reply(routes, {.table = RouteTable::kKernel, .address = *IpAddress::parse("fd00:64:0:2::7")})),
      ElementsAre("fd00:64:0:2::/122"));
}

TEST(KernelRows, DiffNamesEachProblem) {
  RouteSyncer routes({});
  routes.on_dumped(
      {{prefix("10.64.8.0/26"), 32, std::make_shared<Forwarding>(make_unicast(via("192.0.2.8")))},
       {prefix("10.64.9.0/26"), 32, std::make_shared<Forwarding>(make_unicast(via("192.0.2.9")))}});
  EXPECT_THAT(reply(routes, {.table = RouteTable::kDiff}).rows, IsEmpty()) << "leftovers may still be wanted";
  routes.allow_deletes();
  routes.want(prefix("10.64.8.0/26"), via("192.0.2.80"));
  routes.want(prefix("10.64.7.0/26"), via("192.0.2.7"));
  routes.want(prefix("10.64.6.0/26"), via("192.0.2.6"));
  const auto writes = routes.take_writes(1000);
  WriteOutcome outcome;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    outcome.failures.push_back({i, Error::from_errno(ENETUNREACH, "add route")});
  }
  const auto before = reply(routes, {.table = RouteTable::kDiff});
  std::map<std::string, std::string> problems;
  for (const json& row : before.rows) problems[row["prefix"]] = row["problem"];
  EXPECT_THAT(problems, ElementsAre(testing::Pair("10.64.6.0/26", "missing in kernel"),
                                    testing::Pair("10.64.7.0/26", "missing in kernel"),
                                    testing::Pair("10.64.8.0/26", "differs"),
                                    testing::Pair("10.64.9.0/26", "not wanted")));

  routes.on_written(writes, outcome);
  for (const json& row : reply(routes, {.table = RouteTable::kDiff}).rows) {
    EXPECT_EQ(row["problem"], problems[row["prefix"]]) << row;
    EXPECT_EQ(row["reason"], "add route: Network is unreachable") << row;
  }
  const json changed =
      reply(routes, {.table = RouteTable::kDiff, .prefix = prefix("10.64.8.0/26")}).rows.at(0);
  EXPECT_EQ(changed["wanted"], "via 192.0.2.80 dev lo");
  EXPECT_EQ(changed["kernel"], "via 192.0.2.8 dev lo");
}

TEST(KernelRows, ALargeTableComesInSlicesWithEachPrefixOnce) {
  constexpr unsigned kRoutes = 5000;
  RouteSyncer routes({});
  for (unsigned i = 0; i < kRoutes; ++i) {
    routes.want(*Prefix::make(IpAddress::v4(0x0A000000U + i * 64), 26), via("192.0.2.2"));
  }
  write_all(routes);
  const Reply all = reply(routes, {.table = RouteTable::kKernel});
  EXPECT_GE(all.slices, kRoutes / kSliceEntries);
  const auto found = prefixes(all);
  EXPECT_EQ(found.size(), kRoutes);
  EXPECT_EQ(std::set<std::string>(found.begin(), found.end()).size(), kRoutes);
}

TEST(KernelRows, TheTableMayChangeBetweenSlices) {
  RouteSyncer routes({});
  for (unsigned i = 0; i < 2 * kSliceEntries; ++i) {
    routes.want(*Prefix::make(IpAddress::v4(0x0A000000U + i * 64), 26), via("192.0.2.2"));
  }
  write_all(routes);
  KernelRows source(routes, {.table = RouteTable::kKernel});
  RowWriter writer;
  ASSERT_TRUE(source.next_slice(writer));  // the own blocks: none
  ASSERT_TRUE(source.next_slice(writer));
  // The prefix at which the next slice begins goes away.
  routes.allow_deletes();
  routes.unwant(
      *Prefix::make(IpAddress::v4(0x0A000000U + static_cast<std::uint32_t>(kSliceEntries) * 64), 26));
  write_all(routes);
  while (source.next_slice(writer)) {
  }
  EXPECT_EQ(writer.rows(), 2 * kSliceEntries - 1);
}

}  // namespace
}  // namespace towpath::agent
