// The bytes of the state store's keys and values; the grammar is in docs/state-store.md.
//
// Decoding trusts nothing: what breaks the grammar is kCorrupt with the reason; the caller adds which file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/prefix.h"
#include "towpath/ipam/attachment_id.h"
#include "towpath/ipam/endpoint_record.h"

namespace towpath::ipam {

using Bytes = std::vector<std::byte>;

inline constexpr std::uint32_t kFormatVersion = 1;

// A block as stored; its bitmap lies in chunks beside it, and so do the addresses that rest.
struct BlockHead {
  static constexpr std::uint8_t kOwned = 1;
  static constexpr std::uint8_t kConfigured = 2;
  static constexpr std::uint8_t kBorrowed = 4;
  static constexpr std::uint8_t kLink = 8;  // its addresses in use lie on one link, which has a gateway

  std::uint8_t flags = 0;
  std::uint64_t used = 0;
  std::uint64_t resting = 0;  // were in use, and wait for their turn
  std::uint64_t next = 0;     // where the search for an address that was never in use begins
  friend bool operator==(const BlockHead&, const BlockHead&) = default;
};

Bytes format_key();
Bytes block_key(const Prefix& block);
Bytes chunk_key(const Prefix& block, std::uint64_t chunk_index);
// An address that rests, in the order in which they came to rest.
struct Resting {
  std::uint64_t since = 0;  // nanoseconds since the host's boot
  std::uint64_t offset = 0;
  friend bool operator==(const Resting&, const Resting&) = default;
};
Bytes resting_key(const Prefix& block, const Resting& resting);
// What the keys of all of a block's chunks, or of all its resting addresses, begin with.
Bytes chunk_keys(const Prefix& block);
Bytes resting_keys(const Prefix& block);
// The boot in which the endpoints were attached.
Bytes boot_key();
// The addresses of all containers of all hosts, as the agent's configuration has them.
Bytes pools_key();
// kInvalid if the names are too long for a key.
Result<Bytes> endpoint_key(const AttachmentId& attachment);

inline constexpr std::byte kBlockKind{'B'};
inline constexpr std::byte kChunkKind{'C'};
inline constexpr std::byte kRestingKind{'R'};
inline constexpr std::byte kEndpointKind{'E'};

Result<Prefix> decode_block_key(std::span<const std::byte> key);
// The block to which the key of a chunk or of a resting address belongs.
Result<Prefix> decode_block_of_index(std::span<const std::byte> key);
// `key` begins with resting_keys() of its block.
Result<Resting> decode_resting_key(std::span<const std::byte> key);
Result<std::uint64_t> decode_chunk_index(std::span<const std::byte> key);

Bytes encode(const BlockHead& head);
Result<BlockHead> decode_block_head(std::span<const std::byte> value);

Bytes encode_pools(std::span<const Prefix> pools);
Result<std::vector<Prefix>> decode_pools(std::span<const std::byte> value);

// kInvalid if a part is too long to be stored.
Result<Bytes> encode(const EndpointRecord& record);
Result<EndpointRecord> decode_endpoint(std::span<const std::byte> key, std::span<const std::byte> value);

}  // namespace towpath::ipam
