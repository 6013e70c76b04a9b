// The blocks of the state store inside one transaction: their list, and taking and giving back single
// addresses.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "ipam/allocator.h"
#include "ipam/lmdb_environment.h"
#include "ipam/record_codec.h"
#include "towpath/ipam/allocation.h"
#include "towpath/ipam/block.h"

namespace towpath::ipam {

struct StoredBlock {
  Prefix prefix;
  BlockHead head;

  Block view() const;
  bool full() const { return head.used >= view().size(); }
};

class BlockTable {
 public:
  // `txn` must outlive the table; the methods that write need a write transaction.
  explicit BlockTable(LmdbTransaction& txn) : txn_(txn) {}

  // Ordered by prefix.
  Result<std::vector<StoredBlock>> list() const;
  // The blocks to allocate from: those of `configured` or, if it is empty, the owned ones. Configured blocks
  // that are not stored yet come as empty ones. kNotFound: none. kConflict: a configured block overlaps one
  // that is in use.
  Result<std::vector<StoredBlock>> eligible(std::span<const Prefix> configured) const;
  // One address for each family among `blocks`, or an error and nothing. kExhausted names the family and its
  // blocks.
  Result<std::vector<BlockAddress>> take_one_each(std::span<StoredBlock> blocks);
  // Frees an address; one whose block is gone, or that is free, is fine.
  Status give_back(const BlockAddress& address);
  Status set_owned(std::span<const Prefix> owned);

 private:
  Result<BitmapChunk> load_chunk(const Prefix& block, std::uint64_t index) const;
  Status store_chunk(const Prefix& block, std::uint64_t index, const BitmapChunk& chunk);
  Status store_head(const Prefix& block, const BlockHead& head);
  Result<std::optional<BlockAddress>> take(StoredBlock& block);

  LmdbTransaction& txn_;
};

// kExhausted if a family that has blocks among `blocks` has no free address in any of them.
Status check_free(std::span<const StoredBlock> blocks);

}  // namespace towpath::ipam
