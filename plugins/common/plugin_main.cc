#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

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

}  // namespace

int plugin_main(const PluginHandlers& handlers) {
  install_crash_guard();
  // A runtime that went away must not stop the work, or its rollback, half way.
  ::signal(SIGPIPE, SIG_IGN);
  PluginCall call;
  call.environment = [](const char* name) -> std::optional<std::string> {
    const char* value = ::getenv(name);
    if (value == nullptr) return std::nullopt;
    return value;
  };
  call.read_stdin = read_standard_input;
  const PluginOutcome outcome = run_plugin(call, handlers);
  write_all(STDERR_FILENO, outcome.standard_error);
  return write_all(STDOUT_FILENO, outcome.standard_output) ? outcome.exit_code : 1;
}

}  // namespace towpath::cni
