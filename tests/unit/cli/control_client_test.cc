#include "cli/control_client.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/unit/cli/scripted_agent.h"

namespace towpath::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Answer {
  Status status;
  std::vector<std::string> rows;
};

Answer ask(const std::string& path, const control::Request& request = {}) {
  Answer answer;
  auto client = ControlClient::connect(path);
  if (!client) {
    answer.status = std::unexpected(client.error());
    return answer;
  }
  answer.status = client->ask(request, [&](std::string_view row) {
    answer.rows.emplace_back(row);
    return true;
  });
  return answer;
}

TEST(ControlClient, HandsOverTheRowsAsTheyCame) {
  ScriptedAgent agent(
      "{\"code\":100,\"row\":{\"a\":1}}\n{ \"row\": {\"b\":[2]}, \"code\": 100 "
      "}\n{\"code\":200,\"rows\":2}\n");
  const Answer answer = ask(agent.path());
  EXPECT_TRUE(answer.status.has_value());
  EXPECT_THAT(answer.rows, ElementsAre(R"({"a":1})", R"({"b":[2]})"));
}

TEST(ControlClient, AsksInTheProtocolsWords) {
  EXPECT_EQ(format_request({control::Command::kPeers, {}}), "{\"command\":\"peers\",\"v\":1}\n");
  const control::RouteQuery query{.table = control::RouteTable::kAdjRibIn,
                                  .peer = "b",
                                  .prefix = *Prefix::parse("10.0.0.0/8"),
                                  .address = *IpAddress::parse("10.1.2.3")};
  EXPECT_EQ(format_request({control::Command::kRoutes, query}),
            "{\"arguments\":{\"address\":\"10.1.2.3\",\"peer\":\"b\",\"prefix\":\"10.0.0.0/8\","
            "\"table\":\"adj-rib-in\"},\"command\":\"routes\",\"v\":1}\n");
}

TEST(ControlClient, SaysWhyThereIsNoAgent) {
  const Answer missing = ask("/nonexistent/socket");
  EXPECT_EQ(missing.status.error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(
      missing.status.error().message,
      "agent not reachable at /nonexistent/socket: is towpathd running? 'systemctl status towpathd' tells; "
      "--socket names another path");
  const Answer long_path = ask("/" + std::string(200, 'x'));
  EXPECT_THAT(long_path.status.error().message, HasSubstr("a socket path has at most 107 characters"));
}

TEST(ControlClient, TellsRefusalsAndBrokenRepliesApart) {
  struct Row {
    const char* reply;
    ErrorKind kind;
    const char* message;
  };
  const Row rows[] = {
      {"{\"code\":404,\"message\":\"peer: value 'x': no such peer\"}\n", ErrorKind::kInvalid,
       "the agent refused (404): peer: value 'x': no such peer"},
      {"{\"code\":500}\n", ErrorKind::kInvalid, "the agent refused (500): no reason given"},
      {"{\"code\":100,\"row\":{}}\n", ErrorKind::kUnavailable, "closed the connection in mid-reply"},
      {"", ErrorKind::kUnavailable, "closed the connection in mid-reply"},
      {"HTTP/1.1 400 Bad Request\n", ErrorKind::kCorrupt, "is no towpathd"},
      {"[1]\n", ErrorKind::kCorrupt, "is no towpathd"},
      {"{\"code\":\"x\"}\n", ErrorKind::kCorrupt, "is no towpathd"},
  };
  for (const Row& row : rows) {
    ScriptedAgent agent(row.reply);
    const Answer answer = ask(agent.path());
    ASSERT_FALSE(answer.status.has_value()) << row.reply;
    EXPECT_EQ(answer.status.error().kind, row.kind) << row.reply;
    EXPECT_THAT(answer.status.error().message, HasSubstr(row.message));
  }
}

// One that hangs, or is stopped.
TEST(ControlClient, DoesNotWaitForEver) {
  for (const char* reply : {"", "{\"code\":100,\"row\":{}}\n{\"co"}) {
    ScriptedAgent agent(reply, ScriptedAgent::Then::kStay);
    auto client = ControlClient::connect(agent.path(), std::chrono::milliseconds(50));
    ASSERT_TRUE(client.has_value());
    const Status status = client->ask({}, [](std::string_view) { return true; });
    ASSERT_FALSE(status.has_value()) << reply;
    EXPECT_EQ(status.error().kind, ErrorKind::kUnavailable);
    EXPECT_EQ(status.error().message,
              "the agent at " + agent.path() + " did not answer for 0.05 s: it hangs, or is stopped");
  }
}

TEST(ControlClient, DoesNotWaitForEverToBeTaken) {
  char name[] = "/tmp/towpath-cli-XXXXXX";
  const std::string path = std::string(::mkdtemp(name)) + "/s";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 0), 0);
  const auto first = ControlClient::connect(path, std::chrono::milliseconds(50));
  EXPECT_TRUE(first.has_value()) << "the queue holds one";
  const auto second = ControlClient::connect(path, std::chrono::milliseconds(50));
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(second.error().message,
            "agent not reachable at " + path +
                ": it takes no connection; a towpathd that hangs or is stopped does so");
  ::unlink(path.c_str());
  ::rmdir(name);
}

