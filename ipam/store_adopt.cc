// Addresses that somebody else gave become those of the store.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "ipam/block_table.h"
#include "ipam/store_transaction.h"

namespace towpath::ipam {
namespace {

class Adopter {
 public:
  Adopter(LmdbTransaction& txn, std::chrono::nanoseconds uptime) : txn_(txn), table_(txn, uptime) {}

  Status begin() {
    TOWPATH_TRY(blocks_, table_.list());
    std::erase_if(blocks_, [](const StoredBlock& b) { return b.view().state == BlockState::kRetired; });
    if (!blocks_.empty()) return {};
    return fail(ErrorKind::kNotFound,
                fmt::format("state store {} has no block of addresses: start towpathd with `blocks`",
                            txn_.environment().data_path()));
  }

  Result<Adopted> adopt(const Adoption& wanted) {
    TOWPATH_TRY(auto record, load_record(txn_, wanted.attachment));
    if (record && is_same(*record, wanted)) {
      if (!record->allocated.empty()) return Adopted{*std::move(record), false};
      // It is attached by `towpath`, and only its addresses came from elsewhere.
      if (record->state != AllocationState::kLive)
        return refuse(wanted, wanted.addresses.front(), ErrorKind::kConflict, "its ADD is under way");
    } else if (record) {
      return refuse(wanted, wanted.addresses.front(), ErrorKind::kConflict,
                    fmt::format("{} is attached to network {} already, with other addresses",
                                wanted.attachment.to_string(), record->network));
    } else {
      record = new_record(wanted);
    }
    record->generation = txn_.id();
    record->ipam_type = kOwnIpamType;
    for (const IpAddress& address : wanted.addresses) {
      auto taken = table_.take_asked(blocks_, address);
      if (!taken) return refuse_address(wanted, address, std::move(taken.error()));
      record->allocated.push_back(*taken);
    }
    TOWPATH_TRY_STATUS(store_record(txn_, *record));
    return Adopted{*std::move(record), true};
  }

 private:
  static bool is_same(const EndpointRecord& record, const Adoption& wanted) {
    return record.network == wanted.network && std::set(record.addresses.begin(), record.addresses.end()) ==
                                                   std::set(wanted.addresses.begin(), wanted.addresses.end());
  }

  static EndpointRecord new_record(const Adoption& wanted) {
    EndpointRecord record;
    record.attachment = wanted.attachment;
    record.network = wanted.network;
    record.sandbox = wanted.sandbox;
    record.sandbox_inode = wanted.sandbox_inode;
    record.created = wanted.now;
    record.state = AllocationState::kLive;
    record.addresses = wanted.addresses;
    return record;
  }

  // The store knows who has one that is in use.
  std::unexpected<Error> refuse_address(const Adoption& wanted, const IpAddress& address, Error why) const {
    if (why.kind == ErrorKind::kConflict) why.message += holder(txn_, address);
    return refuse(wanted, address, why.kind, why.message);
  }

  // The message says which address of whose list it is about.
  static std::unexpected<Error> refuse(const Adoption& wanted, const IpAddress& address, ErrorKind kind,
                                       std::string_view message) {
    return fail(kind, fmt::format("{}/{}: {}", wanted.origin, address.to_string(), message));
  }

  LmdbTransaction& txn_;
  BlockTable table_;
  std::vector<StoredBlock> blocks_;
};

}  // namespace

Result<std::vector<Adopted>> StateStore::adopt(std::span<const Adoption> wanted) {
  const LmdbEnvironment& lmdb = *environment_->lmdb;
  return name_file(
      [&]() -> Result<std::vector<Adopted>> {
        TOWPATH_TRY(auto txn, begin_write(lmdb, environment_->boot));
        Adopter adopter(txn, environment_->boot.uptime());
        TOWPATH_TRY_STATUS(adopter.begin());
        std::vector<Adopted> all;
        all.reserve(wanted.size());
        for (const Adoption& one : wanted) {
          TOWPATH_TRY(auto adopted, adopter.adopt(one));
          all.push_back(std::move(adopted));
        }
        TOWPATH_TRY_STATUS(txn.commit());
        return all;
      }(),
      lmdb);
}

}  // namespace towpath::ipam
