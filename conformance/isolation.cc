#include "conformance/isolation.h"

#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "conformance/sandbox.h"
#include "towpath/base/unique_fd.h"

namespace towpath::conformance {
namespace {

constexpr int kCannotRun = 3;
volatile std::sig_atomic_t stop_flag = 0;

Status make_private(const std::string& scratch, const std::vector<std::string>& hidden) {
  if (::unshare(CLONE_NEWNS | CLONE_NEWNET) != 0) return fail_errno(errno, "make namespaces");
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return fail_errno(errno, "make mounts private");
  if (::mount("conformance", scratch.c_str(), "tmpfs", 0, "mode=0755") != 0) {
    return fail_errno(errno, "mount a tmpfs at " + scratch);
  }
  for (const auto& folder : hidden) {
    if (::access(folder.c_str(), F_OK) != 0) continue;
    if (::mount("conformance", folder.c_str(), "tmpfs", 0, "mode=0755") != 0) {
      return fail_errno(errno, "mount a tmpfs over " + folder);
    }
  }
  return {};
}

[[noreturn]] void be_worker(const std::string& scratch, const std::vector<std::string>& hidden,
                            const std::function<int(const std::string&)>& work, const sigset_t& normal_mask) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::setpgid(0, 0);
  struct sigaction on_stop{};
  on_stop.sa_handler = [](int) { stop_flag = 1; };
  ::sigaction(SIGTERM, &on_stop, nullptr);
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  ::signal(SIGCHLD, SIG_DFL);
  ::sigprocmask(SIG_SETMASK, &normal_mask, nullptr);
  int code = kCannotRun;
  if (auto ready = make_private(scratch, hidden); !ready) {
    fmt::print(stderr, "towpath-cni-conformance: {}; it has to run as root\n", ready.error().message);
  } else {
    code = work(scratch);
  }
  std::fflush(nullptr);
  ::_exit(code);
}

// Waits for the worker and passes signals on. Returns its wait status.
int supervise(pid_t worker, const sigset_t& watched, int& signal_seen) {
  bool term_sent = false;
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(worker, &status, WNOHANG);
    if (ended == worker) return status;
    const timespec grace{10, 0};
    const int number =
        term_sent ? ::sigtimedwait(&watched, nullptr, &grace) : ::sigwaitinfo(&watched, nullptr);
    if (number == SIGCHLD || (number < 0 && errno == EINTR)) continue;
    if (number > 0) signal_seen = number;
    ::kill(worker, term_sent ? SIGKILL : SIGTERM);
    term_sent = true;
  }
}

}  // namespace

int run_isolated(const std::vector<std::string>& hidden, const std::function<int(const std::string&)>& work) {
  const char* temporary = std::getenv("TMPDIR");
  const std::string parent = temporary != nullptr && *temporary != 0 ? temporary : "/tmp";
  std::string scratch = parent + "/cni-conformance.XXXXXX";
  if (::mkdtemp(scratch.data()) == nullptr) {
    fmt::print(stderr, "towpath-cni-conformance: cannot make a folder in {}: {}\n", parent,
               std::strerror(errno));
    return kCannotRun;
  }
  sigset_t watched, before;
  ::sigemptyset(&watched);
  for (int number : {SIGCHLD, SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&watched, number);
  ::sigprocmask(SIG_BLOCK, &watched, &before);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  std::fflush(nullptr);
  const pid_t worker = ::fork();
  if (worker == 0) be_worker(scratch, hidden, work, before);
  int signal_seen = 0;
  const int status = supervise(worker, watched, signal_seen);
  ::kill(-worker, SIGKILL);  // plugins that are still running
  while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
  }
  ::rmdir(scratch.c_str());
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (signal_seen != 0) return 128 + signal_seen;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool stop_requested() {
  return stop_flag != 0;
}

Status enter_fresh_host() {
  if (::unshare(CLONE_NEWNET) != 0) return fail_errno(errno, "make a network namespace");
  TOWPATH_TRY_STATUS(prepare_namespace());
  // Programs that look at /sys/class/net must see this host's devices. Where sysfs cannot be mounted they see
  // the machine's.
  ::umount2("/sys", MNT_DETACH);
  (void)::mount("sysfs", "/sys", "sysfs", 0, nullptr);
  return {};
}

}  // namespace towpath::conformance
