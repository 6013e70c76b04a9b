#include "ipam/block_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace towpath::ipam {
namespace {

constexpr std::array kFamilies{AddressFamily::kIpv4, AddressFamily::kIpv6};

bool of_family(const StoredBlock& block, AddressFamily family) {
  return block.prefix.family() == family;
}

std::string names(std::span<const StoredBlock> blocks, AddressFamily family) {
  std::string text;
  for (const StoredBlock& block : blocks) {
    if (!of_family(block, family)) continue;
    if (!text.empty()) text += ", ";
    text += block.prefix.to_string();
  }
  return text;
}

// Blocks that neither the agent nor a network configuration asks for, and empty ones that only a
// configuration named, give way to another one at the same place.
bool gives_way(const StoredBlock& block) {
  return block.head.used == 0 && (block.head.flags & BlockHead::kOwned) == 0;
}

std::unexpected<Error> overlap(const Prefix& wanted, const Prefix& other, std::uint64_t used) {
  return fail(ErrorKind::kConflict, fmt::format("block {} overlaps block {}, which has {} addresses in use",
                                                wanted.to_string(), other.to_string(), used));
}

}  // namespace

Block StoredBlock::view() const {
  Block block{prefix, BlockState::kRetired, head.used};
  if ((head.flags & BlockHead::kConfigured) != 0) block.state = BlockState::kConfigured;
  if ((head.flags & BlockHead::kOwned) != 0) block.state = BlockState::kOwned;
  return block;
}

Status check_free(std::span<const StoredBlock> blocks) {
  for (const AddressFamily family : kFamilies) {
    bool any = false;
    bool free = false;
    for (const StoredBlock& block : blocks) {
      if (!of_family(block, family)) continue;
      any = true;
      free = free || !block.full();
    }
    if (any && !free) {
      return fail(ErrorKind::kExhausted,
                  fmt::format("no free {} address in {}", format(family), names(blocks, family)));
    }
  }
  return {};
}

Result<std::vector<StoredBlock>> BlockTable::list() const {
  std::vector<StoredBlock> blocks;
  const std::array kind{kBlockKind};
  TOWPATH_TRY_STATUS(txn_.for_each(kind, [&](const LmdbTransaction::Entry& entry) -> Status {
    if (entry.key.size() != kBlockKeySize) return {};  // a bitmap chunk
    TOWPATH_TRY(const Prefix prefix, decode_block_key(entry.key));
    TOWPATH_TRY(const BlockHead head, decode_block_head(entry.value));
    blocks.push_back({prefix, head});
    return {};
  }));
  return blocks;
}

Result<std::vector<StoredBlock>> BlockTable::eligible(std::span<const Prefix> configured) const {
  TOWPATH_TRY(std::vector<StoredBlock> stored, list());
  if (configured.empty()) {
    std::erase_if(stored, [](const StoredBlock& b) { return (b.head.flags & BlockHead::kOwned) == 0; });
    if (stored.empty()) {
      return fail(ErrorKind::kNotFound,
                  fmt::format("this host owns no block of addresses in state store {}: start towpathd "
                              "with `blocks`, or set ipam.blocks",
                              txn_.environment().data_path()));
    }
    return stored;
  }
  std::vector<StoredBlock> blocks;
  for (const Prefix& prefix : configured) {
    StoredBlock block{prefix, BlockHead{}};
    for (const StoredBlock& other : stored) {
      if (other.prefix == prefix) {
        block.head = other.head;
      } else if (other.prefix.overlaps(prefix) && !gives_way(other)) {
        return overlap(prefix, other.prefix, other.head.used);
      }
    }
    block.head.flags |= BlockHead::kConfigured;
    blocks.push_back(block);
  }
  return blocks;
}

Result<BitmapChunk> BlockTable::load_chunk(const Prefix& block, std::uint64_t index) const {
  TOWPATH_TRY(const auto stored, txn_.get(chunk_key(block, index)));
  if (!stored) return BitmapChunk();
  return BitmapChunk::decode(*stored);
}

Status BlockTable::store_chunk(const Prefix& block, std::uint64_t index, const BitmapChunk& chunk) {
  const Bytes key = chunk_key(block, index);
  if (chunk.empty()) return txn_.remove(key);
  return txn_.put(key, chunk.encode());
}

