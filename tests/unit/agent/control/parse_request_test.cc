#include "agent/control/parse_request.h"

#include <gtest/gtest.h>

namespace towpath::agent {
namespace {

using control::Code;
using control::Command;
using control::RouteTable;

TEST(ParseRequest, TakesEveryCommand) {
  for (const auto& [word, command] : control::kCommands) {
    std::string arguments = "{}";
    if (command == Command::kEndpointChanged) arguments = R"({"container":"c","ifname":"e"})";
    if (command == Command::kPolicyTest) arguments = R"({"direction":"import","peer":"b","prefix":"::/0"})";
    if (command == Command::kAdvertise) arguments = R"({"prefix":"::1/128","owner":"web","lease":10})";
    if (command == Command::kWithdraw) arguments = R"({"prefix":"::1/128"})";
    if (command == Command::kPolicySimulate) arguments = R"({"from":"::1","to":"::2"})";
    const auto request =
        parse_request(R"({"v":1,"command":")" + std::string(word) + R"(","arguments":)" + arguments + "}");
    ASSERT_TRUE(request.has_value()) << word;
    EXPECT_EQ(request->command, command);
  }
}

TEST(ParseRequest, TakesTheArgumentsOfRoutes) {
  const auto request = parse_request(
      R"({"v":1,"command":"routes","arguments":{"table":"adj-rib-in","peer":"b","prefix":"10.0.0.0/8","address":"10.1.2.3"}})");
  ASSERT_TRUE(request.has_value()) << request.error().message;
  EXPECT_EQ(request->routes.table, RouteTable::kAdjRibIn);
  EXPECT_EQ(request->routes.peer, "b");
  EXPECT_EQ(request->routes.prefix, *Prefix::parse("10.0.0.0/8"));
  EXPECT_EQ(request->routes.address, *IpAddress::parse("10.1.2.3"));
  for (const auto& [word, table] : control::kRouteTables) {
    const auto one =
        parse_request(R"({"v":1,"command":"routes","arguments":{"table":")" + std::string(word) + R"("}})");
    ASSERT_TRUE(one.has_value()) << word;
    EXPECT_EQ(one->routes.table, table);
  }
}

TEST(ParseRequest, TakesTheNamesOfAnEndpoint) {
  const auto request = parse_request(
      R"({"v":1,"command":"endpoint-changed","arguments":{"container":"8e1f","ifname":"eth0"}})");
  ASSERT_TRUE(request.has_value()) << request.error().message;
  EXPECT_EQ(request->endpoint, (control::EndpointName{"8e1f", "eth0"}));
}

TEST(ParseRequest, TakesAFlow) {
  const auto plain =
      parse_request(R"({"v":1,"command":"policy-simulate","arguments":{"from":"10.0.0.1","to":"10.0.0.2"}})");
  ASSERT_TRUE(plain.has_value()) << plain.error().message;
  EXPECT_EQ(plain->flow.protocol, control::FlowProtocol::kTcp);
  EXPECT_EQ(plain->flow.to, *IpAddress::parse("10.0.0.2"));
  const std::pair<std::string, const char*> wrong[] = {
      {R"({"from":"10.0.0.1"})", "to: is missing"},
      {R"({"from":"10.0.0.1","to":"::1"})", "to: value '::1': must be of the family of 10.0.0.1"},
      {R"({"from":"10.0.0.1","to":"10.0.0.2","port":65536})",
       "port: value '65536': must be a number from 0 to 65535"},
      {R"({"from":"10.0.0.1","to":"10.0.0.2","protocol":"gre"})",
       "protocol: value 'gre': must be one of tcp, udp, sctp, icmp, icmpv6"}};
  for (const auto& [arguments, message] : wrong) {
    const auto request =
        parse_request(R"({"v":1,"command":"policy-simulate","arguments":)" + arguments + "}");
    ASSERT_FALSE(request.has_value()) << arguments;
    EXPECT_EQ(request.error().message, message);
  }
}

TEST(ParseRequest, TakesADrain) {
  const auto plain = parse_request(R"({"v":1,"command":"drain"})");
  ASSERT_TRUE(plain.has_value()) << plain.error().message;
  EXPECT_EQ(plain->drain, (control::DrainRequest{30, ""}));
  const auto told = parse_request(R"({"v":1,"command":"drain","arguments":{"wait":0,"reason":"rack 7"}})");
  ASSERT_TRUE(told.has_value()) << told.error().message;
  EXPECT_EQ(told->drain, (control::DrainRequest{0, "rack 7"}));
  const std::pair<std::string, const char*> wrong[] = {
      {R"({"wait":3601})", "wait: value '3601': must be a number from 0 to 3600"},
      {R"({"wait":"1"})", "wait: value '1': must be a number from 0 to 3600"},
      {R"({"text":"x"})", "text: unknown argument; drain takes wait, reason"}};
  for (const auto& [arguments, message] : wrong) {
    const auto request = parse_request(R"({"v":1,"command":"drain","arguments":)" + arguments + "}");
    ASSERT_FALSE(request.has_value()) << arguments;
    EXPECT_EQ(request.error().message, message);
  }
  const std::string long_one(129, 'x');
  const auto request =
      parse_request(R"({"v":1,"command":"drain","arguments":{"reason":")" + long_one + "\"}}");
  ASSERT_FALSE(request.has_value());
  EXPECT_EQ(request.error().message,
            "reason: value '" + long_one + "': must have at most 128 octets (RFC 8203)");
}

TEST(ParseRequest, TakesALease) {
  const auto renewed = parse_request(
      R"({"v":1,"command":"advertise","arguments":{"prefix":"192.0.2.80/32","owner":"web","lease":10}})");
  ASSERT_TRUE(renewed.has_value()) << renewed.error().message;
  EXPECT_EQ(renewed->lease, (control::LeaseRequest{*Prefix::parse("192.0.2.80/32"), "web", 10}));
  const auto ended = parse_request(
      R"({"v":1,"command":"withdraw","arguments":{"prefix":"2001:db8::80/128","owner":"web"}})");
  ASSERT_TRUE(ended.has_value()) << ended.error().message;
  EXPECT_EQ(ended->lease, (control::LeaseRequest{*Prefix::parse("2001:db8::80/128"), "web", 0}));
  const std::pair<const char*, const char*> wrong[] = {
      {R"("advertise","arguments":{"owner":"web","lease":10})", "prefix: is missing"},
      {R"("advertise","arguments":{"prefix":"::1/128","lease":10})", "owner: is missing"},
      {R"("advertise","arguments":{"prefix":"::1/128","owner":"web"})", "lease: is missing"},
      {R"("advertise","arguments":{"prefix":"::1/128","owner":"web","lease":"10"})",
       "lease: value '10': must be a number from 0 to 4294967295"},
      {R"("withdraw","arguments":{"prefix":"::1/128","lease":10})",
       "lease: unknown argument; withdraw takes prefix, owner"},
      {R"("advertised","arguments":{"owner":"web"})", "owner: unknown argument; advertised takes none"}};
  for (const auto& [rest, message] : wrong) {
    const auto request = parse_request(std::string(R"({"v":1,"command":)") + rest + "}");
    ASSERT_FALSE(request.has_value()) << rest;
    EXPECT_EQ(request.error().code, Code::kBadArgument);
    EXPECT_EQ(request.error().message, message);
  }
}

TEST(ParseRequest, TakesARouteToTry) {
  const auto request = parse_request(
      R"({"v":1,"command":"policy-test","arguments":{"direction":"import","peer":"b","prefix":"10.0.0.0/8",)"
      R"("origin":"egp","as_path":"65001 {7 8}","next_hop":"192.0.2.7","med":0,"local_pref":4294967295,)"
      R"("communities":["65001:7","rt:1:2"]}})");
  ASSERT_TRUE(request.has_value()) << request.error().message;
  const control::PolicyTest wanted{.direction = control::Direction::kImport,
                                   .peer = "b",
                                   .prefix = *Prefix::parse("10.0.0.0/8"),
                                   .origin = "egp",
                                   .as_path = "65001 {7 8}",
                                   .next_hop = *IpAddress::parse("192.0.2.7"),
                                   .med = 0,
                                   .local_pref = 4294967295,
                                   .communities = {"65001:7", "rt:1:2"}};
  EXPECT_EQ(request->policy_test, wanted);
}

TEST(ParseRequest, RefusesARouteToTryThatIsNone) {
  struct Row {
    const char* arguments;
    const char* message;
  };
  for (const Row& row : {
           Row{R"({"peer":"b","prefix":"::/0"})", "direction: is missing"},
           Row{R"({"direction":"in","peer":"b","prefix":"::/0"})",
               "direction: value 'in': must be one of import, export"},
           Row{R"({"direction":"import","peer":"","prefix":"::/0"})", "peer: value '': must not be empty"},
           Row{R"({"direction":"import","peer":"b"})", "prefix: is missing"},
           Row{R"({"direction":"import","peer":"b","prefix":"::/0","med":-1})",
               "med: value '-1': must be a number from 0 to 4294967295"},
           Row{R"({"direction":"import","peer":"b","prefix":"::/0","med":4294967296})",
               "med: value '4294967296': must be a number from 0 to 4294967295"},
           Row{R"({"direction":"import","peer":"b","prefix":"::/0","communities":[7]})",
               "communities: value '[7]': must be a list of strings"},
           Row{R"({"direction":"export","peer":"b","prefix":"::/0","med":1})",
               "med: unknown argument; policy-test takes direction, peer, prefix"},
       }) {
    const auto request =
        parse_request(std::string(R"({"v":1,"command":"policy-test","arguments":)") + row.arguments + "}");
    ASSERT_FALSE(request.has_value()) << row.arguments;
    EXPECT_EQ(request.error().code, Code::kBadArgument);
    EXPECT_EQ(request.error().message, row.message);
  }
}

TEST(ParseRequest, RefusesWithCodeAndReason) {
  struct Row {
    const char* line;
    Code code;
    const char* message;
  };
  const Row rows[] = {
      {"", Code::kMalformed, "the request is not valid JSON"},
      {"{", Code::kMalformed, "the request is not valid JSON"},
      {"{} x", Code::kMalformed, "the request is not valid JSON"},
      {"\xFF", Code::kMalformed, "the request is not valid JSON"},
      {"[]", Code::kMalformed, "the request is not a JSON object"},
      {"{}", Code::kMalformed, "v: the protocol version, a number, is missing"},
      {R"({"v":"1"})", Code::kMalformed, "v: the protocol version, a number, is missing"},
      {R"({"v":2,"new":true})", Code::kWrongVersion, "v: value '2': this agent speaks version 1"},
      {R"({"v":1})", Code::kMalformed, "command: a string, is missing"},
      {R"({"v":1,"command":7})", Code::kMalformed, "command: a string, is missing"},
      {R"({"v":1,"command":"peers","args":{}})", Code::kMalformed,
       "args: unknown key; known are v, command, arguments"},
      {R"({"v":1,"command":"reboot"})", Code::kUnknownCommand,
       "command: value 'reboot': must be one of version, status, peers, bfd, routes, endpoint-changed, "
       "policy-test, advertise, withdraw, advertised, drain, "
       "undrain, policies, policy-simulate"},
      {R"({"v":1,"command":"peers","arguments":[]})", Code::kMalformed, "arguments: must be an object"},
      {R"({"v":1,"command":"peers","arguments":{"x":1}})", Code::kBadArgument,
       "x: unknown argument; peers takes none"},
      {R"({"v":1,"command":"routes","arguments":{"tables":"x"}})", Code::kBadArgument,
       "tables: unknown argument; routes takes table, peer, prefix, address, format"},
      {R"({"v":1,"command":"routes","arguments":{"format":"xml"}})", Code::kBadArgument,
       "format: value 'xml': must be rows or mrt"},
      {R"({"v":1,"command":"routes","arguments":{"table":"kernel","format":"mrt"}})", Code::kBadArgument,
       "format: value 'mrt': only for loc-rib and adj-rib-in, not for kernel"},
      {R"({"v":1,"command":"routes","arguments":{"table":"fib"}})", Code::kBadArgument,
       "table: value 'fib': must be one of loc-rib, adj-rib-in, adj-rib-out, kernel, diff"},
      {R"({"v":1,"command":"routes","arguments":{"table":1}})", Code::kBadArgument,
       "table: value '1': must be a string"},
      {R"({"v":1,"command":"routes","arguments":{"prefix":"10.0.0.1/8"}})", Code::kBadArgument,
       "prefix: value '10.0.0.1/8': '10.0.0.1/8' has bits set beyond its length; the network is 10.0.0.0/8"},
      {R"({"v":1,"command":"routes","arguments":{"address":"x"}})", Code::kBadArgument,
       "address: value 'x': 'x' is not an IP address"},
      {R"({"v":1,"command":"routes","arguments":{"table":"kernel","peer":"b"}})", Code::kBadArgument,
       "peer: value 'b': kernel routes do not belong to a peer"},
      {R"({"v":1,"command":"endpoint-changed"})", Code::kBadArgument, "container: a name, is missing"},
      {R"({"v":1,"command":"endpoint-changed","arguments":{"container":"c"}})", Code::kBadArgument,
       "ifname: a name, is missing"},
      {R"({"v":1,"command":"endpoint-changed","arguments":{"container":"","ifname":"e"}})",
       Code::kBadArgument, "container: a name, is missing"},
      {R"({"v":1,"command":"endpoint-changed","arguments":{"container":7,"ifname":"e"}})", Code::kBadArgument,
       "container: value '7': must be a string"},
      {R"({"v":1,"command":"endpoint-changed","arguments":{"container":"c","ifname":"e","netns":"x"}})",
       Code::kBadArgument, "netns: unknown argument; endpoint-changed takes container, ifname"},
  };
  for (const Row& row : rows) {
    const auto request = parse_request(row.line);
    ASSERT_FALSE(request.has_value()) << row.line;
    EXPECT_EQ(static_cast<int>(request.error().code), static_cast<int>(row.code)) << row.line;
    EXPECT_EQ(request.error().message, row.message) << row.line;
  }
}

TEST(RouteQuery, MatchesWhatLiesInsideThePrefixAndAroundTheAddress) {
  control::RouteQuery inside{.prefix = *Prefix::parse("10.64.0.0/16")};
  EXPECT_TRUE(inside.matches(*Prefix::parse("10.64.0.0/16")));
  EXPECT_TRUE(inside.matches(*Prefix::parse("10.64.1.0/26")));
  EXPECT_FALSE(inside.matches(*Prefix::parse("10.0.0.0/8")));
  EXPECT_FALSE(inside.matches(*Prefix::parse("fd00::/64")));
  control::RouteQuery around{.address = *IpAddress::parse("10.64.1.5")};
  EXPECT_TRUE(around.matches(*Prefix::parse("10.64.1.0/26")));
  EXPECT_TRUE(around.matches(*Prefix::parse("0.0.0.0/0")));
  EXPECT_FALSE(around.matches(*Prefix::parse("::/0")));
  EXPECT_FALSE(around.matches(*Prefix::parse("10.64.2.0/26")));
}

}  // namespace
}  // namespace towpath::agent
