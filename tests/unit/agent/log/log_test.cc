#include "agent/log/log.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

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
  // POSIX: std::regex trips g++ 12's warnings when the sanitizers are on.
  constexpr const char* kTime = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z";
  EXPECT_THAT(
      out, testing::MatchesRegex(fmt::format(
               "{0} level=info msg=\"shown\" k=1\n"
               "[{{]\"time\":\"{0}\",\"level\":\"warning\",\"msg\":\"odd [{{][}}] braces\",\"k\":\"v\"[}}]\n",
               kTime)));
}

}  // namespace
}  // namespace towpath::agent
