#include "towpath/ipam/state_store.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "ipam/block_table.h"
#include "ipam/host_boot.h"
#include "ipam/lmdb_environment.h"
#include "ipam/record_codec.h"
#include "ipam/store_transaction.h"

namespace towpath::ipam {
namespace {

// mkdir -p. The state directory may be looked into by everybody, the store by its owner only.
Status make_directories(const std::string& state_dir) {
  std::error_code code;
  std::filesystem::create_directories(state_dir, code);
  if (code) return fail_errno(code.value(), fmt::format("state directory {}", state_dir));
  const std::string db = state_dir + "/db";
  if (::mkdir(db.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_errno(errno, fmt::format("state store {}", db));
  return {};
}

// The addresses of a request; the message about one that is in use says who has it.
Result<std::vector<BlockAddress>> take_addresses(LmdbTransaction& txn, const AddressChoice& choice,
                                                 std::chrono::nanoseconds uptime) {
  BlockTable table(txn, uptime);
  auto eligible = table.eligible(choice);
  // Of another host's block an address can be had without any block here.
  if (!eligible && eligible.error().kind == ErrorKind::kNotFound && choice.borrow &&
      !choice.addresses.empty())
    eligible = std::vector<StoredBlock>();
  TOWPATH_TRY(auto blocks, std::move(eligible));
  auto taken = table.take(blocks, choice);
  if (taken || taken.error().kind != ErrorKind::kConflict) return taken;
  for (std::size_t i = 0; i < choice.addresses.size(); ++i) {
    const std::string who = holder(txn, choice.addresses[i]);
    if (who.empty()) continue;
    Error error{ErrorKind::kConflict, 0,
                fmt::format("address {} is in use{}", choice.addresses[i].to_string(), who)};
    if (i < choice.keys.size()) error = std::move(error).with_context(choice.keys[i]);
    return std::unexpected(std::move(error));
  }
  return taken;
}

// The borrowed addresses that lie in these blocks, each with its block, which is not there any more.
Result<std::vector<BlockAddress>> release_borrowed(BlockTable& table, std::span<const Prefix> owned) {
  std::vector<BlockAddress> found;
  TOWPATH_TRY(const auto blocks, table.list());
  for (const StoredBlock& block : blocks) {
    if (block.view().state != BlockState::kBorrowed) continue;
    const IpAddress& address = block.prefix.address();
    const auto home = std::ranges::find_if(owned, [&](const Prefix& p) { return p.contains(address); });
    if (home == owned.end()) continue;
    TOWPATH_TRY_STATUS(table.drop(block.prefix));
    found.push_back({address, *home});
  }
  return found;
}

// They become addresses of these blocks like others, and their endpoints notice nothing.
Status bring_home(LmdbTransaction& txn, BlockTable& table, std::span<const BlockAddress> addresses) {
  if (addresses.empty()) return {};
  TOWPATH_TRY(const auto records, load_all(txn));
  for (EndpointRecord record : records) {
    bool is_changed = false;
    for (BlockAddress& allocated : record.allocated) {
      const auto home = std::ranges::find(addresses, allocated.address, &BlockAddress::address);
      if (home == addresses.end()) continue;
      allocated = *home;
      TOWPATH_TRY_STATUS(table.mark(*home));
      is_changed = true;
    }
    if (is_changed) TOWPATH_TRY_STATUS(store_record(txn, record));
  }
  return {};
}

// A commit writes pages that nobody reads before it lets go of others, so a release needs room, too. What an
// ADD could still take is left to the DELs.
Status leave_room(const LmdbEnvironment& lmdb) {
  constexpr std::uint64_t kRoom = 256 * 1024;
  struct statvfs file_system{};
  if (::statvfs(lmdb.data_path().c_str(), &file_system) != 0) return fail_errno(errno, "look for room");
  std::uint64_t available = std::uint64_t{file_system.f_bavail} * file_system.f_frsize;
  if (available >= kRoom) return {};
  TOWPATH_TRY(const auto txn, begin_read(lmdb));
  TOWPATH_TRY(const std::uint64_t reusable, txn.reusable_bytes());
  available += reusable;
  if (available >= kRoom) return {};
  return fail(ErrorKind::kExhausted, fmt::format("{}: only {} KiB are free for it on its file system, and {} "
                                                 "are kept for containers that go",
                                                 lmdb.data_path(), available / 1024, kRoom / 1024));
}

EndpointRecord begin_record(const ReserveRequest& request, std::uint64_t generation) {
  EndpointRecord record;
  record.attachment = request.attachment;
  record.network = request.network;
  record.sandbox = request.sandbox;
  record.sandbox_inode = request.sandbox_inode;
  record.created = request.now;
  record.generation = generation;
  record.state = request.state;
  record.ipam_type = request.ipam_type;
  record.labels = request.labels;
  record.pod = request.pod;
  return record;
}

}  // namespace

StateStore::StateStore(std::unique_ptr<Environment> environment) : environment_(std::move(environment)) {}
StateStore::StateStore(StateStore&&) noexcept = default;
StateStore& StateStore::operator=(StateStore&&) noexcept = default;
StateStore::~StateStore() = default;

Result<StateStore> StateStore::open(const std::string& state_dir, OpenMode mode, StoreLook look) {
  TOWPATH_TRY(HostBoot boot, HostBoot::current());
  return open(state_dir, mode, look, std::move(boot));
}

Result<StateStore> StateStore::open(const std::string& state_dir, OpenMode mode, StoreLook look,
                                    HostBoot boot) {
  const bool create = mode == OpenMode::kCreate;
  const std::string db = state_dir + "/db";
  auto lmdb = LmdbEnvironment::open(db, create, look);
  if (!lmdb && create && lmdb.error().kind == ErrorKind::kNotFound) {
    TOWPATH_TRY_STATUS(make_directories(state_dir));
    lmdb = LmdbEnvironment::open(db, create, look);
  }
  if (!lmdb) return std::unexpected(std::move(lmdb).error());
  return StateStore(std::make_unique<Environment>(*std::move(lmdb), std::move(boot)));
}

Result<EndpointRecord> StateStore::reserve(const ReserveRequest& request) {
  const LmdbEnvironment& lmdb = *environment_->lmdb;
  return name_file(
      [&]() -> Result<EndpointRecord> {
        TOWPATH_TRY_STATUS(leave_room(lmdb));
        TOWPATH_TRY(auto txn, begin_write(lmdb, environment_->boot));
        TOWPATH_TRY(const auto existing, load_record(txn, request.attachment));
        if (existing) {
          if (request.replaces != existing->generation) {
            return fail(ErrorKind::kExists,
                        fmt::format("{} is attached already", request.attachment.to_string()));
          }
          TOWPATH_TRY_STATUS(give_back_all(txn, *existing, environment_->boot.uptime()));
        }
        EndpointRecord record = begin_record(request, txn.id());
        if (request.allocate) {
          TOWPATH_TRY(record.allocated, take_addresses(txn, request.choice, environment_->boot.uptime()));
          for (const BlockAddress& address : record.allocated) record.addresses.push_back(address.address);
        }
        TOWPATH_TRY_STATUS(store_record(txn, record));
        TOWPATH_TRY_STATUS(txn.commit());
        return record;
      }(),
      lmdb);
}

Status StateStore::commit(const EndpointRecord& record) {
  const LmdbEnvironment& lmdb = *environment_->lmdb;
  return name_file(
      [&]() -> Status {
        TOWPATH_TRY(auto txn, begin_write(lmdb, environment_->boot));
        TOWPATH_TRY(const auto existing, load_record(txn, record.attachment));
        if (!existing || existing->generation != record.generation) {
          return fail(ErrorKind::kConflict, fmt::format("the attachment {} was removed while it was made",
                                                        record.attachment.to_string()));
        }
        EndpointRecord live = record;
        live.state = AllocationState::kLive;
        live.allocated = existing->allocated;
        TOWPATH_TRY_STATUS(store_record(txn, live));
        return txn.commit();
      }(),
      lmdb);
}

Result<bool> StateStore::release(const AttachmentId& attachment, std::uint64_t generation) {
  const LmdbEnvironment& lmdb = *environment_->lmdb;
  return name_file(
      [&]() -> Result<bool> {
        TOWPATH_TRY(auto txn, begin_write(lmdb, environment_->boot));
        TOWPATH_TRY(const auto existing, load_record(txn, attachment));
        if (!existing || existing->generation != generation) return false;
        TOWPATH_TRY_STATUS(give_back_all(txn, *existing, environment_->boot.uptime()));
        TOWPATH_TRY_STATUS(remove_record(txn, attachment));
        TOWPATH_TRY_STATUS(txn.commit());
        return true;
      }(),
      lmdb);
}

Result<std::optional<EndpointRecord>> StateStore::find(const AttachmentId& attachment) const {
  const LmdbEnvironment& lmdb = *environment_->lmdb;
  return name_file(
      [&]() -> Result<std::optional<EndpointRecord>> {
        TOWPATH_TRY(const auto txn, begin_read(lmdb));
        TOWPATH_TRY(const bool earlier, is_of_earlier_boot(txn, environment_->boot));
        if (earlier) return std::nullopt;
        return load_record(txn, attachment);
      }(),
      lmdb);
}

Result<std::vector<EndpointRecord>> StateStore::endpoints() const {
  const LmdbEnvironment& lmdb = *environment_->lmdb;
  return name_file(
      [&]() -> Result<std::vector<EndpointRecord>> {
        TOWPATH_TRY(const auto txn, begin_read(lmdb));
        TOWPATH_TRY(const bool earlier, is_of_earlier_boot(txn, environment_->boot));
        if (earlier) return std::vector<EndpointRecord>();
        return load_all(txn);
      }(),
      lmdb);
}

Result<std::vector<EndpointRecord>> StateStore::endpoints_after(const std::optional<AttachmentId>& after,
                                                                std::size_t limit) const {
  const LmdbEnvironment& lmdb = *environment_->lmdb;
  return name_file(
      [&]() -> Result<std::vector<EndpointRecord>> {
        TOWPATH_TRY(const auto txn, begin_read(lmdb));
        std::vector<EndpointRecord> records;
        TOWPATH_TRY(const bool earlier, is_of_earlier_boot(txn, environment_->boot));
        if (earlier) return records;
        Bytes key{kEndpointKind};
        if (after) {
          TOWPATH_TRY(key, endpoint_key(*after));
          key.push_back(std::byte{0});  // the least key behind it
        }
        while (records.size() < limit) {
          TOWPATH_TRY(const auto entry, txn.at_or_after(key));
          if (!entry || entry->key.empty() || entry->key[0] != kEndpointKind) break;
          TOWPATH_TRY(EndpointRecord record, decode_endpoint(entry->key, entry->value));
          records.push_back(std::move(record));
          key.assign(entry->key.begin(), entry->key.end());
          key.push_back(std::byte{0});
        }
        return records;
      }(),
      lmdb);
}

bool StateStore::is_in_place() const {
  return environment_->lmdb->is_in_place();
}

Status StateStore::give_place() const {
  return environment_->lmdb->give_place();
}

std::uint64_t StateStore::last_change() const {
  MDB_envinfo info{};
  mdb_env_info(environment_->lmdb->get(), &info);
  return info.me_last_txnid;
}

Result<std::vector<Allocation>> StateStore::allocations() const {
  TOWPATH_TRY(const std::vector<EndpointRecord> records, endpoints());
  std::vector<Allocation> allocations;
  for (const EndpointRecord& record : records) {
    for (const BlockAddress& address : record.allocated) {
      allocations.push_back({address.address, address.block, record.attachment, record.network,
                             record.sandbox_inode, record.created, record.generation, record.state});
    }
  }
  std::ranges::sort(allocations, {}, &Allocation::address);
  return allocations;
}

Result<std::vector<Block>> StateStore::blocks() const {
  const LmdbEnvironment& lmdb = *environment_->lmdb;
  return name_file(
      [&]() -> Result<std::vector<Block>> {
        TOWPATH_TRY(auto txn, begin_read(lmdb));
        TOWPATH_TRY(const auto stored, BlockTable(txn, environment_->boot.uptime()).list());
        std::vector<Block> blocks;
        TOWPATH_TRY(const bool earlier, is_of_earlier_boot(txn, environment_->boot));
        for (const StoredBlock& block : stored) {
          Block view = block.view();
          if (earlier) view.resting += std::exchange(view.used, 0);
          blocks.push_back(view);
        }
        return blocks;
      }(),
      lmdb);
}

Status StateStore::can_allocate(const AddressChoice& choice) const {
  const LmdbEnvironment& lmdb = *environment_->lmdb;
  return name_file(
      [&]() -> Status {
        TOWPATH_TRY_STATUS(leave_room(lmdb));
        TOWPATH_TRY(auto txn, begin_read(lmdb));
        const BlockTable table(txn, environment_->boot.uptime());
        TOWPATH_TRY(auto blocks, table.eligible(choice));
        return table.check_available(blocks, choice);
      }(),
      lmdb);
}

Status StateStore::set_owned_blocks(std::span<const Prefix> owned, std::span<const Prefix> pools) {
  const LmdbEnvironment& lmdb = *environment_->lmdb;
  return name_file(
      [&]() -> Status {
        TOWPATH_TRY(auto txn, begin_write(lmdb, environment_->boot));
        BlockTable table(txn, environment_->boot.uptime());
        TOWPATH_TRY(const auto coming_home, release_borrowed(table, owned));
        TOWPATH_TRY_STATUS(table.set_owned(owned));
        TOWPATH_TRY_STATUS(bring_home(txn, table, coming_home));
        TOWPATH_TRY_STATUS(table.set_pools(pools));
        return txn.commit();
      }(),
      lmdb);
}

Result<int> StateStore::clear_dead_readers() {
  int dead = 0;
  if (const int code = mdb_reader_check(environment_->lmdb->get(), &dead)) {
    return std::unexpected(environment_->lmdb->error(code, "look for dead readers"));
  }
  return dead;
}

}  // namespace towpath::ipam
