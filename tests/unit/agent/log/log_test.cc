#include "agent/log/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

namespace towpath::agent {
namespace {

TEST(LogFormat, TextQuotesWhatIsNotOneWord) {
  EXPECT_EQ(format_event(LogFormat::kText, "session is up",
                         {{"peer", "host-b"},
                          {"hold_time", 9},
                          {"passive", false},
                          {"reason", "a \"b\"\nc"},
                          {"empty", ""}}),
            R"(msg="session is up" peer=host-b hold_time=9 passive=false reason="a \"b\"\u000ac" empty="")");
}

TEST(LogFormat, JsonKeepsTypes) {
  EXPECT_EQ(format_event(LogFormat::kJson, "x", {{"peer", "host-b"}, {"hold_time", 9}, {"passive", false}}),
            R"("msg":"x","peer":"host-b","hold_time":9,"passive":false)");
}

TEST(Log, WritesOneLineForEachEventAtOrAboveItsLevel) {
  testing::internal::CaptureStderr();
  Log log({LogLevel::kInfo, LogFormat::kText});
  log.debug("hidden");
  log.info("shown", {{"k", 1}});
  log.configure({LogLevel::kWarning, LogFormat::kJson});
  log.info("hidden");
  log.warning("odd {} braces", {{"k", "v"}});
  const std::string out = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(std::regex_match(
      out,
      std::regex(
          R"re(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=info msg="shown" k=1\n)re"
          R"re(\{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","level":"warning","msg":"odd \{\} braces","k":"v"\}\n)re")))
      << out;
}

}  // namespace
}  // namespace towpath::agent
