#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "plugins/common/crash_guard.h"
#include "plugins/common/run_plugin.h"

namespace towpath::cni {
namespace {

// Far more than any network configuration; a runtime that sends more has lost its way.
constexpr std::size_t kMaxInput = std::size_t{8} << 20;

Result<std::string> read_standard_input() {
  std::string text;
  std::array<char, 16384> part;
  for (;;) {
    const ssize_t size = ::read(STDIN_FILENO, part.data(), part.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_errno(errno, "read standard input");
    if (size == 0) return text;
    text.append(part.data(), static_cast<std::size_t>(size));
    if (text.size() > kMaxInput) {
      return fail(ErrorKind::kInvalid, fmt::format("the network configuration is over {} bytes", kMaxInput));
    }
  }
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = ::write(fd, text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

// A runtime that closed one of these would otherwise have our result written into whatever file is opened
// first.
void occupy_standard_files() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // Open for reading only: a write fails, as it should.
    while (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDONLY) >= 0) {
    }
  }
}

// What ADD made is taken away again when nobody learned of it.
void undo_add(PluginCall call, const PluginHandlers& handlers, std::string config_text) {
  const auto environment = call.environment;
  call.environment = [environment](const char* name) -> std::optional<std::string> {
    return std::string_view(name) == "CNI_COMMAND" ? std::optional<std::string>("DEL") : environment(name);
  };
  call.read_stdin = [text = std::move(config_text)]() -> Result<std::string> { return text; };
  static_cast<void>(run_plugin(call, handlers));  // of two errors the first is the one to report
}

}  // namespace

int plugin_main(const PluginHandlers& handlers) {
  occupy_standard_files();
  install_crash_guard();
  // A runtime that went away must not stop the work, or its rollback, half way.
  ::signal(SIGPIPE, SIG_IGN);
  PluginCall call;
  call.environment = [](const char* name) -> std::optional<std::string> {
    const char* value = ::getenv(name);
    if (value == nullptr) return std::nullopt;
    return value;
  };
  std::string config_text;
  call.read_stdin = [&config_text]() -> Result<std::string> {
    TOWPATH_TRY(config_text, read_standard_input());
    return config_text;
  };
  const PluginOutcome outcome = run_plugin(call, handlers);
  write_all(STDERR_FILENO, outcome.standard_error);
  if (write_all(STDOUT_FILENO, outcome.standard_output)) return outcome.exit_code;
  write_all(STDERR_FILENO,
            fmt::format("the result cannot be written to standard output: {}\n", std::strerror(errno)));
  if (outcome.exit_code == 0 && call.environment("CNI_COMMAND") == "ADD")
    undo_add(call, handlers, std::move(config_text));
  return 1;
}

}  // namespace towpath::cni
