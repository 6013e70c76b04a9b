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

// A block as stored; its bitmap lies in chunks beside it.
struct BlockHead {
  static constexpr std::uint8_t kOwned = 1;
  static constexpr std::uint8_t kConfigured = 2;

  std::uint8_t flags = 0;
  std::uint64_t used = 0;
  std::uint64_t next = 0;  // where the search for a free address begins
  friend bool operator==(const BlockHead&, const BlockHead&) = default;
};

Bytes format_key();
Bytes block_key(const Prefix& block);
Bytes chunk_key(const Prefix& block, std::uint64_t chunk_index);
// kInvalid if the names are too long for a key.
Result<Bytes> endpoint_key(const AttachmentId& attachment);

inline constexpr std::byte kBlockKind{'B'};
inline constexpr std::byte kEndpointKind{'E'};
// Keys of blocks and of their chunks differ in length only.
inline constexpr std::size_t kBlockKeySize = 1 + 1 + 16 + 1;

Result<Prefix> decode_block_key(std::span<const std::byte> key);

Bytes encode(const BlockHead& head);
Result<BlockHead> decode_block_head(std::span<const std::byte> value);

// kInvalid if a part is too long to be stored.
Result<Bytes> encode(const EndpointRecord& record);
Result<EndpointRecord> decode_endpoint(std::span<const std::byte> key, std::span<const std::byte> value);

}  // namespace towpath::ipam
