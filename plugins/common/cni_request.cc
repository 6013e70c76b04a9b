#include "plugins/common/cni_request.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>

#include "towpath/base/unique_fd.h"

namespace towpath::cni {
namespace {

struct CommandName {
  CniCommand command;
  std::string_view name;
};
constexpr std::array kCommands{
    CommandName{CniCommand::kAdd, "ADD"},       CommandName{CniCommand::kDel, "DEL"},
    CommandName{CniCommand::kCheck, "CHECK"},   CommandName{CniCommand::kGc, "GC"},
    CommandName{CniCommand::kStatus, "STATUS"}, CommandName{CniCommand::kVersion, "VERSION"},
};

bool is_attachment_command(CniCommand command) {
  return command == CniCommand::kAdd || command == CniCommand::kDel || command == CniCommand::kCheck;
}
bool needs_netns(CniCommand command) {
  return command == CniCommand::kAdd || command == CniCommand::kCheck;
}

// JSON carries nothing else, so anything else would come back changed in a result.
bool is_utf8(const std::string& text) {
  const Json value(text);
  return value.dump(-1, ' ', false, Json::error_handler_t::ignore) ==
         value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::unexpected<CniError> bad_variable(std::string message) {
  return cni_fail(CniCode::kInvalidEnvironment, std::move(message));
}

CniStatus require_variables(CniCommand command, const CniRequest& request) {
  std::string missing;
  const auto require = [&](bool present, std::string_view name) {
    if (!present) missing += missing.empty() ? std::string(name) : fmt::format(", {}", name);
  };
  if (is_attachment_command(command)) {
    require(!request.attachment.container_id.empty(), "CNI_CONTAINERID");
    require(!request.attachment.ifname.empty(), "CNI_IFNAME");
  }
  if (needs_netns(command)) require(!request.netns.empty(), "CNI_NETNS");
  if (missing.empty()) return {};
  return bad_variable(fmt::format("{} needs {}", format(command), missing));
}

CniStatus read_args(CniRequest& request) {
  if (!is_utf8(request.args_text)) {
    return bad_variable(fmt::format("CNI_ARGS: '{}' is not UTF-8", show(Json(request.args_text))));
  }
  std::string_view rest = request.args_text;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return bad_variable(fmt::format("CNI_ARGS: '{}' is not KEY=VALUE", show(Json(pair))));
    }
    request.args[std::string(pair.substr(0, equals))] = pair.substr(equals + 1);
  }
  return {};
}

CniStatus read_environment(const Environment& environment, CniRequest& request) {
  const auto variable = [&](const char* name) { return environment(name).value_or(""); };
  request.attachment = {variable("CNI_CONTAINERID"), variable("CNI_IFNAME")};
  request.netns = variable("CNI_NETNS");
  request.args_text = variable("CNI_ARGS");
  request.path_text = variable("CNI_PATH");
  for (std::string_view rest = request.path_text; !rest.empty();) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
    if (!folder.empty()) request.path.emplace_back(folder);
  }
  TOWPATH_TRY_STATUS(require_variables(request.command, request));
  // Whoever takes away needs none, and must not be kept from it by broken ones.
  if (auto args = read_args(request); !args && !only_removes(request.command)) return args;
  if (!is_attachment_command(request.command)) return {};
  if (!ipam::is_cni_identifier(request.attachment.container_id)) {
    return bad_variable(
        fmt::format("CNI_CONTAINERID: '{}' is not a container id (letters, digits, '_', '.', '-', the "
                    "first a letter or digit)",
                    show(Json(request.attachment.container_id))));
  }
  // With '/' and the interface name it is the alias of the host's interface: IFALIASZ, 256, less the NUL.
  constexpr std::size_t kMaxContainerId = 255 - 1 - 15;
  if (request.attachment.container_id.size() > kMaxContainerId) {
    return bad_variable(fmt::format("CNI_CONTAINERID: {} characters are more than {}",
                                    request.attachment.container_id.size(), kMaxContainerId));
  }
  if (!ipam::is_interface_name(request.attachment.ifname) || !is_utf8(request.attachment.ifname)) {
    return bad_variable(fmt::format(
        "CNI_IFNAME: '{}' is not an interface name (1 to 15 bytes of UTF-8 without '/', ':', '%', space "
        "and control characters; not 'all' or 'default')",
        show(Json(request.attachment.ifname))));
  }
  return {};
}

