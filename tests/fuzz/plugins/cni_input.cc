// What a runtime hands to a plugin: lines of NAME=VALUE for the environment, an empty line, the network
// configuration. Whatever it is, the answer is one document and a fitting exit code, and a result that was
// read can be written and read again.
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "plugins/common/run_plugin.h"
#include "plugins/towpath/network_config.h"

namespace {

using namespace towpath::cni;

void require(bool condition) {
  if (!condition) std::abort();
}

CniStatus look_at(const CniRequest& request) {
  TOWPATH_TRY_STATUS(NetworkConfig::parse(request));
  if (!request.prev_result) return {};
  for (const CniVersion& version : kSupportedVersions) {
    const Json once = request.prev_result->to_json(version);
    const auto again = CniResult::parse(once, "prevResult");
    require(again && again->to_json(version) == once);
  }
  return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::map<std::string, std::string> variables;
  while (!text.empty() && text[0] != '\n') {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t equals = line.find('=');
    if (equals != std::string_view::npos)
      variables[std::string(line.substr(0, equals))] = line.substr(equals + 1);
  }
  if (!text.empty()) text.remove_prefix(1);

  PluginCall call;
  call.environment = [&](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
  call.read_stdin = [&]() -> towpath::Result<std::string> { return std::string(text); };
  call.look_at_netns = [](const std::string& path) {
    return NetnsFacts{!path.empty(), path.size() > 1, path == "/own", path.size()};
  };
  const PluginHandlers handlers{"fuzz",
                                [](const CniRequest& request) -> CniExpected<CniResult> {
                                  TOWPATH_TRY_STATUS(look_at(request));
                                  return request.prev_result.value_or(CniResult{});
                                },
                                look_at,
                                look_at,
                                look_at,
                                look_at};
  const PluginOutcome outcome = run_plugin(call, handlers);
  if (outcome.standard_output.empty()) {
    require(outcome.exit_code == 0);
  } else {
    const Json document = Json::parse(outcome.standard_output, nullptr, false);
    require(document.is_object() && document.contains("cniVersion"));
    require(document.contains("code") == (outcome.exit_code != 0));
  }
  return 0;
}
