// What the sending side of the RIB is told and what it hands out.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "bgp/rib/route.h"
#include "bgp/wire/session_parameters.h"
#include "towpath/bgp/drain.h"

namespace towpath::bgp {

// How a peer is to be told routes. Peers with equal values share one update group: their messages are
// formatted once.
struct ExportTarget {
  PeerKind kind = PeerKind::kExternal;
  AsNumber local_as;          // what stands in front of the AS_PATH toward an external peer
  bool keeps_own_as = false;  // RFC 7705: our own AS stands behind it, where it is another one
  PolicyPtr policy;
  std::optional<Role> role{};             // ours toward an external peer (RFC 9234)
  ExportScope scope = ExportScope::kOwn;  // of what the policy does not decide
  Drain drain =
      Drain::kNone;  // with kWithdrawn no route is exportable; kClosed has no sessions, and no targets
  // Our own next hop in each family. A route that needs it is not sent where there is none.
  std::array<std::optional<NextHop>, kFamilyCount> next_hop_self{};
  // Also for routes that an external peer told us, toward internal peers; else their next hop stays (RFC 4271
  // section 5.1.3). Reflected routes always keep theirs (RFC 4456 section 10).
  bool next_hop_self_to_internal = false;
  // Of the paths of a prefix that may be told, the best so many, in families whose session has path ids (RFC
  // 7911); 0: all. Without path ids it is the best path alone.
  std::uint8_t path_limit = 0;
  // Only families that are enabled there are sent. Receiving limits do not matter: they are set aside when
  // targets are compared.
  SessionParameters session;
  friend bool operator==(const ExportTarget&, const ExportTarget&) = default;
};

// Whole BGP messages, one behind the other. `owner` keeps them alive; other peers may be reading the same
// bytes.
struct OutputSlice {
  std::shared_ptr<const void> owner;
  std::span<const std::byte> bytes;
};

}  // namespace towpath::bgp
