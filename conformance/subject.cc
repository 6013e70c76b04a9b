#include "conformance/subject.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>

#include "conformance/kernel_view.h"

namespace towpath::conformance {

using nlohmann::json;

int compare_versions(std::string_view a, std::string_view b) {
  const auto place = [](std::string_view v) { return std::ranges::find(kVersions, v) - kVersions.begin(); };
  return static_cast<int>(place(a) - place(b));
}

bool is_known_version(std::string_view version) {
  return std::ranges::find(kVersions, version) != kVersions.end();
}

Result<Network> parse_network(std::string_view text) {
  const json document = json::parse(text, nullptr, false);
  if (!document.is_object()) return fail(ErrorKind::kInvalid, "the configuration is not a JSON object");
  Network network;
  network.name = text_at(document, "name");
  if (network.name.empty()) return fail(ErrorKind::kInvalid, "the configuration has no 'name'");
  if (document.contains("plugins")) {
    for (const auto& plugin : list_at(document, "plugins")) network.plugins.push_back(plugin);
  } else {
    network.plugins.push_back(document);
  }
  if (network.plugins.empty()) return fail(ErrorKind::kInvalid, "'plugins' is not a list with a plugin");
  for (const auto& plugin : network.plugins) {
    if (text_at(plugin, "type").empty()) return fail(ErrorKind::kInvalid, "a plugin has no 'type'");
  }
  return network;
}

bool Subject::is_held_below(std::string_view some_version) const {
  return !newest.empty() && compare_versions(some_version, newest) > 0;
}

bool Subject::speaks(std::string_view some_version) const {
  if (is_held_below(some_version)) return false;
  return std::ranges::find(versions, some_version) != versions.end();
}

Result<std::string> Subject::find(std::string_view type) const {
  for (const auto& directory : directories) {
    std::string path = fmt::format("{}/{}", directory, type);
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return fail(ErrorKind::kNotFound, fmt::format("no plugin '{}' in {}", type, fmt::join(directories, ", ")));
}

std::string Subject::executable_name(const json& plugin) const {
  return kind == kIpam ? text_at(object_at(plugin, "ipam"), "type") : text_at(plugin, "type");
}

}  // namespace towpath::conformance
