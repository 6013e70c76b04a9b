// The blocks of the state store inside one transaction: their list, and taking and giving back single
// addresses.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <vector>

#include "ipam/allocator.h"
#include "ipam/lmdb_environment.h"
#include "ipam/record_codec.h"
#include "towpath/ipam/address_choice.h"
#include "towpath/ipam/allocation.h"
#include "towpath/ipam/block.h"
#include "towpath/ipam/store_snapshot.h"

namespace towpath::ipam {

struct StoredBlock {
  Prefix prefix;
  BlockHead head;

  Block view() const;
};

class BlockTable {
 public:
  // `txn` must outlive the table; the methods that write need a write transaction. `uptime` of the host.
  BlockTable(LmdbTransaction& txn, std::chrono::nanoseconds uptime)
      : txn_(txn), uptime_(static_cast<std::uint64_t>(uptime.count())) {}

  // Ordered by prefix.
  Result<std::vector<StoredBlock>> list() const;
  // The blocks to allocate from. Configured blocks that are not stored yet come as empty ones. kNotFound:
  // none. kInvalid: a configured block overlaps one that is in use, or the pool is smaller than a block.
  Result<std::vector<StoredBlock>> eligible(const AddressChoice& choice) const;
  // The addresses of `choice` from `blocks`, or an error and nothing. kExhausted names the family and its
  // blocks. kConflict: one asked for by name is in use. kInvalid: it is none of these blocks'.
  Result<std::vector<BlockAddress>> take(std::span<StoredBlock> blocks, const AddressChoice& choice);
  // This one address. Errors as of take().
  Result<BlockAddress> take_asked(std::span<StoredBlock> blocks, const IpAddress& address);
  // Whether take() would find an address for each family.
  Status check_available(std::span<StoredBlock> blocks, const AddressChoice& choice) const;
  // Lets an address rest from now on, or, if it has served nobody, be the next one. One whose block is gone
  // is fine.
  Status give_back(const BlockAddress& address, bool has_served);
  // Writes the indexes and numbers of a block anew.
  Status replace(const BlockContents& contents);
  // The block with all its indexes; one that is not there is fine.
  Status drop(const Prefix& block);
  Status set_owned(std::span<const Prefix> owned);
  // Takes an address of a block that has given out none yet.
  Status mark(const BlockAddress& address);
  // The pools of which the agent has said that they are those of all hosts; nothing: it has said none.
  Result<std::optional<std::vector<Prefix>>> pools() const;
  Status set_pools(std::span<const Prefix> pools);
  // A new boot: what rests has done so since the boot began at least, in the order in which it was.
  Status restart_rest();

 private:
  // An address that may be given out: never used, or rested.
  struct Candidate {
    StoredBlock* block = nullptr;
    std::uint64_t offset = 0;
    std::optional<Resting> resting;
  };
  Result<BitmapChunk> load_chunk(const Prefix& block, std::uint64_t index) const;
  Status store_chunk(const Prefix& block, std::uint64_t index, const BitmapChunk& chunk);
  Status store_head(const Prefix& block, const BlockHead& head);
  Status set_bit(const Prefix& block, std::uint64_t offset, bool value);

  // The first address that rests behind `after` in the block's order.
  Result<std::optional<Resting>> next_resting(const Prefix& block, const std::optional<Resting>& after) const;
  Result<std::optional<std::uint64_t>> find_unused(const StoredBlock& block,
                                                   std::span<const OffsetSpan> spans) const;
  Result<Candidate> choose(AddressFamily family, std::span<StoredBlock> blocks,
                           const AddressChoice& choice) const;
  Result<Candidate> find_asked(const IpAddress& address, std::span<StoredBlock> blocks,
                               const AddressChoice& choice) const;
  Result<BlockAddress> take(const Candidate& candidate, bool on_link);
  Result<BlockAddress> borrow(const IpAddress& address, std::span<const StoredBlock> eligible,
                              const AddressChoice& choice);
  Status make_room(std::span<StoredBlock> blocks);

  LmdbTransaction& txn_;
  std::uint64_t uptime_;  // nanoseconds
};

}  // namespace towpath::ipam
