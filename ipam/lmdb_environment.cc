#include "ipam/lmdb_environment.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <vector>

#include "ipam/lmdb_file.h"
#include "ipam/store_guard.h"

namespace towpath::ipam {
namespace {

// Address space only: the files grow with what is stored. 60,000 endpoints take about 40 MB.
constexpr std::size_t kMapSize = std::size_t{1} << 30;
// Slots for read transactions that run at the same time; 64 bytes each.
constexpr unsigned kMaxReaders = 2048;
// No sync: the store lives as long as the containers, which do not outlive the boot, and tmpfs has nothing to
// sync to. A killed process loses nothing by it, since its writes are in the page cache. No TLS: read slots
// belong to transactions, so a thread may have any number.
constexpr unsigned kFlags = MDB_NOSYNC | MDB_NOTLS | MDB_NORDAHEAD | MDB_NOMEMINIT;
constexpr mdb_mode_t kMode = 0600;

// Lock files that this process has open. LMDB guards its files with POSIX record locks, which a process loses
// when it closes any descriptor of the file: a second handle would take away the protection of the first.
struct OpenLockFiles {
  std::mutex mutex;
  std::vector<FileIdentity> identities;
};
OpenLockFiles& open_lock_files() {
  static OpenLockFiles files;
  return files;
}

FileIdentity identity_of(const std::string& path) {
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0) return {};
  return {file.st_dev, file.st_ino};
}

std::string lock_path(const std::string& path) {
  return path + "/lock.mdb";
}

}  // namespace

Result<std::unique_ptr<LmdbEnvironment>> LmdbEnvironment::open(const std::string& path, bool create,
                                                               StoreLook look) {
  struct stat directory{};
  if (::stat(path.c_str(), &directory) != 0) return fail_errno(errno, fmt::format("state store {}", path));
  if (!create) {
    // LMDB would make the files: it has no flag for "only if there".
    struct stat data{};
    if (::stat((path + "/data.mdb").c_str(), &data) != 0) {
      return fail_errno(errno, fmt::format("state store {}/data.mdb", path));
    }
  }
  std::unique_ptr<LmdbEnvironment> environment(new LmdbEnvironment(path));
  auto& open_files = open_lock_files();
  const std::scoped_lock lock(open_files.mutex);
  const FileIdentity before = identity_of(lock_path(path));
  if (before != FileIdentity() &&
      std::ranges::find(open_files.identities, before) != open_files.identities.end()) {
    return fail(ErrorKind::kConflict, fmt::format("state store {} is open in this process already", path));
  }
  TOWPATH_TRY(const auto damage, find_damage(environment->data_path(), look));
  if (damage) return std::unexpected(environment->damaged(*damage));
  set_words_on_damage(environment->damaged("it changed while it was in use").message);
  int code = mdb_env_create(&environment->env_);
  if (code == 0) code = mdb_env_set_mapsize(environment->env_, kMapSize);
  if (code == 0) code = mdb_env_set_maxreaders(environment->env_, kMaxReaders);
  if (code == 0) code = mdb_env_set_assert(environment->env_, on_failed_assertion);
  if (code == 0) code = mdb_env_open(environment->env_, path.c_str(), kFlags, kMode);
  // EINVAL: the file is too short to have a header.
  if (code == EINVAL) code = MDB_INVALID;
  if (code != 0) return std::unexpected(environment->error(code, "open"));
  environment->data_ = identity_of(environment->data_path());
  environment->lock_ = identity_of(lock_path(path));
  open_files.identities.push_back(environment->lock_);
  return environment;
}

bool LmdbEnvironment::is_in_place() const {
  return identity_of(data_path()) == data_ && identity_of(lock_path(path_)) == lock_;
}

Status LmdbEnvironment::give_place() const {
  const std::string lock = lock_path(path_);
  if (identity_of(data_path()) == data_ || identity_of(lock) != lock_) return {};
  if (::unlink(lock.c_str()) != 0 && errno != ENOENT)
    return fail_errno(errno, fmt::format("remove {}", lock));
  return {};
}

LmdbEnvironment::~LmdbEnvironment() {
  if (env_ != nullptr) mdb_env_close(env_);
  if (lock_ == FileIdentity()) return;
  auto& open_files = open_lock_files();
  const std::scoped_lock lock(open_files.mutex);
  std::erase(open_files.identities, lock_);
}

Error LmdbEnvironment::damaged(std::string_view reason) const {
  return {
      ErrorKind::kCorrupt, 0,
      fmt::format("state store {} is damaged ({}): remove {}, restart towpathd, and attach the containers of "
                  "this host again",
                  data_path(), reason, path_)};
}

