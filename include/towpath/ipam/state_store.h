// StateStore: the state of this host's containers on disk: blocks, their bitmaps, and endpoint records.
//
// Model
//   One LMDB environment in <state_dir>/db; docs/state-store.md has the record format. Every call is one
//   transaction. An ADD is two: reserve() writes the intent, commit() makes it live, and no lock is held in
//   between, while the kernel works. A process killed at any instant leaves the last committed transaction,
//   so at worst a pending record, which DEL and GC release like any other. An endpoint is changed only by
//   compare: commit() and release() name the generation that reserve() returned, and do nothing if somebody
//   else has replaced the record since.
//
// A new boot
//   No container outlives the boot of its host, and inode numbers of sandboxes come back. So endpoints that
//   were attached in another boot are not there for readers any more, and the first one who writes removes
//   them. What rests has then done so since the boot began.
//
// Who writes
//   Plugin processes, any number at once. The agent writes the list of owned blocks and releases endpoints
//   whose sandbox is gone. towpathctl, when an operator says so.
//
// Ownership and lifetime
//   Move-only; closes the environment. LMDB allows a process one handle for each environment: a second open()
//   of the same directory while the first lives is a kConflict error. Not for use across fork().
//
// Threading: one thread at a time.
//
// Failure
//   kNotFound: no store there (OpenMode::kExisting), or no block to allocate from. kExhausted: no address, or
//   no space. kCorrupt: damaged; kUnsupported: written by a newer version. Both name the file and what to do.
//   A call that fails has changed nothing.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "towpath/base/clock.h"
#include "towpath/base/error.h"
#include "towpath/base/prefix.h"
#include "towpath/ipam/address_choice.h"
#include "towpath/ipam/allocation.h"
#include "towpath/ipam/attachment_id.h"
#include "towpath/ipam/block.h"
#include "towpath/ipam/endpoint_record.h"
#include "towpath/ipam/store_guard.h"
#include "towpath/ipam/store_snapshot.h"

namespace towpath::ipam {

struct HostBoot;

inline constexpr const char* kDefaultStateDir = "/run/towpath";

struct ReserveRequest {
  AttachmentId attachment;
  std::string network;
  std::string sandbox;
  std::uint64_t sandbox_inode = 0;
  WallTime now;
  AllocationState state = AllocationState::kPending;
  std::string ipam_type = "towpath-ipam";
  AddressChoice choice;
  // False: another IPAM plugin gives the addresses; the record only says that an ADD is under way.
  bool allocate = true;
  // The generation of a record that this one replaces; its addresses are released in the same transaction.
  std::optional<std::uint64_t> replaces;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> pod;
};

// Addresses that another IPAM plugin gave, and that are to be ours.
struct Adoption {
  AttachmentId attachment{};
  std::string network{};
  std::vector<IpAddress> addresses{};  // at least one
  std::string sandbox{};               // empty: not known
  std::uint64_t sandbox_inode = 0;
  WallTime now{};
  std::string origin{};  // where this is written, for messages: they begin with "origin/address: "
};

struct Adopted {
  EndpointRecord record{};
  bool is_new = true;  // false: the store had exactly this already
};

class StateStore {
 public:
  enum class OpenMode {
    kCreate,    // make the directory and the environment if they are not there
    kExisting,  // kNotFound if they are not there
  };

  static Result<StateStore> open(const std::string& state_dir, OpenMode mode,
                                 StoreLook look = StoreLook::kBrief);
  // With another boot than that of this host, for tests.
  static Result<StateStore> open(const std::string& state_dir, OpenMode mode, StoreLook look, HostBoot boot);
  StateStore(StateStore&&) noexcept;
  StateStore& operator=(StateStore&&) noexcept;
  ~StateStore();

  // Writes the record of a beginning ADD and takes its addresses, all or nothing.
  // kExists: the attachment has a record, and `replaces` is not its generation (see find()). kNotFound: no
  // block to allocate from. kExhausted: a family has no free address, or only such that must rest. kConflict:
  // an address asked for is in use. kInvalid: it is not ours to give; a configured block overlaps another
  // one.
  Result<EndpointRecord> reserve(const ReserveRequest& request);
  // Replaces the pending record of the same attachment and generation. kConflict: it is not there any more.
  Status commit(const EndpointRecord& record);
  // Removes the record and frees its addresses if its generation is still this one. False: it was not.
  Result<bool> release(const AttachmentId& attachment, std::uint64_t generation);

  // Takes the addresses of all of them, or none, from the blocks that the host owns or that a network named.
  // An endpoint of ours that has just these addresses from another IPAM plugin keeps its record, which from
  // then on says that they are ours. kInvalid: an address lies in none of the blocks. kConflict: it is in use
  // otherwise, or the attachment has others. kNotFound: there is no block.
  Result<std::vector<Adopted>> adopt(std::span<const Adoption> wanted);

  Result<std::optional<EndpointRecord>> find(const AttachmentId& attachment) const;
  // Ordered by container id and interface name.
  Result<std::vector<EndpointRecord>> endpoints() const;
  // The first `limit` of them behind `after`, or from the beginning.
  Result<std::vector<EndpointRecord>> endpoints_after(const std::optional<AttachmentId>& after,
                                                      std::size_t limit) const;
  // False once somebody has removed or replaced the files of the store: then nobody else sees what is written
  // here, and a new open() finds, or makes, what others see.
  bool is_in_place() const;
  // Where only the data file is another, or none: takes the lock file away, which a new open() must not share
  // with this one.
  Status give_place() const;
  // A number that grows with every change that anybody makes to the store.
  std::uint64_t last_change() const;
  // Ordered by address.
  Result<std::vector<Allocation>> allocations() const;
  // Ordered by prefix.
  Result<std::vector<Block>> blocks() const;
  // All of it. The records are those of the store, also if they are of an earlier boot.
  Result<StoreSnapshot> snapshot() const;
  // Whether reserve() would find an address for each family; errors as there. What is asked by name does not
  // count.
  Status can_allocate(const AddressChoice& choice) const;

  // The agent's list of the blocks that this host owns, and of the pools in which the blocks of all hosts
  // lie. Blocks that leave the list are retired, or dropped if empty; a borrowed address that lies in a new
  // one is an ordinary address of it from now on. kConflict, and nothing changed, if two overlap, or one
  // overlaps another block that is in use.
  Status set_owned_blocks(std::span<const Prefix> owned, std::span<const Prefix> pools = {});
  // Makes bitmaps, lists of what rests and numbers anew from the records; the records stay as they are. An
  // address that is marked for nobody rests from now on, unless it is in `in_use`.
  Status rebuild_indexes(const std::set<IpAddress>& in_use);
  // Forgets readers that died inside a transaction, whose snapshots keep pages from being used again. For the
  // agent, now and then; returns how many there were.
  Result<int> clear_dead_readers();

 private:
  struct Environment;
  explicit StateStore(std::unique_ptr<Environment> environment);
  std::unique_ptr<Environment> environment_;
};

}  // namespace towpath::ipam