CniStatus read_version(const Json& config, CniCommand command, CniVersion& version) {
  const auto found = config.find("cniVersion");
  if (found == config.end() || found->is_null()) {
    // Nothing means 0.1.0 or 0.2.0 in the specification's history; both are too old.
    return cni_fail(CniCode::kIncompatibleVersion,
                    fmt::format("cniVersion is missing; this plugin knows {}", supported_versions_text()));
  }
  if (!found->is_string()) return wrong("cniVersion", *found, "is not a string");
  const auto supported = find_supported_version(found->get_ref<const std::string&>());
  if (!supported) {
    return cni_fail(CniCode::kIncompatibleVersion,
                    fmt::format("cniVersion: '{}' is not supported; this plugin knows {}", show(*found),
                                supported_versions_text()));
  }
  version = *supported;
  const bool newer = command == CniCommand::kGc || command == CniCommand::kStatus;
  const CniVersion first = newer                           ? kFirstWithGc
                           : command == CniCommand::kCheck ? kFirstWithCheck
                                                           : kSupportedVersions[0];
  if (version < first) {
    return cni_fail(CniCode::kIncompatibleVersion,
                    fmt::format("{} needs cniVersion {} or newer, not {}", format(command), first.to_string(),
                                version.to_string()));
  }
  return {};
}

CniExpected<ipam::AttachmentId> parse_attachment(const Json& value, const std::string& path) {
  TOWPATH_TRY(const JsonObject object, JsonObject::make(value, path));
  ipam::AttachmentId id;
  TOWPATH_TRY(id.container_id, object.string_or("containerID", ""));
  TOWPATH_TRY(id.ifname, object.string_or("ifname", ""));
  if (id.container_id.empty() || id.ifname.empty()) return wrong(path, value, "lacks containerID or ifname");
  return id;
}

CniStatus read_valid_attachments(const JsonObject& config, CniRequest& request) {
  // The runtimes' library has sent the second name for a while.
  for (const char* key : {"cni.dev/valid-attachments", "cni.dev/attachments"}) {
    if (!request.config.contains(key)) continue;
    if (!request.valid_attachments) request.valid_attachments.emplace();
    TOWPATH_TRY_STATUS(config.for_each(key, [&](const Json& element, const std::string& path) -> CniStatus {
      TOWPATH_TRY(ipam::AttachmentId id, parse_attachment(element, path));
      request.valid_attachments->push_back(std::move(id));
      return {};
    }));
  }
  return {};
}

// Takes everything, and notes where the text stops being JSON, or has a number that no program can hold.
struct ErrorPlace : nlohmann::json_sax<Json> {
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    at = position == 0 ? 0 : position - 1;
    return false;
  }
  std::size_t at = 0;
};

// The text itself is not shown: it may hold secrets.
std::string place_of_error(std::string_view text) {
  ErrorPlace place;
  Json::sax_parse(text, &place);
  const std::string_view before = text.substr(0, std::min(place.at, text.size()));
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return fmt::format("line {}, column {}", 1 + std::ranges::count(before, '\n'),
                     1 + before.size() - line_start);
}

