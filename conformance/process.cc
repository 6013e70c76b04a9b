#include "conformance/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "towpath/base/check.h"
#include "towpath/base/unique_fd.h"

namespace towpath::conformance {
namespace {

using std::chrono::microseconds;
using std::chrono::steady_clock;

struct Running {
  pid_t pid = -1;
  UniqueFd pidfd;
  UniqueFd in, out, err;
  steady_clock::time_point began;
  bool ended = false;
  bool kill_sent = false;
  Finished result;
};

UniqueFd anonymous_file(const std::string& content) {
  UniqueFd file(::memfd_create("towpath-cni-conformance", MFD_CLOEXEC));
  TOWPATH_CHECK(file);
  TOWPATH_CHECK(::write(file.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  TOWPATH_CHECK(::lseek(file.get(), 0, SEEK_SET) == 0);
  return file;
}

std::string content_of(int file) {
  struct stat info{};
  if (::fstat(file, &info) != 0) return {};
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  const ssize_t count = ::pread(file, text.data(), text.size(), 0);
  text.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  return text;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (auto& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

// Runs in the child: nothing but system calls.
[[noreturn]] void become(const Running& r, const char* netns, char* const* words, char* const* env) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int number : {SIGPIPE, SIGINT, SIGHUP})
    ::signal(number, SIG_DFL);  // what we ignore they need not
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::dup2(r.in.get(), 0);
  ::dup2(r.out.get(), 1);
  ::dup2(r.err.get(), 2);
  if (netns[0] != '\0') {
    const int fd = ::open(netns, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || ::setns(fd, CLONE_NEWNET) != 0) {
      ::dprintf(2, "cannot enter %s: %s", netns, std::strerror(errno));
      ::_exit(127);
    }
  }
  // A file that was just written may still be open for writing in a sibling that has not reached its exec.
  for (int attempt = 0; attempt < 100; ++attempt) {
    ::execvpe(words[0], words, env);
    if (errno != ETXTBSY) break;
    ::usleep(10000);
  }
  ::dprintf(2, "cannot execute %s: %s", words[0], std::strerror(errno));
  ::_exit(127);
}

Running start(const Command& command) {
  Running r;
  r.in = anonymous_file(command.input);
  r.out = anonymous_file("");
  r.err = anonymous_file("");
  std::vector<std::string> words = command.words;
  std::vector<std::string> env;
  for (const auto& [key, value] : command.env) env.push_back(key + "=" + value);
  auto word_pointers = pointers(words);
  auto env_pointers = pointers(env);
  r.began = steady_clock::now();
  r.pid = ::fork();
  TOWPATH_CHECK(r.pid >= 0);
  if (r.pid == 0) become(r, command.netns.c_str(), word_pointers.data(), env_pointers.data());
  r.pidfd = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, r.pid, 0)));
  TOWPATH_CHECK(r.pidfd);
  return r;
}

void finish(Running& r) {
  int status = 0;
  while (::waitpid(r.pid, &status, 0) < 0 && errno == EINTR) {
  }
  r.ended = true;
  r.result.elapsed = std::chrono::duration_cast<microseconds>(steady_clock::now() - r.began);
  if (WIFSIGNALED(status)) {
    r.result.signal = WTERMSIG(status);
  } else {
    r.result.exit_code = WEXITSTATUS(status);
  }
  r.result.out = content_of(r.out.get());
  r.result.err = content_of(r.err.get());
}

void kill_if_due(Running& r, const RunLimits& limits) {
  const auto age = steady_clock::now() - r.began;
  const bool planned = limits.kill_after && age >= *limits.kill_after;
  const bool late = age >= limits.timeout;
  if (r.kill_sent || !(planned || late)) return;
  ::syscall(SYS_pidfd_send_signal, r.pidfd.get(), SIGKILL, nullptr, 0);
  r.kill_sent = true;
  r.result.timed_out = late;
}

}  // namespace

std::vector<Finished> run_all(std::span<const Command> commands, const RunLimits& limits) {
  std::vector<Running> all;
  for (const auto& command : commands) all.push_back(start(command));
  for (;;) {
    std::vector<pollfd> waiting;
    std::vector<Running*> owners;
    microseconds next = limits.timeout;
    for (auto& r : all) {
      if (r.ended) continue;
      kill_if_due(r, limits);
      waiting.push_back({r.pidfd.get(), POLLIN, 0});
      owners.push_back(&r);
      if (r.kill_sent) continue;
      const auto limit = limits.kill_after ? std::min(*limits.kill_after, limits.timeout) : limits.timeout;
      const auto left = limit - std::chrono::duration_cast<microseconds>(steady_clock::now() - r.began);
      next = std::clamp(left, microseconds(0), next);
    }
    if (waiting.empty()) break;
    const timespec wait{next.count() / 1000000, (next.count() % 1000000) * 1000};
    if (::ppoll(waiting.data(), waiting.size(), &wait, nullptr) <= 0) continue;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if (waiting[i].revents != 0) finish(*owners[i]);
    }
  }
  std::vector<Finished> results;
  for (auto& r : all) results.push_back(std::move(r.result));
  return results;
}

Finished run_one(const Command& command, const RunLimits& limits) {
  return std::move(run_all(std::span(&command, 1), limits).front());
}

void wait_for_orphans() {
  const auto deadline = steady_clock::now() + std::chrono::seconds(5);
  while (steady_clock::now() < deadline) {
    const pid_t done = ::waitpid(-1, nullptr, WNOHANG);
    if (done < 0) return;
    if (done == 0) ::usleep(1000);
  }
}

}  // namespace towpath::conformance
