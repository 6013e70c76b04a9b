#include "ipam/block_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace towpath::ipam {
namespace {

// Addresses of one block that rest at the same time; beyond, the oldest counts as never used. So a block of
// IPv6 does not remember all that it ever gave out.
constexpr std::uint64_t kMaxResting = 65536;

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

std::string names(std::span<const Prefix> prefixes) {
  std::string text;
  for (const Prefix& prefix : prefixes) text += (text.empty() ? "" : ", ") + prefix.to_string();
  return text;
}

bool any_holds(std::span<const Prefix> prefixes, const IpAddress& address) {
  return std::ranges::any_of(prefixes, [&](const Prefix& prefix) { return prefix.contains(address); });
}

// Blocks that neither the agent nor a network configuration asks for, and empty ones that only a
// configuration named, give way to another one at the same place.
bool gives_way(const StoredBlock& block) {
  return block.head.used == 0 && (block.head.flags & BlockHead::kOwned) == 0;
}

std::unexpected<Error> overlap(ErrorKind kind, const Prefix& wanted, const Prefix& other,
                               std::uint64_t used) {
  return fail(kind, fmt::format("block {} overlaps block {}, which has {} addresses in use",
                                wanted.to_string(), other.to_string(), used));
}

// The blocks of the pool. A block that the pool covers in part only is a mistake of who configured it, and
// giving it out whole or leaving it out would hide that.
Result<std::vector<StoredBlock>> inside_pool(std::vector<StoredBlock> blocks, std::span<const Prefix> pool) {
  if (pool.empty()) return blocks;
  for (const StoredBlock& block : blocks) {
    for (const Prefix& prefix : pool) {
      if (prefix != block.prefix && block.prefix.contains(prefix)) {
        return fail(ErrorKind::kInvalid, fmt::format("pool {} is smaller than the block {} of this host",
                                                     prefix.to_string(), block.prefix.to_string()));
      }
    }
  }
  std::erase_if(blocks, [&](const StoredBlock& block) {
    return std::ranges::none_of(pool, [&](const Prefix& prefix) { return prefix.contains(block.prefix); });
  });
  if (!blocks.empty()) return blocks;
  return fail(ErrorKind::kNotFound, fmt::format("this host has no block inside the pool {}", names(pool)));
}

std::string in_seconds(std::uint64_t nanoseconds) {
  return fmt::format("{} s", (nanoseconds + 999'999'999) / 1'000'000'000);
}

std::vector<OffsetSpan> allowed(const Prefix& block, const AddressChoice& choice) {
  if (!choice.gateway) return allowed_offsets(block, choice.ranges, choice.excluded);
  std::vector<AddressRange> excluded = choice.excluded;
  excluded.push_back({gateway_of(block), gateway_of(block)});
  if (const auto broadcast = broadcast_of(block)) excluded.push_back({*broadcast, *broadcast});
  return allowed_offsets(block, choice.ranges, excluded);
}

// Whoever is on a link looks for all of the block there, and its gateway may have the address of a container
// that is not: so a block serves one kind of containers at a time.
Result<std::vector<StoredBlock>> of_one_kind(std::vector<StoredBlock> blocks, const AddressChoice& choice) {
  const std::string all = names(blocks, AddressFamily::kIpv4) + names(blocks, AddressFamily::kIpv6);
  const bool had_any = !blocks.empty();
  std::erase_if(blocks, [&](const StoredBlock& block) {
    return block.head.used != 0 && ((block.head.flags & BlockHead::kLink) != 0) != choice.gateway;
  });
  if (!blocks.empty() || !had_any) return blocks;
  return fail(ErrorKind::kExhausted,
              fmt::format("the addresses of {} are in use {} ipam.gateway, and a block serves one kind: set "
                          "ipam.blocks to others",
                          all, choice.gateway ? "without" : "with"));
}

}  // namespace

Block StoredBlock::view() const {
  Block block{prefix, BlockState::kRetired, head.used, head.resting};
  if ((head.flags & BlockHead::kBorrowed) != 0) block.state = BlockState::kBorrowed;
  if ((head.flags & BlockHead::kConfigured) != 0) block.state = BlockState::kConfigured;
  if ((head.flags & BlockHead::kOwned) != 0) block.state = BlockState::kOwned;
  return block;
}

Result<std::vector<StoredBlock>> BlockTable::list() const {
  std::vector<StoredBlock> blocks;
  const std::array kind{kBlockKind};
  TOWPATH_TRY_STATUS(txn_.for_each(kind, [&](const LmdbTransaction::Entry& entry) -> Status {
    TOWPATH_TRY(const Prefix prefix, decode_block_key(entry.key));
    TOWPATH_TRY(const BlockHead head, decode_block_head(entry.value));
    blocks.push_back({prefix, head});
    return {};
  }));
  return blocks;
}

Result<std::vector<StoredBlock>> BlockTable::eligible(const AddressChoice& choice) const {
  TOWPATH_TRY(std::vector<StoredBlock> stored, list());
  if (choice.blocks.empty()) {
    std::erase_if(stored, [](const StoredBlock& b) { return (b.head.flags & BlockHead::kOwned) == 0; });
    if (stored.empty()) {
      return fail(ErrorKind::kNotFound,
                  fmt::format("this host owns no block of addresses in state store {}: start towpathd "
                              "with `blocks`, or set ipam.blocks",
                              txn_.environment().data_path()));
    }
    TOWPATH_TRY(auto own, inside_pool(std::move(stored), choice.pool));
    return of_one_kind(std::move(own), choice);
  }
  std::vector<StoredBlock> blocks;
  for (const Prefix& prefix : choice.blocks) {
    StoredBlock block{prefix, BlockHead{}};
    for (const StoredBlock& other : stored) {
      if (other.prefix == prefix) {
        block.head = other.head;
      } else if (other.prefix.overlaps(prefix) && !gives_way(other)) {
        return overlap(ErrorKind::kInvalid, prefix, other.prefix, other.head.used);
      }
    }
    block.head.flags |= BlockHead::kConfigured;
    blocks.push_back(block);
  }
  TOWPATH_TRY(blocks, inside_pool(std::move(blocks), choice.pool));
  return of_one_kind(std::move(blocks), choice);
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
  if ((head.flags & ~(BlockHead::kBorrowed | BlockHead::kLink)) == 0 && head.used == 0) return drop(block);
  return txn_.put(block_key(block), encode(head));
}

Status BlockTable::set_bit(const Prefix& block, std::uint64_t offset, bool value) {
  const std::uint64_t index = offset / kChunkBits;
  TOWPATH_TRY(BitmapChunk chunk, load_chunk(block, index));
  if (value) {
    chunk.set(offset % kChunkBits);
  } else {
    chunk.clear(offset % kChunkBits);
  }
  return store_chunk(block, index, chunk);
}

Status BlockTable::drop(const Prefix& block) {
  TOWPATH_TRY_STATUS(txn_.remove_all(chunk_keys(block)));
  TOWPATH_TRY_STATUS(txn_.remove_all(resting_keys(block)));
  return txn_.remove(block_key(block));
}

Result<std::optional<Resting>> BlockTable::next_resting(const Prefix& block,
                                                        const std::optional<Resting>& after) const {
  const Bytes keys = resting_keys(block);
  Bytes from = keys;
  if (after) {
    from = resting_key(block, *after);
    from.push_back(std::byte{0});  // the least key behind it
  }
  TOWPATH_TRY(const auto entry, txn_.at_or_after(from));
  if (!entry || entry->key.size() < keys.size() ||
      !std::equal(keys.begin(), keys.end(), entry->key.begin())) {
    return std::nullopt;
  }
  TOWPATH_TRY(const Resting resting, decode_resting_key(entry->key));
  return resting;
}

Result<std::optional<std::uint64_t>> BlockTable::find_unused(const StoredBlock& block,
                                                             std::span<const OffsetSpan> spans) const {
  if (block.head.used + block.head.resting >= block.view().size()) return std::nullopt;
  return choose_clear(spans, block.head.next,
                      [&](std::uint64_t index) { return load_chunk(block.prefix, index); });
}

Result<BlockTable::Candidate> BlockTable::choose(AddressFamily family, std::span<StoredBlock> blocks,
                                                 const AddressChoice& choice) const {
  std::vector<std::pair<StoredBlock*, std::vector<OffsetSpan>>> places;
  for (StoredBlock& block : blocks) {
    if (!of_family(block, family)) continue;
    places.emplace_back(&block, allowed(block.prefix, choice));
    TOWPATH_TRY(const auto offset, find_unused(block, places.back().second));
    if (offset) return Candidate{&block, *offset, std::nullopt};
  }
  std::optional<Candidate> oldest;
  for (const auto& [block, spans] : places) {
    std::optional<Resting> resting;
    do {
      TOWPATH_TRY(resting, next_resting(block->prefix, resting));
    } while (resting && std::ranges::none_of(
                            spans, [&](const OffsetSpan& span) { return span.contains(resting->offset); }));
    if (resting && (!oldest || resting->since < oldest->resting->since)) {
      oldest = Candidate{block, resting->offset, resting};
    }
  }
  const std::string no_address =
      fmt::format("no free {} address in {}", format(family), names(blocks, family));
  if (!oldest) return fail(ErrorKind::kExhausted, no_address);
  const auto cool_down = static_cast<std::uint64_t>(std::chrono::nanoseconds(choice.cool_down).count());
  const std::uint64_t rested = uptime_ - std::min(uptime_, oldest->resting->since);
  if (rested < cool_down) {
    return fail(ErrorKind::kExhausted, fmt::format("{}: those that were in use rest, the first for {} more",
                                                   no_address, in_seconds(cool_down - rested)));
  }
  return *oldest;
}

Result<BlockTable::Candidate> BlockTable::find_asked(const IpAddress& address, std::span<StoredBlock> blocks,
                                                     const AddressChoice& choice) const {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorKind::kInvalid, fmt::format("address {} {}", address.to_string(), why));
  };
  const auto block =
      std::ranges::find_if(blocks, [&](const StoredBlock& b) { return b.prefix.contains(address); });
  if (block == blocks.end()) {
    const std::string known = names(blocks, address.family());
    std::string why =
        known.empty() ? fmt::format("is {}, and there is no block of that family", format(address.family()))
                      : fmt::format("lies in none of the blocks {}", known);
    TOWPATH_TRY(const auto all, pools());
    if (!choice.keys.empty() && all && any_holds(*all, address))
      why += " of this host; with ipam.borrow it can be one of another host's";
    return refuse(why);
  }
  if (!choice.ranges.empty() && !any_contains(choice.ranges, address))
    return refuse("lies outside the ranges");
  const std::uint64_t offset = address.offset_from(block->prefix.address());
  if (offset < first_usable_offset(block->prefix)) {
    return refuse(
        fmt::format("is the first of the block {}, which serves no container", block->prefix.to_string()));
  }
  if (choice.gateway && address == gateway_of(block->prefix))
    return refuse(fmt::format("is the gateway of the block {}", block->prefix.to_string()));
  if (choice.gateway && address == broadcast_of(block->prefix))
    return refuse(fmt::format("is the broadcast address of the block {}", block->prefix.to_string()));
  TOWPATH_TRY(const BitmapChunk chunk, load_chunk(block->prefix, offset / kChunkBits));
  if (!chunk.test(offset % kChunkBits)) return Candidate{&*block, offset, std::nullopt};
  std::optional<Resting> resting;
  do {
    TOWPATH_TRY(resting, next_resting(block->prefix, resting));
  } while (resting && resting->offset != offset);
  if (resting) return Candidate{&*block, offset, resting};
  return fail(ErrorKind::kConflict, fmt::format("address {} is in use", address.to_string()));
}