Status BlockTable::store_head(const Prefix& block, const BlockHead& head) {
  const Bytes key = block_key(block);
  if (head.flags == 0 && head.used == 0) return txn_.remove(key);
  return txn_.put(key, encode(head));
}

Result<std::optional<BlockAddress>> BlockTable::take(StoredBlock& block) {
  TOWPATH_TRY(const auto offset, choose_offset(block.prefix, block.head.next, [&](std::uint64_t index) {
                return load_chunk(block.prefix, index);
              }));
  if (!offset) return std::nullopt;
  const std::uint64_t index = *offset / kChunkBits;
  TOWPATH_TRY(BitmapChunk chunk, load_chunk(block.prefix, index));
  chunk.set(*offset % kChunkBits);
  TOWPATH_TRY_STATUS(store_chunk(block.prefix, index, chunk));
  block.head.used += 1;
  block.head.next = *offset + 1;
  TOWPATH_TRY_STATUS(store_head(block.prefix, block.head));
  return BlockAddress{block.prefix.address().plus(*offset), block.prefix};
}

Result<std::vector<BlockAddress>> BlockTable::take_one_each(std::span<StoredBlock> blocks) {
  TOWPATH_TRY_STATUS(check_free(blocks));
  // An empty configured block of the past that lies across one of these has nothing to protect, and would
  // count twice.
  TOWPATH_TRY(const std::vector<StoredBlock> stored, list());
  for (const StoredBlock& other : stored) {
    const bool in_the_way = std::ranges::any_of(blocks, [&](const StoredBlock& block) {
      return block.prefix != other.prefix && block.prefix.overlaps(other.prefix);
    });
    if (in_the_way && gives_way(other)) TOWPATH_TRY_STATUS(txn_.remove(block_key(other.prefix)));
  }
  std::vector<BlockAddress> taken;
  for (const AddressFamily family : kFamilies) {
    for (StoredBlock& block : blocks) {
      if (!of_family(block, family) || block.full()) continue;
      TOWPATH_TRY(const auto address, take(block));
      if (!address) continue;
      taken.push_back(*address);
      break;
    }
  }
  return taken;
}

Status BlockTable::give_back(const BlockAddress& address) {
  TOWPATH_TRY(const auto stored, txn_.get(block_key(address.block)));
  if (!stored) return {};
  TOWPATH_TRY(BlockHead head, decode_block_head(*stored));
  const std::uint64_t offset = address.address.offset_from(address.block.address());
  const std::uint64_t index = offset / kChunkBits;
  TOWPATH_TRY(BitmapChunk chunk, load_chunk(address.block, index));
  if (!chunk.test(offset % kChunkBits)) return {};
  chunk.clear(offset % kChunkBits);
  TOWPATH_TRY_STATUS(store_chunk(address.block, index, chunk));
  if (head.used > 0) head.used -= 1;
  return store_head(address.block, head);
}

Status BlockTable::set_owned(std::span<const Prefix> owned) {
  TOWPATH_TRY(const std::vector<StoredBlock> stored, list());
  for (const Prefix& wanted : owned) {
    for (const Prefix& other : owned) {
      if (&wanted < &other && wanted.overlaps(other)) {
        return fail(ErrorKind::kConflict,
                    fmt::format("block {} overlaps block {}", wanted.to_string(), other.to_string()));
      }
    }
    for (const StoredBlock& other : stored) {
      if (other.prefix != wanted && other.prefix.overlaps(wanted) && other.head.used != 0) {
        return overlap(wanted, other.prefix, other.head.used);
      }
    }
  }
  for (const StoredBlock& block : stored) {
    BlockHead head = block.head;
    head.flags = static_cast<std::uint8_t>(head.flags & ~BlockHead::kOwned);
    const bool covered = std::ranges::any_of(
        owned, [&](const Prefix& p) { return p != block.prefix && p.overlaps(block.prefix); });
    if (covered) head.flags = 0;  // in use it would have been refused above
    if (std::ranges::find(owned, block.prefix) != owned.end()) head.flags |= BlockHead::kOwned;
    if (head != block.head) TOWPATH_TRY_STATUS(store_head(block.prefix, head));
  }
  for (const Prefix& prefix : owned) {
    const bool known = std::ranges::any_of(stored, [&](const StoredBlock& b) { return b.prefix == prefix; });
    if (!known) TOWPATH_TRY_STATUS(store_head(prefix, BlockHead{BlockHead::kOwned, 0, 0}));
  }
  return {};
}

}  // namespace towpath::ipam
