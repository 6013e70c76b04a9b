// Calls a whole plugin inside the test's process: environment and streams in, exit code and document out.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "plugins/common/run_plugin.h"

namespace towpath::test {

struct PluginAnswer {
  int exit_code = 0;
  std::string text;    // standard output
  cni::Json document;  // the same, parsed; null if there was none
  std::string error_text;

  bool ok() const { return exit_code == 0; }
  unsigned code() const {
    return document.is_object() && document.contains("code") ? document["code"].get<unsigned>() : 0;
  }
  std::string message() const {
    return document.is_object() && document.contains("msg") ? document["msg"].get<std::string>() : "";
  }
};

// What every answer must be, whatever was asked: one JSON document or none, and an exit code that fits it.
inline PluginAnswer call_plugin(const cni::PluginHandlers& handlers,
                                const std::map<std::string, std::string>& environment,
                                const std::string& input, const cni::LookAtNetns& look = cni::look_at_netns) {
  cni::PluginCall call;
  call.environment = [&](const char* name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    if (found == environment.end()) return std::nullopt;
    return found->second;
  };
  call.read_stdin = [&]() -> Result<std::string> { return input; };
  call.look_at_netns = look;
  const cni::PluginOutcome outcome = cni::run_plugin(call, handlers);
  PluginAnswer answer{outcome.exit_code, outcome.standard_output, nullptr, outcome.standard_error};
  if (!outcome.standard_output.empty()) {
    answer.document = cni::Json::parse(outcome.standard_output, nullptr, false);
    EXPECT_TRUE(answer.document.is_object()) << outcome.standard_output;
    EXPECT_EQ(answer.document.contains("code"), outcome.exit_code != 0) << outcome.standard_output;
    EXPECT_TRUE(answer.document.contains("cniVersion")) << outcome.standard_output;
  } else {
    EXPECT_EQ(outcome.exit_code, 0) << "a failure without a document";
  }
  return answer;
}

}  // namespace towpath::test
