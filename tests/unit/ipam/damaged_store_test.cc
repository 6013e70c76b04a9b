// A data file that somebody cut short or wrote over: an error that names it, and never an end without a word.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "tests/unit/ipam/store_fixture.h"
#include "towpath/ipam/state_store.h"
#include "towpath/ipam/store_guard.h"

namespace towpath::ipam {
namespace {

using test::request;
using testing::HasSubstr;

class DamagedStoreTest : public test::StoreFixture {};

// Enough for several pages, with one record that has pages of its own.
std::vector<EndpointRecord> fill(const std::string& directory) {
  StateStore store = *StateStore::open(directory, StateStore::OpenMode::kCreate);
  EXPECT_TRUE(store.set_owned_blocks(std::vector{*Prefix::parse("10.64.1.0/24")}));
  for (int i = 0; i < 60; ++i) {
    ReserveRequest wanted = request("container-" + std::to_string(i));
    wanted.labels["text"] = std::string(i == 30 ? 5000 : 300, 'l');
    EXPECT_TRUE(store.reserve(wanted));
  }
  return *store.endpoints();
}

// Says that it is damaged, or reads as if nothing had happened. Never an end without a word.
bool is_found_or_harmless(const std::string& directory, const std::vector<EndpointRecord>& records,
                          bool& found) {
  const auto store = StateStore::open(directory, StateStore::OpenMode::kExisting);
  found = !store;
  if (!store) return store.error().kind == ErrorKind::kCorrupt;
  return *store->endpoints() == records;
}

TEST_F(DamagedStoreTest, AFileCutShortAnywhereIsFound) {
  const auto records = fill(directory_.path());
  const auto size = std::filesystem::file_size(data());
  ASSERT_GT(size, 10U * 4096U);
  const std::string whole = directory_.path() + "/whole";
  std::filesystem::copy_file(data(), whole);
  bool found = false;
  for (std::uintmax_t length = size - 1; length > 4096; length -= 1365) {
    std::filesystem::resize_file(data(), length);
    EXPECT_TRUE(is_found_or_harmless(directory_.path(), records, found)) << length;
    EXPECT_TRUE(found || length >= size / 2) << length;
    std::filesystem::copy_file(whole, data(), std::filesystem::copy_options::overwrite_existing);
  }
  std::filesystem::resize_file(data(), 8192);
  const auto refused = StateStore::open(directory_.path(), StateStore::OpenMode::kCreate);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message,
              HasSubstr("state store " + data() + " is damaged (it ends before page "));
  EXPECT_THAT(refused.error().message, HasSubstr("remove " + directory_.path() + "/db, restart towpathd"));
}

TEST_F(DamagedStoreTest, GarbageInAnyPageIsFound) {
  const auto records = fill(directory_.path());
  std::string whole(std::filesystem::file_size(data()), '\0');
  std::ifstream(data(), std::ios::binary).read(whole.data(), static_cast<std::streamsize>(whole.size()));
  int found_pages = 0;
  for (const char filler : {'\0', 'x', '\xff'}) {
    // From behind each place to the end of the page: also the second half of a page that was half written.
    for (std::size_t from = 8192; from < whole.size(); from += 1024) {
      std::string spoilt = whole;
      std::fill(spoilt.begin() + static_cast<long>(from),
                spoilt.begin() + static_cast<long>(from / 4096 * 4096 + 4096), filler);
      std::ofstream(data(), std::ios::trunc | std::ios::binary) << spoilt;
      const auto store = StateStore::open(directory_.path(), StateStore::OpenMode::kExisting);
      found_pages += !store && from % 4096 == 0;
      // What is in a value cannot be told from what was written there; the record may say so itself.
      const auto read = store ? store->endpoints() : std::unexpected(store.error());
      if (!read) {
        EXPECT_EQ(read.error().kind, ErrorKind::kCorrupt);
      } else {
        EXPECT_EQ(read->size(), records.size()) << from;
      }
    }
  }
  EXPECT_GT(found_pages, 3 * 5);
}

// Of a big store a brief look finds what is next to the root, the other one all (lmdb_file.h).
TEST_F(DamagedStoreTest, ABigStoreIsLookedAtNearTheRootOrAsAWhole) {
  {
    StateStore store = open();
    ASSERT_TRUE(store.set_owned_blocks(std::vector{*Prefix::parse("10.64.0.0/16")}));
    for (int i = 0; i < 2500; ++i) {
      ReserveRequest wanted = request("container-" + std::to_string(i));
      wanted.labels["text"] = std::string(300, 'l');
      ASSERT_TRUE(store.reserve(wanted));
    }
  }
  constexpr std::size_t kPage = 4096;
  std::string whole(std::filesystem::file_size(data()), '\0');
  std::ifstream(data(), std::ios::binary).read(whole.data(), static_cast<std::streamsize>(whole.size()));
  ASSERT_GT(whole.size(), 256 * kPage);
  const auto is_found = [&](const std::string& bytes, StoreLook look) {
    std::ofstream(data(), std::ios::trunc | std::ios::binary) << bytes;
    const auto store = StateStore::open(directory_.path(), StateStore::OpenMode::kExisting, look);
    EXPECT_TRUE(store || store.error().kind == ErrorKind::kCorrupt);
    return !store;
  };
  int branches = 0;
  int leaves = 0;
  for (std::size_t page = 2 * kPage; page < whole.size(); page += kPage) {
    std::string spoilt = whole;
    spoilt.replace(page + 100, kPage - 100, kPage - 100, 'x');
    if (whole[page + 10] == '\x01') branches += is_found(spoilt, StoreLook::kBrief);
    // Pages that nobody uses any more are left out of both.
    if (whole[page + 10] == '\x02') leaves += is_found(spoilt, StoreLook::kWhole);
  }
  EXPECT_GE(branches, 2);
  EXPECT_GT(leaves, 200);
  EXPECT_TRUE(is_found(whole.substr(0, whole.size() / 4 * 3), StoreLook::kWhole));
  EXPECT_FALSE(is_found(whole, StoreLook::kBrief));
  EXPECT_FALSE(is_found(whole, StoreLook::kWhole));
}

TEST_F(DamagedStoreTest, WritersAtWorkAreNoDamage) {
  static_cast<void>(fill(directory_.path()));
  const pid_t writer = fork();
  if (writer == 0) {
    StateStore store = open();
    for (int i = 0;; i = (i + 1) % 60) {
      const AttachmentId id{"container-" + std::to_string(i), "eth0"};
      const auto record = store.find(id);
      if (!record || !*record) _exit(1);
      ReserveRequest wanted = request(id.container_id);
      wanted.replaces = (*record)->generation;
      wanted.labels["text"] = std::string(static_cast<std::size_t>(i) * 97, 'l');
      if (!store.reserve(wanted)) _exit(1);
    }
  }
  for (int i = 0; i < 2000; ++i) {
    const auto store = StateStore::open(directory_.path(), StateStore::OpenMode::kExisting);
    ASSERT_TRUE(store) << store.error().message;
  }
  EXPECT_EQ(waitpid(writer, nullptr, WNOHANG), 0);
  kill(writer, SIGKILL);
  EXPECT_EQ(waitpid(writer, nullptr, 0), writer);
}

TEST_F(DamagedStoreTest, AStoreThatIsTakenAwayIsNotInPlace) {
  StateStore store = open();
  EXPECT_TRUE(store.is_in_place());
  std::filesystem::remove_all(directory_.path() + "/db");
  EXPECT_FALSE(store.is_in_place());
  StateStore next = open();
  EXPECT_FALSE(store.is_in_place()) << "there is one, but another one";
  EXPECT_TRUE(next.is_in_place());
  ASSERT_TRUE(next.set_owned_blocks(std::vector{*Prefix::parse("10.64.1.0/26")}));
  store = std::move(next);
  EXPECT_TRUE(store.is_in_place());
  EXPECT_EQ(store.blocks()->size(), 1U);
  EXPECT_EQ(StateStore::open(directory_.path(), StateStore::OpenMode::kCreate).error().kind,
            ErrorKind::kConflict);
}

TEST_F(DamagedStoreTest, AFileThatIsCutShortWhileOpenEndsTheProcessWithWords) {
  static_cast<void>(fill(directory_.path()));
  const auto read_what_is_gone = [&] {
    end_with_words_on_damage();
    const StateStore store = open();
    std::filesystem::resize_file(data(), 8192);
    static_cast<void>(store.endpoints());
    _exit(0);
  };
  EXPECT_EXIT(read_what_is_gone(), testing::ExitedWithCode(1),
              "state store .*/db/data.mdb is damaged .*: remove .*/db, restart towpathd");
}

}  // namespace
}  // namespace towpath::ipam
