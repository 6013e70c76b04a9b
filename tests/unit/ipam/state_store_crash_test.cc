// Many processes at once, and processes that die at any instant.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <random>
#include <set>

#include "tests/support/temporary_directory.h"
#include "towpath/ipam/state_store.h"

namespace towpath::ipam {
namespace {

ReserveRequest request(const std::string& container) {
  ReserveRequest r;
  r.attachment = {container, "eth0"};
  r.network = "net";
  r.sandbox = "/run/netns/" + container;
  r.now = WallTime(std::chrono::seconds(1700000000));
  return r;
}

// Runs `body` in a child process; its value is the exit code.
template <class Body>
pid_t spawn(Body body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  return pid;
}

int wait_for(pid_t pid) {
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return status;
}

Result<StateStore> open(const std::string& path) {
  return StateStore::open(path, StateStore::OpenMode::kCreate);
}

// What the blocks say is used must be what the records hold, each address once.
void expect_consistent(const StateStore& store) {
  std::map<Prefix, std::uint64_t> used;
  std::set<IpAddress> seen;
  const auto allocations = store.allocations();
  ASSERT_TRUE(allocations) << allocations.error().message;
  for (const Allocation& a : *allocations) {
    EXPECT_TRUE(seen.insert(a.address).second) << a.address.to_string() << " twice";
    ++used[a.block];
  }
  const auto blocks_now = *store.blocks();
  for (const Block& block : blocks_now) EXPECT_EQ(block.used, used[block.prefix]) << block.prefix.to_string();
}

TEST(StateStoreProcesses, TwoHundredAtOnceFromAnEmptyDirectory) {
  const test::TemporaryDirectory directory;
  const std::vector<Prefix> blocks{*Prefix::parse("10.64.0.0/24"), *Prefix::parse("fd00::/120")};
  std::vector<pid_t> children;
  for (int i = 0; i < 200; ++i) {
    children.push_back(spawn([&] {
      auto store = open(directory.path());
      if (!store) return 1;
      ReserveRequest r = request("c" + std::to_string(i));
      r.choice.blocks = blocks;
      auto record = store->reserve(r);
      if (!record) return 2;
      return store->commit(*record) ? 0 : 3;
    }));
  }
  for (const pid_t pid : children) EXPECT_EQ(wait_for(pid), 0);
  {
    const auto store = open(directory.path());
    ASSERT_TRUE(store);
    EXPECT_EQ(store->endpoints()->size(), 200U);
    EXPECT_EQ(store->allocations()->size(), 400U);
    expect_consistent(*store);
  }
  children.clear();
  for (int i = 0; i < 200; ++i) {
    children.push_back(spawn([&] {
      auto store = open(directory.path());
      if (!store) return 1;
      const AttachmentId id{"c" + std::to_string(i), "eth0"};
      const auto record = store->find(id);
      if (!record || !*record) return 2;
      return store->release(id, (*record)->generation) == true ? 0 : 3;
    }));
  }
  for (const pid_t pid : children) EXPECT_EQ(wait_for(pid), 0);
  const auto store = open(directory.path());
  EXPECT_TRUE(store->endpoints()->empty());
  expect_consistent(*store);
}

TEST(StateStoreProcesses, KilledAtAnyInstantTheStoreStaysWhole) {
  const test::TemporaryDirectory directory;
  const std::vector<Prefix> blocks{*Prefix::parse("10.64.0.0/26"), *Prefix::parse("fd00::/122")};
  const auto work = [&](unsigned child) {
    for (unsigned round = 0;; ++round) {
      auto store = open(directory.path());
      if (!store) return 1;
      ReserveRequest r = request("k" + std::to_string(child) + "-" + std::to_string(round % 3));
      r.choice.blocks = blocks;
      if (const auto old = store->find(r.attachment); old && *old) r.replaces = (*old)->generation;
      const auto record = store->reserve(r);
      if (!record) return 2;
      if (round % 2 == 0 && !store->commit(*record)) return 3;
      if (round % 3 == 0 && !store->release(record->attachment, record->generation)) return 4;
    }
  };
  std::minstd_rand random(20240601);
  for (unsigned kill_round = 0; kill_round < 60; ++kill_round) {
    std::vector<pid_t> children;
    for (unsigned child = 0; child < 4; ++child) children.push_back(spawn([&] { return work(child); }));
    usleep(static_cast<useconds_t>(
        500 + random() % 4000));  // not a wait for a condition: the moment of death is what varies
    for (const pid_t pid : children) kill(pid, SIGKILL);
    for (const pid_t pid : children) {
      const int status = wait_for(pid);
      EXPECT_TRUE(WIFSIGNALED(status)) << "ended by itself with " << WEXITSTATUS(status);
    }
    auto store = open(directory.path());
    ASSERT_TRUE(store) << store.error().message;
    expect_consistent(*store);
  }
  auto store = open(directory.path());
  const auto records = *store->endpoints();
  for (const EndpointRecord& record : records)
    EXPECT_EQ(store->release(record.attachment, record.generation), true);
  const auto blocks_now = *store->blocks();
  for (const Block& block : blocks_now) EXPECT_EQ(block.used, 0U);
}

}  // namespace
}  // namespace towpath::ipam
