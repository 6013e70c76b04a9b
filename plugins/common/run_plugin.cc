#include "plugins/common/run_plugin.h"

#include <fmt/format.h>

#include "plugins/common/crash_guard.h"

namespace towpath::cni {
namespace {

std::string to_text(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

PluginOutcome failure(const CniError& error, CniVersion version) {
  Json document = {{"cniVersion", version.to_string()},
                   {"code", static_cast<unsigned>(error.code)},
                   {"msg", error.message}};
  if (!error.details.empty()) document["details"] = error.details;
  return {1, to_text(document), ""};
}

PluginOutcome about(const PluginHandlers& handlers) {
  return {0, "",
          fmt::format(
              "{}\nCNI versions: {}\nA runtime starts this program with CNI_COMMAND in its environment.\n",
              handlers.about, supported_versions_text())};
}

// The environment is not looked at: runtimes ask for the versions with made-up values in it.
PluginOutcome version(const std::string& config_text) {
  const Json config = Json::parse(config_text, nullptr, false);
  Json document = {{"cniVersion", kNewestVersion.to_string()}, {"supportedVersions", Json::array()}};
  if (config.is_object() && config.contains("cniVersion") && config["cniVersion"].is_string()) {
    document["cniVersion"] = config["cniVersion"];
  }
  for (const CniVersion& supported : kSupportedVersions)
    document["supportedVersions"].push_back(supported.to_string());
  return {0, to_text(document), ""};
}

CniExpected<std::string> run_verb(const CniRequest& request, const PluginHandlers& handlers) {
  const auto silent =
      [&](const std::function<CniStatus(const CniRequest&)>& verb) -> CniExpected<std::string> {
    TOWPATH_TRY_STATUS(verb(request));
    return std::string();
  };
  switch (request.command) {
    case CniCommand::kAdd: {
      TOWPATH_TRY(const CniResult result, handlers.add(request));
      return to_text(result.to_json(request.version));
    }
    case CniCommand::kDel: return silent(handlers.del);
    case CniCommand::kCheck: return silent(handlers.check);
    case CniCommand::kGc: return silent(handlers.gc);
    case CniCommand::kStatus: return silent(handlers.status);
    case CniCommand::kVersion: break;  // answered before a request is made
  }
  return std::string();
}

}  // namespace

PluginOutcome run_plugin(const PluginCall& call, const PluginHandlers& handlers) {
  const auto command_text = call.environment("CNI_COMMAND");
  if (!command_text || command_text->empty()) return about(handlers);
  CniVersion version_of_errors = kNewestVersion;
  const auto command = parse_command(*command_text);
  if (!command) {
    return failure({CniCode::kInvalidEnvironment,
                    fmt::format("CNI_COMMAND: '{}' is none of ADD, DEL, CHECK, GC, STATUS, VERSION",
                                show(Json(*command_text))),
                    ""},
                   version_of_errors);
  }
  auto config_text = call.read_stdin();
  if (!config_text) {
    if (command == CniCommand::kVersion) return version("");
    return failure(to_cni_error(std::move(config_text).error()), version_of_errors);
  }
  if (command == CniCommand::kVersion) return version(*config_text);
  const auto request = parse_request(*command, call.environment, *std::move(config_text), call.look_at_netns,
                                     version_of_errors);
  if (!request) return failure(request.error(), version_of_errors);
  answer_crashes_in(request->version);
  auto output = run_verb(*request, handlers);
  if (!output) return failure(output.error(), request->version);
  return {0, *std::move(output), ""};
}

}  // namespace towpath::cni
