// Runs programs and measures each from just before it is spawned to the moment its end is known.
//
// Runners in scripting languages add milliseconds and noise to what takes half a millisecond; here the cost
// is that of posix_spawn (vfork) and waitid.
//
// usage: spawn_timer CONCURRENCY < jobs.json > results.json
//   jobs:    [{"argv": [...], "env": ["NAME=value", ...], "stdin": "..."}]
//   results: {"wall_ns": N, "jobs": [{"ns": N, "cpu_ns": N, "status": N, "stdout": "..."}]}  in the order of
//   the jobs
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct Job {
  std::vector<std::string> words;
  std::vector<std::string> environment;
  std::string input;
  std::vector<char*> argv;
  std::vector<char*> envp;

  int stdin_read = -1;
  int stdout_read = -1;
  int stdout_write = -1;
  Clock::time_point began;
  std::chrono::nanoseconds took{};
  std::chrono::microseconds processor_time{};  // user and system
  int status = -1;
};

std::vector<char*> c_strings(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Pipes hold 64 KB: all of a plugin's input and output, so nobody has to read or write while the time runs.
void prepare(Job& job) {
  int in[2];
  int out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) fail("pipe2");
  if (write(in[1], job.input.data(), job.input.size()) != static_cast<ssize_t>(job.input.size()))
    fail("write");
  close(in[1]);
  job.stdin_read = in[0];
  job.stdout_read = out[0];
  job.stdout_write = out[1];
}

std::chrono::microseconds duration_of(const timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

pid_t start(Job& job) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, job.stdin_read, 0);
  posix_spawn_file_actions_adddup2(&actions, job.stdout_write, 1);
  pid_t pid = -1;
  job.began = Clock::now();
  if (posix_spawn(&pid, job.argv[0], &actions, nullptr, job.argv.data(), job.envp.data()) != 0)
    fail(job.argv[0]);
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

std::string finish(Job& job) {
  close(job.stdin_read);
  close(job.stdout_write);
  std::string output;
  char buffer[65536];
  for (ssize_t got = 0; (got = read(job.stdout_read, buffer, sizeof buffer)) > 0;) {
    output.append(buffer, static_cast<std::size_t>(got));
  }
  close(job.stdout_read);
  return output;
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned long concurrency = argc == 2 ? std::strtoul(argv[1], nullptr, 10) : 0;
  if (concurrency == 0) {
    std::fputs("usage: spawn_timer CONCURRENCY < jobs.json\n", stderr);
    return 2;
  }
  std::vector<Job> jobs;
  for (const nlohmann::json& row : nlohmann::json::parse(std::cin)) {
    Job& job = jobs.emplace_back();
    job.words = row.at("argv").get<std::vector<std::string>>();
    job.environment = row.at("env").get<std::vector<std::string>>();
    job.input = row.at("stdin").get<std::string>();
  }
  for (Job& job : jobs) {
    job.argv = c_strings(job.words);
    job.envp = c_strings(job.environment);
  }

  nlohmann::json results = nlohmann::json::array();
  std::map<pid_t, std::size_t> running;
  std::size_t next = 0;
  std::vector<std::string> outputs(jobs.size());
  const Clock::time_point began = Clock::now();
  while (next < jobs.size() || !running.empty()) {
    if (next < jobs.size() && running.size() < concurrency) {
      prepare(jobs[next]);
      running[start(jobs[next])] = next;
      ++next;
      continue;
    }
    int status = 0;
    rusage usage{};
    const pid_t pid = wait4(-1, &status, 0, &usage);
    const Clock::time_point now = Clock::now();
    if (pid < 0) fail("wait");
    const std::size_t index = running.at(pid);
    running.erase(pid);
    jobs[index].took = now - jobs[index].began;
    jobs[index].processor_time = duration_of(usage.ru_utime) + duration_of(usage.ru_stime);
    jobs[index].status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    outputs[index] = finish(jobs[index]);
  }
  const std::chrono::nanoseconds wall = Clock::now() - began;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    results.push_back({{"ns", jobs[i].took.count()},
                       {"cpu_ns", std::chrono::nanoseconds(jobs[i].processor_time).count()},
                       {"status", jobs[i].status},
                       {"stdout", outputs[i]}});
  }
  std::cout << nlohmann::json{{"wall_ns", wall.count()}, {"jobs", results}}.dump() << "\n";
  return 0;
}