TEST(ControlClient, ShowsWhatIsNoReply) {
  ScriptedAgent agent("hello\x01" + std::string(100, 'y'));
  EXPECT_THAT(ask(agent.path()).status.error().message,
              HasSubstr(R"(is no towpathd; it says "hello\u0001yyy)"));
}

TEST(ControlClient, StopsWhenTheReaderHasSeenEnough) {
  std::string reply;
  for (int i = 0; i < 100000; ++i) reply += fmt::format("{{\"code\":100,\"row\":{{\"n\":{}}}}}\n", i);
  ScriptedAgent agent(reply);
  auto client = ControlClient::connect(agent.path());
  ASSERT_TRUE(client.has_value());
  int seen = 0;
  EXPECT_TRUE(client->ask({}, [&](std::string_view) { return ++seen < 3; }).has_value());
  EXPECT_EQ(seen, 3);
}

TEST(FormatRequest, Drain) {
  control::Request request{.command = control::Command::kDrain};
  EXPECT_EQ(format_request(request), R"({"arguments":{"wait":30},"command":"drain","v":1})"
                                     "\n");
  request.drain = {0, "rack 7"};
  EXPECT_EQ(format_request(request), R"({"arguments":{"reason":"rack 7","wait":0},"command":"drain","v":1})"
                                     "\n");
}

TEST(FormatRequest, Leases) {
  control::Request request{.command = control::Command::kAdvertise};
  request.lease = {*Prefix::parse("192.0.2.80/32"), "web", 10};
  EXPECT_EQ(format_request(request),
            R"({"arguments":{"lease":10,"owner":"web","prefix":"192.0.2.80/32"},"command":"advertise","v":1})"
            "\n");
  request = {.command = control::Command::kWithdraw};
  request.lease.prefix = *Prefix::parse("2001:db8::80/128");
  EXPECT_EQ(format_request(request),
            R"({"arguments":{"prefix":"2001:db8::80/128"},"command":"withdraw","v":1})"
            "\n");
}

TEST(FormatRequest, ARouteToTry) {
  control::Request request{.command = control::Command::kPolicyTest};
  request.policy_test = {
      .direction = control::Direction::kExport, .peer = "b", .prefix = *Prefix::parse("::/0")};
  EXPECT_EQ(format_request(request),
            R"({"arguments":{"direction":"export","peer":"b","prefix":"::/0"},"command":"policy-test","v":1})"
            "\n");
  request.policy_test = {.direction = control::Direction::kImport,
                         .peer = "b",
                         .prefix = *Prefix::parse("10.0.0.0/8"),
                         .origin = "igp",
                         .as_path = "65001",
                         .next_hop = *IpAddress::parse("192.0.2.7"),
                         .med = 1,
                         .local_pref = 2,
                         .communities = {"65001:7"}};
  EXPECT_EQ(
      format_request(request),
      R"({"arguments":{"as_path":"65001","communities":["65001:7"],"direction":"import","local_pref":2,)"
      R"("med":1,"next_hop":"192.0.2.7","origin":"igp","peer":"b","prefix":"10.0.0.0/8"},)"
      R"("command":"policy-test","v":1})"
      "\n");
}

}  // namespace
}  // namespace towpath::cli
