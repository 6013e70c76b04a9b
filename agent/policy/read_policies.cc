#include "agent/policy/read_policies.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "agent/config/yaml_reader.h"
#include "agent/policy/read_policy.h"
#include "towpath/base/read_file.h"

namespace towpath::agent {
namespace {

constexpr std::size_t kLargestSet = 64U << 20;  // bytes of all files together

// Gathers the objects of all files, and who came first under a name.
class SetReader {
 public:
  explicit SetReader(policy::PolicySet& set) : set_(set) {}
  // `value` is one document or one item of a list. `of_list`: what the list says its items are, if it does.
  void read(const Value& value, const std::string& file) {
    if (value.node().IsNull()) return;  // what stands before "---" at the top
    Section section(value);
    if (!value.node().IsMap()) return;
    const auto kind = text_of(section, "kind");
    const auto version = text_of(section, "apiVersion");
    if (!kind || !version) return;
    if (*kind == "NetworkPolicy" && *version == "networking.k8s.io/v1") {
      const ObjectMeta meta = begin(value, section, *kind, file, true);
      set_.policies.push_back(read_network_policy(section, meta));
    } else if (*kind == "Namespace" && *version == "v1") {
      const ObjectMeta meta = begin(value, section, *kind, file, false);
      set_.namespaces[meta.name] = meta.labels;
    } else if ((*kind == "List" && *version == "v1") ||
               (*kind == "NetworkPolicyList" && *version == "networking.k8s.io/v1") ||
               (*kind == "NamespaceList" && *version == "v1")) {
      section.get("metadata");
      for (const Value& item : section.items("items")) read(item, file);
      section.finish();
    } else {
      section.get("kind")->refuse(
          fmt::format("apiVersion {} is not supported; known here: NetworkPolicy of networking.k8s.io/v1, "
                      "Namespace and List of v1",
                      *version));
    }
    value.diagnostics().set_object("");
  }

 private:
  static std::optional<std::string> text_of(Section& section, std::string_view key) {
    const auto value = section.require(key);
    return value ? value->scalar() : std::nullopt;
  }

  ObjectMeta begin(const Value& value, Section& section, const std::string& kind, const std::string& file,
                   bool has_namespace) {
    ObjectMeta meta = read_meta(section, has_namespace);
    if (meta.name.empty()) return meta;
    const std::string object =
        has_namespace ? fmt::format("{} {}/{}", kind, meta.name_space, meta.name) : kind + " " + meta.name;
    value.diagnostics().set_object(object);
    const std::string place = fmt::format("{}:{}", file, value.line());
    const auto [first, is_new] = places_.emplace(object, place);
    if (!is_new) value.refuse("given twice, first in " + first->second);
    return meta;
  }

  policy::PolicySet& set_;
  std::map<std::string, std::string> places_;
};

bool is_policy_file(const std::filesystem::directory_entry& entry) {
  const std::string name = entry.path().filename();
  std::error_code ignored;
  return !name.starts_with('.') && !entry.is_directory(ignored) &&
         (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"));
}

}  // namespace

std::expected<policy::PolicySet, PolicyErrors> parse_policies(const std::vector<PolicyFile>& files) {
  policy::PolicySet set;
  SetReader reader(set);
  PolicyErrors errors;
  for (const PolicyFile& file : files) {
    Diagnostics diagnostics(file.name);
    try {
      for (const YAML::Node& document : YAML::LoadAll(file.text))
        reader.read(Value(diagnostics, document, ""), file.name);
    } catch (const YAML::Exception& e) {
      // yaml-cpp counts lines from 0.
      errors.push_back(fmt::format("{}:{}: not valid YAML: {}", file.name, e.mark.line + 1, e.msg));
    }
    const auto lines = diagnostics.lines();
    errors.insert(errors.end(), lines.begin(), lines.end());
  }
  if (!errors.empty()) return std::unexpected(std::move(errors));
  return set;
}

std::expected<std::optional<policy::PolicySet>, PolicyErrors> load_policies(const std::string& directory) {
  std::error_code error;
  std::vector<std::string> paths;
  std::filesystem::directory_iterator at(directory, error);
  if (error == std::errc::no_such_file_or_directory) return std::nullopt;
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    if (is_policy_file(*at)) paths.push_back(at->path());
  }
  if (error) return std::unexpected(PolicyErrors{fmt::format("{}: {}", directory, error.message())});
  std::ranges::sort(paths);
  std::vector<PolicyFile> files;
  PolicyErrors errors;
  std::size_t room = kLargestSet;
  for (const std::string& path : paths) {
    auto text = read_file(path, room);
    if (!text) {
      const bool is_too_much = text.error().kind == ErrorKind::kExhausted;
      errors.push_back(
          fmt::format("{}: {}", path,
                      is_too_much ? "with it the policies are larger than 64 MiB" : text.error().message));
      continue;
    }
    if (text->empty()) {
      // What a file is before it is written anew. To take it for no policies would open what it closed.
      errors.push_back(fmt::format("{}: is empty", path));
      continue;
    }
    room -= text->size();
    files.push_back({path, *std::move(text)});
  }
  if (!errors.empty()) return std::unexpected(std::move(errors));
  auto set = parse_policies(files);
  if (!set) return std::unexpected(std::move(set).error());
  return *std::move(set);
}

}  // namespace towpath::agent
