#include "plugins/common/crash_guard.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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

// Made beforehand: in a signal handler nothing may be allocated or formatted.
static_assert(static_cast<unsigned>(CniCode::kInternal) == 999);
constexpr std::string_view kDocument =
    R"(","code":999,"msg":"the plugin crashed; most likely the state store is damaged: )"
    R"(if that repeats, delete all containers of this host, remove the db folder below stateDir, and start again"})"
    "\n";
struct Document {
  std::array<char, 512> text{};
  std::size_t size = 0;
};
Document& document() {
  static Document instance;
  return instance;
}
constexpr std::string_view kLine = "towpath: crashed; the CNI error on standard output says what to do\n";

void answer_and_exit(int /*signal*/) {
  // Nothing can be done about a write that fails here.
  static_cast<void>(::write(STDERR_FILENO, kLine.data(), kLine.size()) +
                    ::write(STDOUT_FILENO, document().text.data(), document().size));
  ::_exit(1);
}

}  // namespace

void answer_crashes_in(CniVersion version) {
  const auto made = fmt::format_to_n(document().text.begin(), document().text.size(),
                                     R"({{"cniVersion":"{}{})", version.to_string(), kDocument);
  document().size = std::min(made.size, document().text.size());
}

void install_crash_guard() {
  if (kSanitized) return;
  answer_crashes_in(kNewestVersion);
  struct sigaction action{};
  action.sa_handler = answer_and_exit;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // a fault in the handler itself ends the process
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) ::sigaction(signal, &action, nullptr);
}

}  // namespace towpath::cni
