#include "ipam/store_guard.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "towpath/ipam/store_guard.h"

namespace towpath::ipam {
namespace {

// Made beforehand: in a signal handler nothing may be allocated or formatted.
struct Words {
  std::array<char, 8192> text{};
  std::size_t size = 0;
  bool are_wanted = false;
};
Words& words() {
  static Words instance;
  return instance;
}

[[noreturn]] void say_and_exit() {
  // Nothing can be done about a write that fails here.
  static_cast<void>(::write(STDERR_FILENO, words().text.data(), words().size));
  ::_exit(1);
}

void on_signal(int signal) {
  if (words().size != 0) say_and_exit();
  // No store was open: it is none of ours, and the default action has been set again.
  ::raise(signal);
}

}  // namespace

void set_words_on_damage(std::string_view message) {
  Words& now = words();
  now.size = std::min(message.size(), now.text.size() - 1);
  std::copy_n(message.begin(), now.size, now.text.begin());
  now.text[now.size++] = '\n';
}

void on_failed_assertion(MDB_env* /*environment*/, const char* /*what*/) {
  if (words().are_wanted) say_and_exit();
}

void end_with_words_on_damage() {
  words().are_wanted = true;
  struct sigaction action{};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace towpath::ipam