Result<BlockAddress> BlockTable::take(const Candidate& candidate, bool on_link) {
  StoredBlock& block = *candidate.block;
  // Of the first address that is in use all others are.
  if (block.head.used == 0) {
    block.head.flags = static_cast<std::uint8_t>(on_link ? block.head.flags | BlockHead::kLink
                                                         : block.head.flags & ~BlockHead::kLink);
  }
  block.head.used += 1;
  if (candidate.resting) {
    TOWPATH_TRY_STATUS(txn_.remove(resting_key(block.prefix, *candidate.resting)));
    block.head.resting -= std::min<std::uint64_t>(block.head.resting, 1);
  } else {
    TOWPATH_TRY_STATUS(set_bit(block.prefix, candidate.offset, true));
  }
  TOWPATH_TRY_STATUS(store_head(block.prefix, block.head));
  return BlockAddress{block.prefix.address().plus(candidate.offset), block.prefix};
}

// A block of its own, of one address, so that whoever counts, lists or checks finds it like any other.
Result<BlockAddress> BlockTable::borrow(const IpAddress& address, std::span<const StoredBlock> eligible,
                                        const AddressChoice& choice) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorKind::kInvalid, fmt::format("address {} {}", address.to_string(), why));
  };
  if (!choice.ranges.empty() && !any_contains(choice.ranges, address))
    return refuse("lies outside the ranges");
  TOWPATH_TRY(const auto all, pools());
  if (!all) {
    return fail(ErrorKind::kNotFound,
                fmt::format("address {} cannot be borrowed: towpathd has not said yet which pools there are",
                            address.to_string()));
  }
  if (!any_holds(*all, address)) {
    return refuse(all->empty() ? "cannot be borrowed: towpathd has no `pools`"
                               : fmt::format("lies in none of the pools {}", names(*all)));
  }
  if (!choice.pool.empty() && !any_holds(choice.pool, address))
    return refuse(fmt::format("lies outside the pool {}", names(choice.pool)));
  TOWPATH_TRY(const std::vector<StoredBlock> stored, list());
  const BlockAddress borrowed{address, Prefix::host(address)};
  for (const StoredBlock& other : stored) {
    if (!other.prefix.contains(address)) continue;
    const bool is_ours = other.view().state != BlockState::kBorrowed;
    if (!is_ours && other.head.used != 0)
      return fail(ErrorKind::kConflict, fmt::format("address {} is in use", address.to_string()));
    const bool is_wanted = std::ranges::find(eligible, other.prefix, &StoredBlock::prefix) != eligible.end();
    if (is_ours && (is_wanted || !gives_way(other)))
      return refuse(fmt::format("lies in the block {} of this host, which is not for this network",
                                other.prefix.to_string()));
    TOWPATH_TRY_STATUS(drop(other.prefix));
  }
  TOWPATH_TRY_STATUS(store_head(borrowed.block, BlockHead{.flags = BlockHead::kBorrowed, .used = 1}));
  TOWPATH_TRY_STATUS(set_bit(borrowed.block, 0, true));
  return borrowed;
}

