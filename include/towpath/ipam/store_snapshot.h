// StoreSnapshot: all that the state store holds, as of one transaction, and with what the store itself
// derives from it. For who checks the store or shows all of it; the plugins never need so much at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "towpath/base/prefix.h"
#include "towpath/ipam/block.h"
#include "towpath/ipam/endpoint_record.h"

namespace towpath::ipam {

// An address that was in use and waits for its turn.
struct RestingAddress {
  std::uint64_t offset = 0;           // in its block
  std::chrono::nanoseconds since{0};  // of the host's uptime; 0: it has served nobody
  friend bool operator==(const RestingAddress&, const RestingAddress&) = default;
};

// A block with its indexes.
struct BlockContents {
  Block block{};
  bool stored = true;                     // false: indexes of a block that the store does not list
  std::vector<std::uint64_t> marked{};    // offsets whose bit is set, ascending
  std::vector<RestingAddress> resting{};  // the longest first
  friend bool operator==(const BlockContents&, const BlockContents&) = default;
};

struct StoreSnapshot {
  // Its endpoints were attached in an earlier boot: none of them is left, and the next plugin removes them.
  bool of_earlier_boot = false;
  std::chrono::nanoseconds uptime{0};     // of the host, now
  std::vector<BlockContents> blocks{};    // ordered by prefix
  std::vector<EndpointRecord> records{};  // ordered by attachment
};

}  // namespace towpath::ipam
