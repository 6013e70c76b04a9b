// Runs programs as a container runtime does, and keeps what they said.
//
// Standard input, output and error are anonymous files, so no program can block on a pipe that nobody reads.
// Threading: one caller. Failure: a program that cannot be started is a Reply with exit code 127 and the
// reason in `err`.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace towpath::conformance {

struct Command {
  std::vector<std::string> words;          // words[0] is a path, or is looked up in PATH
  std::map<std::string, std::string> env;  // the whole environment
  std::string input;
  std::string netns;  // path of the network namespace to run in; empty: this process's
};

struct Finished {
  int exit_code = -1;  // -1 when a signal ended it
  int signal = 0;
  bool timed_out = false;  // killed by us, at the limit
  std::string out;
  std::string err;
  std::chrono::microseconds elapsed{0};
};

struct RunLimits {
  std::chrono::microseconds timeout = std::chrono::seconds(30);
  // SIGKILL after this time; the case of a runtime that loses patience.
  std::optional<std::chrono::microseconds> kill_after;
};

// Starts all at once and waits for each.
std::vector<Finished> run_all(std::span<const Command> commands, const RunLimits& limits = {});
Finished run_one(const Command& command, const RunLimits& limits = {});

// Waits until what killed programs left running has ended too (this process must be a subreaper), at most 5
// seconds.
void wait_for_orphans();

}  // namespace towpath::conformance