// An empty configured block of the past that lies across one of these has nothing to protect, and would count
// twice.
Status BlockTable::make_room(std::span<StoredBlock> blocks) {
  TOWPATH_TRY(const std::vector<StoredBlock> stored, list());
  for (const StoredBlock& other : stored) {
    const bool in_the_way = std::ranges::any_of(blocks, [&](const StoredBlock& block) {
      return block.prefix != other.prefix && block.prefix.overlaps(other.prefix);
    });
    if (in_the_way && gives_way(other)) TOWPATH_TRY_STATUS(drop(other.prefix));
  }
  return {};
}

Result<std::vector<BlockAddress>> BlockTable::take(std::span<StoredBlock> blocks,
                                                   const AddressChoice& choice) {
  if (!choice.blocks.empty()) TOWPATH_TRY_STATUS(make_room(blocks));
  const auto take_named = [&](const IpAddress& address) -> Result<BlockAddress> {
    const bool is_own =
        std::ranges::any_of(blocks, [&](const StoredBlock& b) { return b.prefix.contains(address); });
    if (choice.borrow && !is_own) return borrow(address, blocks, choice);
    TOWPATH_TRY(const Candidate candidate, find_asked(address, blocks, choice));
    return take(candidate, choice.gateway);
  };
  std::vector<BlockAddress> taken;
  for (std::size_t i = 0; i < choice.addresses.size(); ++i) {
    auto named = take_named(choice.addresses[i]);
    if (!named && i < choice.keys.size())
      return std::unexpected(std::move(named).error().with_context(choice.keys[i]));
    TOWPATH_TRY(const BlockAddress address_of_block, std::move(named));
    taken.push_back(address_of_block);
  }
  for (const AddressFamily family : kFamilies) {
    if (std::ranges::find(choice.addresses, family, &IpAddress::family) != choice.addresses.end()) continue;
    if (std::ranges::none_of(blocks, [&](const StoredBlock& b) { return of_family(b, family); })) continue;
    TOWPATH_TRY(const Candidate candidate, choose(family, blocks, choice));
    if (!candidate.resting) candidate.block->head.next = candidate.offset + 1;
    TOWPATH_TRY(const BlockAddress address_of_block, take(candidate, choice.gateway));
    taken.push_back(address_of_block);
  }
  return taken;
}

