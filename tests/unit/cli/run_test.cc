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

}  // namespace
}  // namespace towpath::cli
