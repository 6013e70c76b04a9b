#include "cli/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "cli/exit_code.h"
#include "tests/unit/cli/captured_stream.h"
#include "tests/unit/cli/scripted_agent.h"

namespace towpath::cli {
namespace {

using ::testing::HasSubstr;

struct Outcome {
  int code;
  std::string out;
  std::string err;
};

Options ask(Action action, const std::string& socket, Format format = Format::kJson) {
  Options options;
  options.action = action;
  options.socket = socket;
  options.format = format;
  return options;
}

Outcome run_with(const Options& options) {
  CapturedStream out;
  CapturedStream err;
  const int code = run(options, out.get(), err.get());
  return {code, out.text(), err.text()};
}

std::string many_rows(int count) {
  std::string reply;
  for (int i = 0; i < count; ++i) reply += "{\"code\":100,\"row\":{\"prefix\":\"10.0.0.0/8\"}}\n";
  return reply;
}

TEST(Run, JsonIsOneArray) {
  ScriptedAgent agent(
      "{\"code\":100,\"row\":{\"name\":\"b\"}}\n{\"code\":100,\"row\":{\"name\":\"c\"}}\n{\"code\":200,"
      "\"rows\":2}\n");
  const Outcome outcome = run_with(ask(Action::kPeers, agent.path()));
  EXPECT_EQ(outcome.code, kExitOk);
  EXPECT_EQ(outcome.out, "[\n{\"name\":\"b\"},\n{\"name\":\"c\"}\n]\n");
  EXPECT_EQ(nlohmann::json::parse(outcome.out).size(), 2U);
}

TEST(Run, MrtIsTheBytesOfTheRows) {
  ScriptedAgent agent(
      "{\"code\":100,\"row\":{\"mrt\":\"000dff\"}}\n{\"code\":100,\"row\":{\"mrt\":\"0a\"}}\n{\"code\":200,"
      "\"rows\":2}\n");
  const Outcome outcome = run_with(ask(Action::kRoutes, agent.path(), Format::kMrt));
  EXPECT_EQ(outcome.code, kExitOk);
  EXPECT_EQ(outcome.out, std::string("\x00\x0d\xff\x0a", 4));
}

TEST(Run, NoRowsAreAnEmptyArray) {
  ScriptedAgent agent("{\"code\":200,\"rows\":0}\n");
  EXPECT_EQ(run_with(ask(Action::kRoutes, agent.path())).out, "[]\n");
}

TEST(Run, HalfADumpIsNoValidJsonAndAnError) {
  ScriptedAgent agent(
      "{\"code\":100,\"row\":{\"name\":\"b\"}}\n{\"code\":500,\"message\":\"out of breath\"}\n");
  const Outcome outcome = run_with(ask(Action::kPeers, agent.path()));
  EXPECT_EQ(outcome.code, kExitError);
  EXPECT_EQ(outcome.err, "towpathctl: the agent refused (500): out of breath\n");
  EXPECT_TRUE(nlohmann::json::parse(outcome.out, nullptr, false).is_discarded());
}

TEST(Run, AnAgentThatIsDownHasItsOwnExitCode) {
  const Outcome outcome = run_with(ask(Action::kPeers, "/nonexistent/s", Format::kTable));
  EXPECT_EQ(outcome.code, kExitNoAgent);
  EXPECT_THAT(outcome.err, HasSubstr("is towpathd running?"));
  EXPECT_EQ(outcome.out, "");
}

TEST(Run, VersionSaysItsOwnAlsoWithoutAnAgent) {
  const Outcome outcome = run_with(ask(Action::kVersion, "/nonexistent/s"));
  EXPECT_EQ(outcome.code, kExitNoAgent);
  EXPECT_EQ(nlohmann::json::parse(outcome.out).at(0).at("program"), "towpathctl");
}

TEST(Run, AReaderThatLeavesEndsItQuietly) {
  for (const Format format : {Format::kTable, Format::kJson}) {
    ScriptedAgent agent(many_rows(100000));
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    ::close(ends[0]);
    const auto before = std::signal(SIGPIPE, SIG_IGN);
    std::FILE* gone = ::fdopen(ends[1], "w");
    CapturedStream err;
    EXPECT_EQ(run(ask(Action::kRoutes, agent.path(), format), gone, err.get()), kExitOk);
    EXPECT_EQ(err.text(), "");
    std::fclose(gone);
    std::signal(SIGPIPE, before);
  }
}

TEST(Run, AFullDiskIsAnError) {
  ScriptedAgent agent(many_rows(1000) + "{\"code\":200,\"rows\":1000}\n");
  std::FILE* full = std::fopen("/dev/full", "w");
  CapturedStream err;
  EXPECT_EQ(run(ask(Action::kRoutes, agent.path()), full, err.get()), kExitError);
  EXPECT_EQ(err.text(), "towpathctl: write: No space left on device\n");
  std::fclose(full);
}

TEST(Run, ARouteThatWasTriedIsToldInLines) {
  const std::string row =
      R"({"direction":"import","peer":"tor-a","session":false,"prefix":"10.1.0.0/16","outcome":"accept",)"
      R"("rule":"pools","reason":"","rules":[{"rule":"import[0]","matched":false,"mismatch":"as_path.contains"},)"
      R"({"rule":"pools","matched":true,"does":"accept"}],"route":{"next_hop":"192.0.2.2","origin":"igp",)"
      R"("as_path":"65001","communities":[]},"result":{"next_hop":"192.0.2.2","origin":"igp","as_path":"65001",)"
      R"("local_pref":200,"med":0,"communities":["65001:7","no-export"]}})";
  const std::string reply = "{\"code\":100,\"row\":" + row + "}\n{\"code\":200,\"rows\":1}\n";
  ScriptedAgent agent(reply);
  const Outcome outcome = run_with(ask(Action::kPolicyTest, agent.path(), Format::kTable));
  EXPECT_EQ(outcome.code, kExitOk);
  EXPECT_EQ(outcome.out,
            "prefix    10.1.0.0/16\n"
            "from      tor-a, without a session: by the configuration alone\n"
            "route     next hop 192.0.2.2, origin igp, AS path 65001\n"
            "rule      import[0]  does not fit: as_path.contains\n"
            "rule      pools  fits: accept\n"
            "outcome   accept by rule pools\n"
            "result    next hop 192.0.2.2, origin igp, AS path 65001, local preference 200, MED 0, "
            "communities 65001:7 "
            "no-export\n");
  ScriptedAgent same(reply);
  EXPECT_EQ(run_with(ask(Action::kPolicyTest, same.path())).out, "[\n" + row + "\n]\n");
}

TEST(Run, ARefusedExportSaysWhyAndSteersNoTerminal) {
  ScriptedAgent agent(
      R"({"code":100,"row":{"direction":"export","peer":"b","session":true,"prefix":"::/0","outcome":"reject",)"
      R"("rule":"","reason":"the best path\u001b came from this peer","rules":[],"source":"b"}})"
      "\n{\"code\":200,\"rows\":1}\n");
  EXPECT_EQ(run_with(ask(Action::kPolicyTest, agent.path(), Format::kTable)).out,
            "prefix    ::/0\n"
            "to        b\n"
            "source    b\n"
            "outcome   reject: the best path? came from this peer\n");
}

TEST(Run, ADrainEndsWhenTheHostIsDrainedOrPutBack) {
  ScriptedAgent done(
      R"({"code":100,"row":{"drain":"drained","drain_reason":"rack 7","drain_seconds_left":0}})"
      "\n{\"code\":200,\"rows\":1}\n");
  const Outcome outcome = run_with(ask(Action::kDrain, done.path()));
  EXPECT_EQ(outcome.code, kExitOk);
  EXPECT_EQ(outcome.out, "[\n{\"drain\":\"drained\",\"drain_reason\":\"rack 7\"}\n]\n");
  ScriptedAgent back(R"({"code":100,"row":{"drain":"no","drain_reason":"","drain_seconds_left":0}})"
                     "\n{\"code\":200,\"rows\":1}\n");
  const Outcome given_up = run_with(ask(Action::kDrain, back.path()));
  EXPECT_EQ(given_up.code, kExitError);
  EXPECT_THAT(given_up.err, HasSubstr("somebody has put the host back"));
}

TEST(Run, PrefixesBesideTheBlocksAreATable) {
  ScriptedAgent agent(
      R"({"code":100,"row":{"prefix":"192.0.2.80/32","family":"ipv4","source":"lease","announced":true,"owner":"web",)"
      R"("lease_seconds":10,"ends_in_seconds":7,"since_seconds":61,"health":"unchecked","problem":""}})"
      "\n{\"code\":200,\"rows\":1}\n");
  EXPECT_EQ(run_with(ask(Action::kAdvertised, agent.path(), Format::kTable)).out,
            "PREFIX         ANNOUNCED  SOURCE  OWNER  ENDS IN  SINCE  HEALTH     PROBLEM\n"
            "192.0.2.80/32  yes        lease   web         7s  1m01s  unchecked\n");
  ScriptedAgent none("{\"code\":200,\"rows\":0}\n");
  EXPECT_EQ(run_with(ask(Action::kAdvertised, none.path(), Format::kTable)).out,
            "This host announces nothing beside its blocks.\n");
}

}  // namespace
}  // namespace towpath::cli
