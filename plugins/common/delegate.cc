#include "plugins/common/delegate.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <vector>

#include "towpath/base/unique_fd.h"

extern char** environ;

namespace towpath::cni {
namespace {

CniExpected<std::string> find_plugin(const CniRequest& request, const std::string& plugin) {
  if (plugin.empty() || plugin.find('/') != std::string::npos) {
    return cni_fail(CniCode::kInvalidConfig,
                    fmt::format("ipam.type: '{}' is not the name of a plugin", plugin));
  }
  for (const std::string& folder : request.path) {
    std::string path = folder + '/' + plugin;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  if (request.path.empty()) {
    return cni_fail(CniCode::kInvalidEnvironment,
                    fmt::format("CNI_PATH is needed to find the plugin '{}'", plugin));
  }
  return cni_fail(CniCode::kInvalidConfig, fmt::format("ipam.type: there is no plugin '{}' in CNI_PATH '{}'",
                                                       plugin, request.path_text));
}

std::vector<std::string> make_environment(const CniRequest& request, CniCommand command) {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    // CNI_NETNS_OVERRIDE and what else there may be stays; what the request holds is said anew.
    const bool ours = text.starts_with("CNI_COMMAND=") || text.starts_with("CNI_CONTAINERID=") ||
                      text.starts_with("CNI_NETNS=") || text.starts_with("CNI_IFNAME=") ||
                      text.starts_with("CNI_ARGS=") || text.starts_with("CNI_PATH=") ||
                      text.starts_with(fmt::format("{}=", kIpamCallVariable));
    if (!ours) variables.emplace_back(text);
  }
  const auto say = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) variables.push_back(fmt::format("{}={}", name, value));
  };
  say("CNI_COMMAND", format(command));
  say("CNI_CONTAINERID", request.attachment.container_id);
  say("CNI_IFNAME", request.attachment.ifname);
  say("CNI_NETNS", request.netns);
  say("CNI_ARGS", request.args_text);
  say("CNI_PATH", request.path_text);
  say(kIpamCallVariable, "1");
  return variables;
}

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno(errno, "make a pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<pid_t> spawn(const std::string& path, const std::vector<std::string>& environment, const Pipe& input,
                    const Pipe& output) {
  std::vector<char*> variables;
  variables.reserve(environment.size() + 1);
  for (const std::string& variable : environment) variables.push_back(const_cast<char*>(variable.c_str()));
  variables.push_back(nullptr);
  std::array<char*, 2> arguments{const_cast<char*>(path.c_str()), nullptr};

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, input.read_end.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output.write_end.get(), STDOUT_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  const int code =
      ::posix_spawn(&pid, path.c_str(), &actions, &attributes, arguments.data(), variables.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (code != 0) return fail_errno(code, fmt::format("run {}", path));
  return pid;
}

// Writes `text` and reads until the other side closes, both as they go: either pipe may fill up.
// Far more than any result.
constexpr std::size_t kLongestAnswer = std::size_t{8} << 20;

Result<std::string> converse(UniqueFd to, const UniqueFd& from, std::string_view text) {
  std::string answer;
  ::fcntl(to.get(), F_SETFL, O_NONBLOCK);
  std::array<char, 16384> part;
  for (;;) {
    if (text.empty()) to.reset();
    std::array<pollfd, 2> ready{pollfd{from.get(), POLLIN, 0},
                                pollfd{to.get(), POLLOUT, 0}};  // -1 is left out
    if (::poll(ready.data(), ready.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return fail_errno(errno, "wait for the plugin");
    }
    if (to && ready[1].revents != 0) {
      const ssize_t size = ::write(to.get(), text.data(), text.size());
      if (size >= 0) text.remove_prefix(static_cast<std::size_t>(size));
      // A plugin need not read its input; what it says decides.
      if (size < 0 && errno != EAGAIN && errno != EINTR) text = {};
    }
    if (ready[0].revents != 0) {
      const ssize_t size = ::read(from.get(), part.data(), part.size());
      if (size == 0) return answer;
      if (size < 0 && errno != EINTR) return fail_errno(errno, "read from the plugin");
      if (size > 0) answer.append(part.data(), static_cast<std::size_t>(size));
      if (answer.size() > kLongestAnswer) {
        return fail(ErrorKind::kInvalid, fmt::format("it has printed more than {} bytes", kLongestAnswer));
      }
    }
  }
}

Result<int> wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return fail_errno(errno, "wait for the plugin");
  }
  return status;
}

// The error that a plugin printed, or one that says how it ended.
CniError relay_error(const std::string& plugin, int status, const std::string& output) {
  const Json document = Json::parse(output, nullptr, false);
  if (document.is_object() && document.contains("code") && document["code"].is_number_unsigned()) {
    CniError error{static_cast<CniCode>(document["code"].get<unsigned>()), plugin, ""};
    if (document.contains("msg") && document["msg"].is_string())
      error.message += ": " + document["msg"].get_ref<const std::string&>();
    if (document.contains("details") && document["details"].is_string()) error.details = document["details"];
    return error;
  }
  if (WIFSIGNALED(status))
    return {CniCode::kIo, fmt::format("{}: killed by signal {}", plugin, WTERMSIG(status)), ""};
  return {CniCode::kIo,
          fmt::format("{}: ended with exit code {} and no error document", plugin, WEXITSTATUS(status)), ""};
}

CniExpected<std::string> call(const CniRequest& request, const std::string& plugin, CniCommand command) {
  TOWPATH_TRY(const std::string path, find_plugin(request, plugin));
  TOWPATH_CNI_TRY(Pipe input, make_pipe());
  TOWPATH_CNI_TRY(Pipe output, make_pipe());
  TOWPATH_CNI_TRY(const pid_t pid, spawn(path, make_environment(request, command), input, output));
  input.read_end.reset();
  output.write_end.reset();
  auto answer = converse(std::move(input.write_end), output.read_end, request.config_text);
  if (!answer) ::kill(pid, SIGKILL);  // or it would be waited for without end
  TOWPATH_CNI_TRY(const int status, wait_for(pid));
  if (!answer) return std::unexpected(to_cni_error(std::move(answer).error().with_context(plugin)));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return std::unexpected(relay_error(plugin, status, *answer));
  return *std::move(answer);
}

}  // namespace

CniExpected<CniResult> delegate_add(const CniRequest& request, const std::string& plugin) {
  TOWPATH_TRY(const std::string output, call(request, plugin, CniCommand::kAdd));
  const Json document = Json::parse(output, nullptr, false);
  if (document.is_discarded()) {
    return cni_fail(CniCode::kDecode, fmt::format("{}: its result is not JSON", plugin));
  }
  return CniResult::parse(document, "the result of " + plugin);
}

CniStatus delegate(const CniRequest& request, const std::string& plugin, CniCommand command) {
  TOWPATH_TRY_STATUS(call(request, plugin, command));
  return {};
}

}  // namespace towpath::cni
