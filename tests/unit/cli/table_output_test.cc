#include "cli/table_output.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/columns.h"
#include "tests/unit/cli/captured_stream.h"

namespace towpath::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

Columns columns() {
  return {{"NAME", [](const json& row) { return row.value("name", ""); }, false, 6},
          {"N", [](const json& row) { return row["n"].dump(); }, true},
          {"NOTE", [](const json& row) { return row.value("note", ""); }, false, 0, 3}};
}

std::string table(const std::vector<std::string>& rows, std::size_t width) {
  CapturedStream out;
  TableOutput output(out.get(), columns(), width, "Nothing.");
  for (const auto& row : rows) EXPECT_TRUE(output.row(row));
  output.end();
  return out.text();
}

TEST(TableOutput, FitsColumnsToTheirContent) {
  EXPECT_EQ(table({R"({"name":"a","n":5,"note":"x"})", R"({"name":"longer-name","n":12345})"}, 0),
            "NAME             N  NOTE\n"
            "a                5  x\n"
            "longer-name  12345\n");
}

TEST(TableOutput, SaysWhenThereIsNothing) {
  EXPECT_EQ(table({}, 80), "Nothing.\n");
}

TEST(TableOutput, ShrinksThenDropsColumnsOnANarrowTerminal) {
  const std::vector<std::string> rows{R"({"name":"longer-name","n":12345,"note":"remark"})"};
  EXPECT_EQ(table(rows, 26), "NAME             N  NOTE\nlonger-name  12345  remark\n");
  EXPECT_EQ(table(rows, 23), "NAME          N  NOTE\nlonger-~  12345  remark\n")
      << "the shrinkable column gives";
  EXPECT_EQ(table(rows, 15), "NAME        N\nlonge~  12345\n") << "then the lightest column goes";
  EXPECT_EQ(table(rows, 5), "NAME        N\nlonge~  12345\n") << "and what matters stays";
}

TEST(TableOutput, CutsNothingWhereThereIsNoTerminal) {
  EXPECT_THAT(table({R"({"name":")" + std::string(500, 'x') + R"(","n":1})"}, 0),
              HasSubstr(std::string(500, 'x')));
}

TEST(TableOutput, CountsCharactersNotOctets) {
  EXPECT_EQ(table({R"({"name":"äöü","n":1})", R"({"name":"abc","n":2})"}, 0),
            "NAME  N  NOTE\näöü   1\nabc   2\n");
}

TEST(TableOutput, LetsNothingSteerTheTerminal) {
  EXPECT_THAT(table({R"({"name":"\u001b[2J\u0007","n":1})"}, 0), HasSubstr("?[2J?"));
}

TEST(TableOutput, StreamsBeyondItsSampleWithTheSameWidths) {
  CapturedStream out;
  TableOutput output(out.get(), columns(), 0, "");
  for (std::size_t i = 0; i < TableOutput::kSample; ++i) ASSERT_TRUE(output.row(R"({"name":"abcd","n":1})"));
  const std::string before = out.text();
  EXPECT_THAT(before, HasSubstr("abcd  1\n")) << "the sample is printed as soon as it is full";
  ASSERT_TRUE(output.row(R"({"name":"much-longer","n":2})"));
  EXPECT_EQ(out.text().substr(before.size()), "much-longer  2\n");
}

TEST(Columns, ShowARouteAsAPersonReadsIt) {
  CapturedStream out;
  TableOutput output(out.get(), route_columns(control::RouteTable::kLocRib), 0, "");
  output.row(R"({"prefix":"10.64.2.0/26","peer":"host-b","next_hop":"192.0.2.2","best":true,"stale":true,
                 "local_pref":100,"origin":"igp","as_path":"65001 65002","communities":["65000:1","65000:2"],
                 "age_seconds":3725})");
  output.row(R"({"prefix":"10.64.1.0/26","peer":"local","next_hop":"","best":true,"origin":"igp","as_path":"",
                 "communities":[],"age_seconds":59})");
  output.end();
  EXPECT_EQ(out.text(),
            "    PREFIX        PEER    NEXT HOP   PREF  MED    AGE  ORIGIN  AS PATH      COMMUNITIES\n"
            "*S  10.64.2.0/26  host-b  192.0.2.2   100       1h02m  igp     65001 65002  65000:1,65000:2\n"
            "*   10.64.1.0/26  local                           59s  igp\n");
}

TEST(Columns, ShowKernelNextHops) {
  CapturedStream out;
  TableOutput output(out.get(), route_columns(control::RouteTable::kKernel), 0, "");
  output.row(R"({"prefix":"10.64.2.0/26","type":"unicast","metric":32,
                 "next_hops":[{"via":"192.0.2.2","device":"eth0"},{"via":"","device":"eth1"}]})");
  output.row(R"({"prefix":"10.64.1.0/26","type":"blackhole","metric":4096,"next_hops":[]})");
  output.end();
  EXPECT_EQ(out.text(),
            "PREFIX        TYPE       METRIC  NEXT HOPS\n"
            "10.64.2.0/26  unicast        32  192.0.2.2 dev eth0, dev eth1\n"
            "10.64.1.0/26  blackhole    4096\n");
}

TEST(Columns, FitEightyColumns) {
  CapturedStream out;
  TableOutput output(out.get(), peer_columns(), 80, "");
  output.row(R"({"name":"a-rather-long-name.example.net","address":"2001:db8:1:2::3","as":4200000001,
                 "state":"OpenConfirm","since_seconds":400000,"families":["ipv4","ipv6"],"prefixes_received":123456,
                 "prefixes_accepted":123456,"prefixes_sent":12,
                 "last_error":"hold time expired; sent NOTIFICATION 4/0"})");
  output.end();
  std::istringstream lines(out.text());
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  EXPECT_THAT(out.text(), HasSubstr("OpenConfirm"));
  EXPECT_THAT(out.text(), Not(HasSubstr("FAMILIES")));
}

TEST(Columns, StatusIsAList) {
  EXPECT_EQ(status_text(R"({"node":"a","in_sync":true,"peers_up":2})"),
            "node      a\nin_sync   yes\npeers_up  2\n");
}

}  // namespace
}  // namespace towpath::cli
