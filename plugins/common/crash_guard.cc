#include "plugins/common/crash_guard.h"

#include <signal.h>
#include <unistd.h>

#include <string_view>

#include "plugins/common/cni_error.h"

namespace towpath::cni {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool kSanitized = false;
#endif

// Made at compile time: in a signal handler nothing may be allocated or formatted.
static_assert(static_cast<unsigned>(CniCode::kInternal) == 999);
constexpr std::string_view kDocument =
    R"({"cniVersion":"1.1.0","code":999,"msg":"the plugin crashed; most likely the state store is damaged: )"
    R"(if that repeats, delete all containers of this host, remove the db folder below stateDir, and start again"})"
    "\n";
constexpr std::string_view kLine = "towpath: crashed; the CNI error on standard output says what to do\n";

void answer_and_exit(int /*signal*/) {
  // Nothing can be done about a write that fails here.
  static_cast<void>(::write(STDERR_FILENO, kLine.data(), kLine.size()) +
                    ::write(STDOUT_FILENO, kDocument.data(), kDocument.size()));
  ::_exit(1);
}

}  // namespace

void install_crash_guard() {
  if (kSanitized) return;
  struct sigaction action{};
  action.sa_handler = answer_and_exit;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // a fault in the handler itself ends the process
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) ::sigaction(signal, &action, nullptr);
}

}  // namespace towpath::cni
