// Runs a program and kills it at a system call: how a test finds every instant at which a process can die.
//
// usage: kill_at N PROGRAM [ARGUMENT...]
//
// SIGKILL comes before the N-th system call of the program (counted from 1, behind its execve) takes place. A
// program that ends before is not disturbed. The exit status is the program's own; 137 if it was killed, 125
// if it could not be run.
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kCouldNotRun = 125;
constexpr int kKilled = 128 + SIGKILL;

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "kill_at: %s: %s\n", what, std::strerror(errno));
  std::exit(kCouldNotRun);
}

// The next stop or end of the child.
int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) give_up("waitpid");
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  const long limit = argc > 2 ? std::atol(argv[1]) : 0;
  if (limit <= 0) {
    std::fprintf(stderr, "usage: kill_at N PROGRAM [ARGUMENT...]\n");
    return kCouldNotRun;
  }
  const pid_t child = fork();
  if (child < 0) give_up("fork");
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    execv(argv[2], argv + 2);
    give_up(argv[2]);
  }
  int status = wait_for(child);  // the stop behind execve
  if (WIFSTOPPED(status)) {
    ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  }
  // A system call stops twice, when it begins and when it has ended.
  long stops = 0;
  while (WIFSTOPPED(status)) {
    int signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) {
      signal = 0;
      if (++stops == 2 * limit - 1) {
        kill(child, SIGKILL);
        wait_for(child);
        return kKilled;
      }
    } else if (signal == SIGTRAP) {
      signal = 0;
    }
    if (ptrace(PTRACE_SYSCALL, child, nullptr, static_cast<long>(signal)) != 0 && errno != ESRCH)
      give_up("ptrace");
    status = wait_for(child);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
