// Real plugin processes: many at once, and killed at any moment.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "tests/netns/plugins/plugin_fixture.h"

namespace towpath::test {
namespace {

class ProcessesTest : public PluginTest {
 protected:
  // Starts the plugin in the host's namespace; input and output are files, so nobody has to read along.
  // `other_output`: another file; empty: standard output is closed. `command`: what is executed, with its
  // path first.
  pid_t start(const std::string& verb, const std::string& container, const std::string& netns,
              std::optional<std::string> other_output = std::nullopt,
              const std::vector<std::string>& command = {TOWPATH_PLUGIN}, const std::string& keys = "{}") {
    const std::string base = directory_.path() + "/" + container + "." + verb;
    std::ofstream(base + ".in") << config(keys).dump();
    const auto environment = variables(verb, container, netns);
    std::vector<std::string> texts;
    for (const auto& [name, value] : environment) texts.push_back(name + "=" + value);
    std::vector<char*> pointers;
    for (std::string& text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    const std::string input = base + ".in";
    const std::string output = other_output.value_or(base + ".out");
    const pid_t pid = fork();
    if (pid != 0) return pid;
    const int in = ::open(input.c_str(), O_RDONLY | O_CLOEXEC);
    ::dup2(in, 0);
    ::close(1);
    if (!output.empty()) ::dup2(::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execve(command[0].c_str(), arguments.data(), pointers.data());
    _exit(127);
  }
  static int wait_for(pid_t pid) {
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    return status;
  }
  Json output(const std::string& verb, const std::string& container) const {
    return Json::parse(std::ifstream(directory_.path() + "/" + container + "." + verb + ".out"), nullptr,
                       false);
  }
};

TEST_F(ProcessesTest, TwoHundredAddsAtOnceThenTwoHundredDels) {
  constexpr int kCount = 200;
  std::vector<std::unique_ptr<NetworkNamespace>> sandboxes;
  for (int i = 0; i < kCount; ++i) sandboxes.push_back(std::make_unique<NetworkNamespace>());
  const auto name = [](int i) { return "c" + std::to_string(i); };

  std::vector<pid_t> pids;
  for (int i = 0; i < kCount; ++i)
    pids.push_back(start("ADD", name(i), sandboxes[static_cast<std::size_t>(i)]->path()));
  std::set<std::string> addresses;
  for (int i = 0; i < kCount; ++i) {
    EXPECT_EQ(wait_for(pids[static_cast<std::size_t>(i)]), 0) << output("ADD", name(i));
    const Json document = output("ADD", name(i));
    ASSERT_TRUE(document.is_object() && document.contains("ips")) << document;
    for (const Json& ip : document["ips"]) {
      EXPECT_TRUE(addresses.insert(ip["address"].get<std::string>()).second) << ip << " twice";
    }
  }
  EXPECT_EQ(addresses.size(), 2U * kCount);
  EXPECT_EQ(records().size(), static_cast<std::size_t>(kCount));
  EXPECT_EQ(host_links().size(), static_cast<std::size_t>(kCount));
  EXPECT_EQ(host_routes(), 2U * kCount);
  EXPECT_TRUE(ping("10.9.0.200"));

  pids.clear();
  for (int i = 0; i < kCount; ++i)
    pids.push_back(start("DEL", name(i), sandboxes[static_cast<std::size_t>(i)]->path()));
  for (int i = 0; i < kCount; ++i)
    EXPECT_EQ(wait_for(pids[static_cast<std::size_t>(i)]), 0) << output("DEL", name(i));
  expect_nothing_left();
}

#if !defined(__SANITIZE_ADDRESS__)  // a sanitizer reports the fault itself, and in its own words
// A header that is right and garbage behind it: LMDB follows the garbage. The runtime still gets a document.
TEST_F(ProcessesTest, AStoreDamagedInsideIsAnErrorDocument) {
  const NetworkNamespace first;
  ASSERT_TRUE(add("a", first).ok());
  const std::string file = state_dir() + "/db/data.mdb";
  constexpr std::size_t kHeaderPages = 2 * 4096;
  const auto size = std::filesystem::file_size(file);
  ASSERT_GT(size, kHeaderPages);
  {
    std::fstream data(file, std::ios::in | std::ios::out | std::ios::binary);
    data.seekp(kHeaderPages);
    data << std::string(size - kHeaderPages, '\x5a');
  }
  const NetworkNamespace second;
  const int status = wait_for(start("ADD", "b", second.path()));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << status;
  const Json document = output("ADD", "b");
  ASSERT_TRUE(document.is_object() && document.contains("code")) << document;
  EXPECT_NE(document["msg"].get<std::string>().find("state store"), std::string::npos) << document;
  EXPECT_FALSE(has_link(second, "eth0"));
}
#endif

#ifdef TOWPATH_KILL_AT
// Not at random moments, but before each system call that there is, one after the other.
TEST_F(ProcessesTest, KilledBeforeEachSystemCall) {
  const auto run = [this](const std::string& verb, const NetworkNamespace& sandbox, int call_number,
                          const std::string& keys = "{}") {
    const int status = wait_for(start(verb, "k", sandbox.path(), std::nullopt,
                                      {TOWPATH_KILL_AT, std::to_string(call_number), TOWPATH_PLUGIN}, keys));
    EXPECT_TRUE(WIFEXITED(status));
    const int code = WEXITSTATUS(status);
    EXPECT_THAT(code, testing::AnyOf(0, 128 + SIGKILL)) << verb << " " << call_number;
    return code != 0;
  };
  constexpr int kFewest = 20;  // what start and end of a program alone cost
  int number = 1;
  for (;; ++number) {
    const NetworkNamespace sandbox;
    const bool killed = run("ADD", sandbox, number);
    if (killed && number % 2 == 0) {
      // Tried again without DEL: it is made, unless the first had come to its end.
      const PluginAnswer again = add("k", sandbox);
      EXPECT_TRUE(again.ok() || again.code() == 4) << number << again.text;
      EXPECT_EQ(addresses_in_use(), 2U) << number;
      EXPECT_EQ(host_routes(), 2U) << number;
    }
    const PluginAnswer deleted = call("DEL", "k", sandbox.path());
    ASSERT_TRUE(deleted.ok()) << number << deleted.text;
    expect_nothing_left();
    EXPECT_FALSE(has_link(sandbox, "eth0")) << number;
    if (!killed) break;
  }
  EXPECT_GT(number, kFewest);
  for (number = 1;; ++number) {
    const NetworkNamespace sandbox;
    ASSERT_TRUE(add("k", sandbox).ok()) << number;
    const bool killed = run("DEL", sandbox, number);
    const PluginAnswer deleted = call("DEL", "k", sandbox.path());
    ASSERT_TRUE(deleted.ok()) << number << deleted.text;
    expect_nothing_left();
    if (!killed) break;
  }
  EXPECT_GT(number, kFewest);
  constexpr const char* kNobody = R"({"cni.dev/valid-attachments":[]})";
  for (number = 1;; ++number) {
    {
      const NetworkNamespace sandbox;
      ASSERT_TRUE(add("k", sandbox).ok()) << number;
    }
    const NetworkNamespace none;
    const bool killed = run("GC", none, number, kNobody);
    const PluginAnswer collected = call("GC", "", "", kNobody);
    ASSERT_TRUE(collected.ok()) << number << collected.text;
    EXPECT_TRUE(eventually([&] { return host_links().empty(); }));
    expect_nothing_left();
    if (!killed) break;
  }
  EXPECT_GT(number, kFewest);
}
#endif

// As README.md has it: the new program comes under another name and takes the place of the old one at once.
TEST_F(ProcessesTest, AnUpgradeDisturbsNoCall) {
  const std::string plugin = directory_.path() + "/towpath";
  const std::string upgrade =
      "install -m 755 " TOWPATH_PLUGIN " " + plugin + ".new && mv " + plugin + ".new " + plugin;
  ASSERT_EQ(std::system(upgrade.c_str()), 0);
  const pid_t upgrader = fork();
  if (upgrader == 0) {
    for (int i = 0; i < 50; ++i) {
      if (std::system(upgrade.c_str()) != 0) _exit(1);
    }
    _exit(0);
  }
  int calls = 0;
  int ended = 0;
  for (; waitpid(upgrader, &ended, WNOHANG) == 0; ++calls) {
    const NetworkNamespace sandbox;
    for (const char* verb : {"ADD", "DEL"}) {
      const int status = wait_for(start(verb, "u", sandbox.path(), std::nullopt, {plugin}));
      EXPECT_EQ(status, 0) << verb << output(verb, "u");
    }
  }
  EXPECT_EQ(ended, 0);
  EXPECT_GT(calls, 0);
  expect_nothing_left();
}

TEST_F(ProcessesTest, AddKilledAtAnyMomentIsCleanedByDel) {
  std::minstd_rand random(1969);
  int finished = 0;
  for (int round = 0; round < 80; ++round) {
    const NetworkNamespace sandbox;
    const pid_t pid = start("ADD", "k", sandbox.path());
    usleep(static_cast<useconds_t>(random() % 4000));  // the moment of death is what varies
    kill(pid, SIGKILL);
    finished += WIFEXITED(wait_for(pid)) ? 1 : 0;
    const PluginAnswer deleted = call("DEL", "k", sandbox.path());
    ASSERT_TRUE(deleted.ok()) << deleted.text;
    expect_nothing_left();
    EXPECT_FALSE(has_link(sandbox, "eth0"));
  }
  EXPECT_LT(finished, 80) << "no ADD was killed: the test shows nothing";
}

// A runtime that tries again, without DEL. What the killed one had is not given to others while the kernel
// still has it.
TEST_F(ProcessesTest, AddKilledAtAnyMomentCanBeRepeated) {
  std::minstd_rand random(1970);
  int killed = 0;
  for (int round = 0; round < 80; ++round) {
    const NetworkNamespace sandbox;
    const pid_t pid = start("ADD", "k", sandbox.path());
    usleep(static_cast<useconds_t>(random() % 4000));
    kill(pid, SIGKILL);
    killed += WIFSIGNALED(wait_for(pid)) ? 1 : 0;
    const PluginAnswer again = add("k", sandbox);
    if (!again.ok()) {
      EXPECT_EQ(again.code(), 4U) << "the first had done all its work: " << again.text;
    }
    EXPECT_EQ(host_routes(), 2U);
    EXPECT_EQ(addresses_in_use(), 2U);
    ASSERT_TRUE(call("DEL", "k", sandbox.path()).ok());
    expect_nothing_left();
  }
  EXPECT_GT(killed, 0) << "no ADD was killed: the test shows nothing";
}

TEST_F(ProcessesTest, AResultThatNobodyGetsIsTakenBack) {
  for (const char* output : {"/dev/full", ""}) {
    const NetworkNamespace sandbox;
    const int status = wait_for(start("ADD", "w", sandbox.path(), output));
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << output << status;
    EXPECT_FALSE(has_link(sandbox, "eth0")) << output;
    expect_nothing_left();
  }
}

TEST_F(ProcessesTest, AddKilledAtAnyMomentIsCleanedByGcWhenTheSandboxIsGone) {
  std::minstd_rand random(42);
  for (int round = 0; round < 40; ++round) {
    auto sandbox = std::make_unique<NetworkNamespace>();
    const pid_t pid = start("ADD", "g" + std::to_string(round), sandbox->path());
    usleep(static_cast<useconds_t>(random() % 4000));  // the moment of death is what varies
    kill(pid, SIGKILL);
    wait_for(pid);
  }
  const PluginAnswer collected = call("GC", "", "", R"({"cni.dev/valid-attachments":[]})");
  ASSERT_TRUE(collected.ok()) << collected.text;
  // A pair whose record never was written cannot be: the record comes first. The kernel takes dead sandboxes'
  // pairs away in its own time.
  EXPECT_TRUE(eventually([&] { return host_links().empty(); }));
  expect_nothing_left();
}

TEST_F(ProcessesTest, DelKilledAtAnyMomentIsFinishedByTheNext) {
  std::minstd_rand random(7);
  for (int round = 0; round < 20; ++round) {
    const NetworkNamespace sandbox;
    ASSERT_TRUE(add("d", sandbox).ok());
    const pid_t pid = start("DEL", "d", sandbox.path());
    usleep(static_cast<useconds_t>(random() % 6000));  // the moment of death is what varies
    kill(pid, SIGKILL);
    wait_for(pid);
    ASSERT_TRUE(call("DEL", "d", sandbox.path()).ok());
    expect_nothing_left();
  }
}

}  // namespace
}  // namespace towpath::test
