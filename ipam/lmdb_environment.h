// One LMDB environment and its transactions, with our error values.
//
// Only the unnamed database is used: one tree keeps the records that one ADD touches on few pages. Spans
// returned by get() and the cursor point into the map, and are valid until the transaction writes or ends.
#pragma once

#include <lmdb.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/ipam/store_guard.h"

namespace towpath::ipam {

// Device and inode; zeros: there is no such file.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

class LmdbEnvironment {
 public:
  // Opens the environment in the directory `path`, which must exist. With `create` makes its files if they
  // are not there; without, kNotFound. kCorrupt: the look has found damage.
  static Result<std::unique_ptr<LmdbEnvironment>> open(const std::string& path, bool create, StoreLook look);
  LmdbEnvironment(const LmdbEnvironment&) = delete;
  LmdbEnvironment& operator=(const LmdbEnvironment&) = delete;
  ~LmdbEnvironment();

  MDB_env* get() const { return env_; }
  // False once somebody has removed or replaced the files: what is written here, nobody else sees any more.
  bool is_in_place() const;
  // Removes the lock file if it is this one's and the data file is not: a second handle would take away the
  // locks of this one, and the environment that comes next has nothing to share with it.
  Status give_place() const;
  // The file that holds the data, for messages.
  std::string data_path() const { return path_ + "/data.mdb"; }
  // An error of LMDB as ours; names the file, and says what to do if it is damaged.
  Error error(int code, std::string_view operation) const;
  // The same for a record that does not decode.
  Error damaged(std::string_view reason) const;

 private:
  explicit LmdbEnvironment(std::string path) : path_(std::move(path)) {}
  std::string path_;
  MDB_env* env_ = nullptr;
  FileIdentity data_{};
  FileIdentity lock_{};  // registered as open in this process
};

class LmdbTransaction {
 public:
  static Result<LmdbTransaction> begin(const LmdbEnvironment& environment, bool read_only);
  LmdbTransaction(LmdbTransaction&& other) noexcept
      : environment_(other.environment_), txn_(std::exchange(other.txn_, nullptr)), dbi_(other.dbi_) {}
  LmdbTransaction& operator=(LmdbTransaction&&) = delete;
  // Without commit() nothing of it happened.
  ~LmdbTransaction() {
    if (txn_ != nullptr) mdb_txn_abort(txn_);
  }

  // Unique among committed write transactions, and growing.
  std::uint64_t id() const { return mdb_txn_id(txn_); }
  const LmdbEnvironment& environment() const { return *environment_; }

  Result<std::optional<std::span<const std::byte>>> get(std::span<const std::byte> key) const;
  // The first entry whose key is not below `key`.
  struct Entry {
    std::span<const std::byte> key;
    std::span<const std::byte> value;
  };
  Result<std::optional<Entry>> at_or_after(std::span<const std::byte> key) const;
  // Calls visit(Entry) -> Status for each entry whose key begins with `prefix`, in order of the keys. Must
  // not write.
  template <class Visit>
  Status for_each(std::span<const std::byte> prefix, Visit visit) const;

  // Of a read-only transaction: what the file has in pages that nobody uses any more.
  Result<std::uint64_t> reusable_bytes() const;

  Status put(std::span<const std::byte> key, std::span<const std::byte> value);
  // Not being there is fine.
  Status remove(std::span<const std::byte> key);
  // All whose keys begin with `prefix`.
  Status remove_all(std::span<const std::byte> prefix);
  Status commit();

 private:
  LmdbTransaction(const LmdbEnvironment& environment, MDB_txn* txn, MDB_dbi dbi)
      : environment_(&environment), txn_(txn), dbi_(dbi) {}

  const LmdbEnvironment* environment_;
  MDB_txn* txn_;
  MDB_dbi dbi_;
};

class LmdbCursor {
 public:
  explicit LmdbCursor(MDB_cursor* cursor) : cursor_(cursor) {}
  LmdbCursor(const LmdbCursor&) = delete;
  LmdbCursor& operator=(const LmdbCursor&) = delete;
  ~LmdbCursor() { mdb_cursor_close(cursor_); }
  MDB_cursor* get() const { return cursor_; }

 private:
  MDB_cursor* cursor_;
};

inline MDB_val to_val(std::span<const std::byte> bytes) {
  return {bytes.size(), const_cast<std::byte*>(bytes.data())};  // LMDB does not write through it
}
inline std::span<const std::byte> to_span(const MDB_val& value) {
  return {static_cast<const std::byte*>(value.mv_data), value.mv_size};
}

template <class Visit>
Status LmdbTransaction::for_each(std::span<const std::byte> prefix, Visit visit) const {
  MDB_cursor* raw = nullptr;
  if (const int code = mdb_cursor_open(txn_, dbi_, &raw))
    return std::unexpected(environment_->error(code, "read"));
  const LmdbCursor cursor(raw);
  MDB_val key = to_val(prefix);
  MDB_val value{};
  int code = mdb_cursor_get(raw, &key, &value, MDB_SET_RANGE);
  for (; code == MDB_SUCCESS; code = mdb_cursor_get(raw, &key, &value, MDB_NEXT)) {
    const auto found = to_span(key);
    if (found.size() < prefix.size() || !std::equal(prefix.begin(), prefix.end(), found.begin())) return {};
    TOWPATH_TRY_STATUS(visit(Entry{found, to_span(value)}));
  }
  if (code != MDB_NOTFOUND) return std::unexpected(environment_->error(code, "read"));
  return {};
}

}  // namespace towpath::ipam
