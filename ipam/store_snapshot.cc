#include "towpath/ipam/store_snapshot.h"

#include <algorithm>
#include <array>
#include <map>

#include "ipam/block_table.h"
#include "ipam/index_audit.h"
#include "ipam/record_codec.h"
#include "ipam/store_transaction.h"

namespace towpath::ipam {
namespace {

using Contents = std::map<Prefix, BlockContents>;

// Also indexes of a block that is not listed, which a sound store does not have.
BlockContents& contents_of(Contents& contents, const Prefix& block) {
  const auto [entry, is_new] = contents.try_emplace(block);
  if (is_new) entry->second = {.block = {.prefix = block, .state = BlockState::kRetired}, .stored = false};
  return entry->second;
}

Status read_blocks(LmdbTransaction& txn, std::chrono::nanoseconds uptime, Contents& contents) {
  TOWPATH_TRY(const auto stored, BlockTable(txn, uptime).list());
  for (const StoredBlock& block : stored) contents[block.prefix] = {.block = block.view()};
  return {};
}

Status read_bitmaps(const LmdbTransaction& txn, Contents& contents) {
  const std::array kind{kChunkKind};
  return txn.for_each(kind, [&](const LmdbTransaction::Entry& entry) -> Status {
    TOWPATH_TRY(const Prefix block, decode_block_of_index(entry.key));
    TOWPATH_TRY(const std::uint64_t index, decode_chunk_index(entry.key));
    TOWPATH_TRY(const BitmapChunk chunk, BitmapChunk::decode(entry.value));
    std::vector<std::uint64_t>& marked = contents_of(contents, block).marked;
    const std::uint64_t bits = entry.value.size() * 8;
    for (std::uint64_t bit = 0; bit < bits; ++bit) {
      if (chunk.test(bit)) marked.push_back(index * kChunkBits + bit);
    }
    return {};
  });
}

Status read_resting(const LmdbTransaction& txn, Contents& contents) {
  const std::array kind{kRestingKind};
  return txn.for_each(kind, [&](const LmdbTransaction::Entry& entry) -> Status {
    TOWPATH_TRY(const Prefix block, decode_block_of_index(entry.key));
    TOWPATH_TRY(const Resting resting, decode_resting_key(entry.key));
    contents_of(contents, block).resting.push_back({resting.offset, std::chrono::nanoseconds(resting.since)});
    return {};
  });
}

Result<StoreSnapshot> read_all(LmdbTransaction& txn, const HostBoot& boot) {
  StoreSnapshot snapshot;
  snapshot.uptime = boot.uptime();
  TOWPATH_TRY(snapshot.of_earlier_boot, is_of_earlier_boot(txn, boot));
  Contents contents;
  TOWPATH_TRY_STATUS(read_blocks(txn, snapshot.uptime, contents));
  TOWPATH_TRY_STATUS(read_bitmaps(txn, contents));
  TOWPATH_TRY_STATUS(read_resting(txn, contents));
  snapshot.blocks.reserve(contents.size());
  for (auto& [prefix, block] : contents) snapshot.blocks.push_back(std::move(block));
  TOWPATH_TRY(snapshot.records, load_all(txn));
  return snapshot;
}

}  // namespace

Result<StoreSnapshot> StateStore::snapshot() const {
  const LmdbEnvironment& lmdb = *environment_->lmdb;
  return name_file(
      [&]() -> Result<StoreSnapshot> {
        TOWPATH_TRY(auto txn, begin_read(lmdb));
        return read_all(txn, environment_->boot);
      }(),
      lmdb);
}

Status StateStore::rebuild_indexes(const std::set<IpAddress>& in_use) {
  const LmdbEnvironment& lmdb = *environment_->lmdb;
  return name_file(
      [&]() -> Status {
        TOWPATH_TRY(auto txn, begin_write(lmdb, environment_->boot));
        TOWPATH_TRY(const StoreSnapshot snapshot, read_all(txn, environment_->boot));
        BlockTable table(txn, snapshot.uptime);
        const std::vector<BlockContents> sound = sound_indexes(snapshot, in_use);
        for (const BlockContents& block : snapshot.blocks) {
          const auto wanted = std::ranges::find_if(
              sound, [&](const BlockContents& b) { return b.block.prefix == block.block.prefix; });
          if (wanted == sound.end()) {
            TOWPATH_TRY_STATUS(table.drop(block.block.prefix));
          } else if (*wanted != block) {
            TOWPATH_TRY_STATUS(table.replace(*wanted));
          }
        }
        return txn.commit();
      }(),
      lmdb);
}

}  // namespace towpath::ipam