Result<BlockAddress> BlockTable::take_asked(std::span<StoredBlock> blocks, const IpAddress& address) {
  TOWPATH_TRY(const Candidate candidate, find_asked(address, blocks, {}));
  return take(candidate, false);
}

Status BlockTable::check_available(std::span<StoredBlock> blocks, const AddressChoice& choice) const {
  for (const AddressFamily family : kFamilies) {
    if (std::ranges::none_of(blocks, [&](const StoredBlock& b) { return of_family(b, family); })) continue;
    TOWPATH_TRY_STATUS(choose(family, blocks, choice));
  }
  return {};
}

Status BlockTable::give_back(const BlockAddress& address, bool has_served) {
  const Prefix& block = address.block;
  TOWPATH_TRY(const auto stored, txn_.get(block_key(block)));
  if (!stored) return {};
  TOWPATH_TRY(BlockHead head, decode_block_head(*stored));
  // When it may come again is for its owner to say.
  if ((head.flags & BlockHead::kBorrowed) != 0) return drop(block);
  head.used -= std::min<std::uint64_t>(head.used, 1);
  head.resting += 1;
  const Resting resting{has_served ? uptime_ : 0, address.address.offset_from(block.address())};
  TOWPATH_TRY_STATUS(txn_.put(resting_key(block, resting), {}));
  if (head.resting > kMaxResting) {
    TOWPATH_TRY(const auto oldest, next_resting(block, std::nullopt));
    if (oldest) {
      TOWPATH_TRY_STATUS(txn_.remove(resting_key(block, *oldest)));
      TOWPATH_TRY_STATUS(set_bit(block, oldest->offset, false));
      head.resting -= 1;
    }
  }
  return store_head(block, head);
}