CniStatus read_config(CniRequest& request, CniVersion& version) {
  request.config = Json::parse(request.config_text, nullptr, false);
  if (request.config_text.empty()) {
    return cni_fail(CniCode::kDecode, "standard input is empty; the network configuration is expected there");
  }
  if (request.config.is_discarded()) {
    return cni_fail(CniCode::kDecode,
                    fmt::format("the network configuration on standard input ({} bytes) is not JSON: see {}",
                                request.config_text.size(), place_of_error(request.config_text)));
  }
  if (!request.config.is_object()) {
    return cni_fail(CniCode::kDecode, "the network configuration on standard input is not a JSON object");
  }
  TOWPATH_TRY_STATUS(read_version(request.config, request.command, version));
  request.version = version;
  TOWPATH_TRY(const JsonObject config, JsonObject::make(request.config, ""));
  TOWPATH_TRY(request.network, config.string_or("name", ""));
  if (request.network.empty())
    return cni_fail(CniCode::kInvalidConfig, "name is missing: the network's name");
  if (!ipam::is_cni_identifier(request.network)) {
    return cni_fail(
        CniCode::kInvalidConfig,
        fmt::format("name: '{}' is not a network name (letters, digits, '_', '.', '-', the first a letter or "
                    "digit)",
                    show(Json(request.network))));
  }
  const Json* previous = config.find("prevResult");
  if (previous != nullptr && !only_removes(request.command)) {
    TOWPATH_TRY(request.prev_result, CniResult::parse(*previous, "prevResult"));
  }
  if (request.command == CniCommand::kGc) TOWPATH_TRY_STATUS(read_valid_attachments(config, request));
  return {};
}

CniStatus check_netns(const Environment& environment, const LookAtNetns& look, CniRequest& request) {
  if (request.netns.empty()) return {};
  const NetnsFacts facts = look(request.netns);
  if (facts.is_netns) request.netns_inode = facts.inode;
  if (!needs_netns(request.command)) return {};
  const auto refuse = [&](std::string_view reason) {
    return cni_fail(CniCode::kInvalidNetns,
                    fmt::format("CNI_NETNS: '{}' {}", show(Json(request.netns)), reason));
  };
  if (!facts.exists) return refuse("does not exist");
  if (!facts.is_netns) return refuse("is not a network namespace");
  const std::string override_text = environment("CNI_NETNS_OVERRIDE").value_or("");
  const bool may_be_own = override_text == "1" || override_text == "true" || override_text == "TRUE";
  if (facts.is_own && !may_be_own) return refuse("is the network namespace of the plugin itself");
  return {};
}

}  // namespace

std::string_view format(CniCommand command) {
  return std::ranges::find(kCommands, command, &CommandName::command)->name;
}

std::optional<CniCommand> parse_command(std::string_view text) {
  const auto found = std::ranges::find(kCommands, text, &CommandName::name);
  if (found == kCommands.end()) return std::nullopt;
  return found->command;
}

NetnsFacts look_at_netns(const std::string& path) {
  NetnsFacts facts;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    facts.exists = errno != ENOENT && errno != ENOTDIR;
    return facts;
  }
  facts.exists = true;
  struct statfs filesystem{};
  struct stat namespace_stat{};
  if (::fstatfs(fd.get(), &filesystem) != 0 || filesystem.f_type != NSFS_MAGIC) return facts;
  if (::ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET || ::fstat(fd.get(), &namespace_stat) != 0)
    return facts;
  facts.is_netns = true;
  facts.inode = namespace_stat.st_ino;
  struct stat own{};
  facts.is_own = ::stat("/proc/thread-self/ns/net", &own) == 0 && own.st_ino == namespace_stat.st_ino &&
                 own.st_dev == namespace_stat.st_dev;
  return facts;
}

CniExpected<CniRequest> parse_request(CniCommand command, const Environment& environment,
                                      std::string config_text, const LookAtNetns& look,
                                      CniVersion& version_out) {
  CniRequest request;
  request.command = command;
  request.config_text = std::move(config_text);
  request.is_ipam_call = environment(kIpamCallVariable).has_value();
  CniStatus environment_is_right = read_environment(environment, request);
  // In any case: the error about a variable carries the version that the configuration asks for.
  CniStatus config_is_right = read_config(request, version_out);
  TOWPATH_TRY_STATUS(std::move(environment_is_right));
  TOWPATH_TRY_STATUS(std::move(config_is_right));
  TOWPATH_TRY_STATUS(check_netns(environment, look, request));
  return request;
}

}  // namespace towpath::cni