Error LmdbEnvironment::error(int code, std::string_view operation) const {
  const auto say = [&](ErrorKind kind, std::string_view text) {
    return Error{kind, 0, fmt::format("state store {}: {}: {}", data_path(), operation, text)};
  };
  switch (code) {
    case MDB_INVALID: return damaged("not an LMDB file");
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
    case MDB_BAD_TXN:
    case MDB_INCOMPATIBLE: return damaged(mdb_strerror(code));
    case MDB_VERSION_MISMATCH: return say(ErrorKind::kUnsupported, "written by another version of LMDB");
    case MDB_MAP_FULL: return say(ErrorKind::kExhausted, fmt::format("full at {} bytes", kMapSize));
    case MDB_READERS_FULL: return say(ErrorKind::kUnavailable, "too many readers at once");
    default: break;
  }
  if (code > 0) return Error::from_errno(code, fmt::format("state store {}: {}", data_path(), operation));
  return say(ErrorKind::kSystem, mdb_strerror(code));
}

Result<LmdbTransaction> LmdbTransaction::begin(const LmdbEnvironment& environment, bool read_only) {
  const unsigned flags = read_only ? MDB_RDONLY : 0;
  MDB_txn* txn = nullptr;
  int code = mdb_txn_begin(environment.get(), nullptr, flags, &txn);
  if (code == MDB_READERS_FULL) {
    // Slots of processes that were killed while reading count until somebody looks.
    mdb_reader_check(environment.get(), nullptr);
    code = mdb_txn_begin(environment.get(), nullptr, flags, &txn);
  }
  if (code != 0) return std::unexpected(environment.error(code, "begin"));
  MDB_dbi dbi = 0;
  if (code = mdb_dbi_open(txn, nullptr, 0, &dbi); code != 0) {
    mdb_txn_abort(txn);
    return std::unexpected(environment.error(code, "open the database"));
  }
  return LmdbTransaction(environment, txn, dbi);
}

Result<std::optional<std::span<const std::byte>>> LmdbTransaction::get(std::span<const std::byte> key) const {
  MDB_val k = to_val(key);
  MDB_val value{};
  const int code = mdb_get(txn_, dbi_, &k, &value);
  if (code == MDB_NOTFOUND) return std::nullopt;
  if (code != 0) return std::unexpected(environment_->error(code, "read"));
  return to_span(value);
}

Result<std::optional<LmdbTransaction::Entry>> LmdbTransaction::at_or_after(
    std::span<const std::byte> key) const {
  MDB_cursor* raw = nullptr;
  if (const int code = mdb_cursor_open(txn_, dbi_, &raw))
    return std::unexpected(environment_->error(code, "read"));
  const LmdbCursor cursor(raw);
  MDB_val k = to_val(key);
  MDB_val value{};
  const int code = mdb_cursor_get(raw, &k, &value, MDB_SET_RANGE);
  if (code == MDB_NOTFOUND) return std::nullopt;
  if (code != 0) return std::unexpected(environment_->error(code, "read"));
  return Entry{to_span(k), to_span(value)};
}

// LMDB keeps them in a database of its own, number 0, whose values are lists of pages: their count, then
// they.
Result<std::uint64_t> LmdbTransaction::reusable_bytes() const {
  MDB_stat stat{};
  mdb_env_stat(environment_->get(), &stat);
  MDB_cursor* raw = nullptr;
  if (const int code = mdb_cursor_open(txn_, 0, &raw))
    return std::unexpected(environment_->error(code, "read"));
  const LmdbCursor cursor(raw);
  std::uint64_t pages = 0;
  MDB_val key{};
  MDB_val value{};
  for (;;) {
    const int code = mdb_cursor_get(raw, &key, &value, MDB_NEXT);
    if (code == MDB_NOTFOUND) return pages * stat.ms_psize;
    if (code != 0) return std::unexpected(environment_->error(code, "read"));
    std::size_t count = 0;
    if (value.mv_size < sizeof count) return std::unexpected(environment_->damaged("its list of free pages"));
    std::memcpy(&count, value.mv_data, sizeof count);
    pages += count;
  }
}

Status LmdbTransaction::put(std::span<const std::byte> key, std::span<const std::byte> value) {
  MDB_val k = to_val(key);
  MDB_val v = to_val(value);
  if (const int code = mdb_put(txn_, dbi_, &k, &v, 0))
    return std::unexpected(environment_->error(code, "write"));
  return {};
}

Status LmdbTransaction::remove(std::span<const std::byte> key) {
  MDB_val k = to_val(key);
  const int code = mdb_del(txn_, dbi_, &k, nullptr);
  if (code != 0 && code != MDB_NOTFOUND) return std::unexpected(environment_->error(code, "write"));
  return {};
}

Status LmdbTransaction::remove_all(std::span<const std::byte> prefix) {
  std::vector<std::vector<std::byte>> keys;
  TOWPATH_TRY_STATUS(for_each(prefix, [&](const Entry& entry) -> Status {
    keys.emplace_back(entry.key.begin(), entry.key.end());
    return {};
  }));
  for (const auto& key : keys) TOWPATH_TRY_STATUS(remove(key));
  return {};
}

Status LmdbTransaction::commit() {
  if (const int code = mdb_txn_commit(std::exchange(txn_, nullptr))) {
    return std::unexpected(environment_->error(code, "commit"));
  }
  return {};
}

}  // namespace towpath::ipam