Status BlockTable::replace(const BlockContents& contents) {
  const Prefix& block = contents.block.prefix;
  BlockHead head;
  TOWPATH_TRY(const auto stored, txn_.get(block_key(block)));
  if (stored) {
    TOWPATH_TRY(head, decode_block_head(*stored));
  }
  TOWPATH_TRY_STATUS(txn_.remove_all(chunk_keys(block)));
  TOWPATH_TRY_STATUS(txn_.remove_all(resting_keys(block)));
  for (std::size_t i = 0; i < contents.marked.size();) {
    const std::uint64_t index = contents.marked[i] / kChunkBits;
    BitmapChunk chunk;
    for (; i < contents.marked.size() && contents.marked[i] / kChunkBits == index; ++i)
      chunk.set(contents.marked[i] % kChunkBits);
    TOWPATH_TRY_STATUS(store_chunk(block, index, chunk));
  }
  for (const RestingAddress& resting : contents.resting) {
    const Resting entry{static_cast<std::uint64_t>(resting.since.count()), resting.offset};
    TOWPATH_TRY_STATUS(txn_.put(resting_key(block, entry), {}));
  }
  head.used = contents.block.used;
  head.resting = contents.block.resting;
  return store_head(block, head);
}

Status BlockTable::restart_rest() {
  TOWPATH_TRY(const std::vector<StoredBlock> blocks, list());
  for (const StoredBlock& block : blocks) {
    std::vector<std::uint64_t> in_order;
    std::optional<Resting> resting;
    for (;;) {
      TOWPATH_TRY(resting, next_resting(block.prefix, resting));
      if (!resting) break;
      in_order.push_back(resting->offset);
    }
    TOWPATH_TRY_STATUS(txn_.remove_all(resting_keys(block.prefix)));
    for (std::size_t i = 0; i < in_order.size(); ++i) {
      TOWPATH_TRY_STATUS(txn_.put(resting_key(block.prefix, {i, in_order[i]}), {}));
    }
  }
  return {};
}

Status BlockTable::mark(const BlockAddress& address) {
  TOWPATH_TRY(const auto stored, txn_.get(block_key(address.block)));
  if (!stored) return fail(ErrorKind::kNotFound, fmt::format("no block {}", address.block.to_string()));
  TOWPATH_TRY(BlockHead head, decode_block_head(*stored));
  head.used += 1;
  TOWPATH_TRY_STATUS(set_bit(address.block, address.address.offset_from(address.block.address()), true));
  return store_head(address.block, head);
}

Result<std::optional<std::vector<Prefix>>> BlockTable::pools() const {
  TOWPATH_TRY(const auto stored, txn_.get(pools_key()));
  if (!stored) return std::nullopt;
  return decode_pools(*stored);
}

Status BlockTable::set_pools(std::span<const Prefix> pools) {
  return txn_.put(pools_key(), encode_pools(pools));
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
        return overlap(ErrorKind::kConflict, wanted, other.prefix, other.head.used);
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
    if (!known) TOWPATH_TRY_STATUS(store_head(prefix, BlockHead{.flags = BlockHead::kOwned}));
  }
  return {};
}

}  // namespace towpath::ipam
