// The values that the RIB shows to others: peers, the reasons of the decision process, rows of a walk,
// next-hop changes.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "towpath/base/address.h"
#include "towpath/base/ids.h"
#include "towpath/base/prefix.h"
#include "towpath/bgp/config.h"
#include "towpath/bgp/family.h"
#include "towpath/bgp/path_attributes.h"
#include "towpath/bgp/route_policy.h"

namespace towpath::bgp {

// A peer as the RIB numbers it. Small and reused: valid from Rib::add_peer() to Rib::remove_peer().
struct PeerId {
  std::uint16_t value = 0;
  friend constexpr auto operator<=>(const PeerId&, const PeerId&) = default;
};
// The source of what this host originates.
inline constexpr PeerId kLocalPeer{0};

// How a route came to us, or how a peer is spoken to. kClient: an internal peer whose routes we reflect (RFC
// 4456).
enum class PeerKind : std::uint8_t { kLocal, kExternal, kInternal, kClient };
constexpr bool is_internal(PeerKind kind) {
  return kind == PeerKind::kInternal || kind == PeerKind::kClient;
}
std::string_view format(PeerKind kind);

// Why a path takes no part in the selection. It is kept all the same: operators see it, and a change of rules
// needs no refresh from the peer.
enum class PathExclusion : std::uint8_t {
  kNone,
  kImportRules,     // the peer's import policy rejects the route
  kNotAuthorised,   // the peer may not announce this prefix
  kRouteLeak,       // by ONLY_TO_CUSTOMER it was not for us (RFC 9234 section 5)
  kFirstAs,         // AS_PATH does not begin with the peer's AS (RFC 4271 section 6.3)
  kAsLoop,          // our AS in AS_PATH (RFC 4271 section 9.1.2)
  kOriginatorLoop,  // ORIGINATOR_ID is our router id (RFC 4456 section 8)
  kClusterLoop,     // our cluster id in CLUSTER_LIST (RFC 4456 section 8)
  kNextHop,         // no usable next hop: our own, unspecified, loopback or multicast (RFC 4271 section 6.3)
  kUnreachable,     // this host has no way to the next hop (RFC 4271 section 9.1.2)
};
std::string_view format(PathExclusion exclusion);

// The rungs of the decision ladder, in their order; which one made the difference between two paths.
enum class DecisionRung : std::uint8_t {
  kLocal,              // originated here
  kLocalPref,          // RFC 4271 section 9.1.1, 9.1.2
  kAsPathLength,       // section 9.1.2.2 a
  kOrigin,             // b
  kMed,                // c; only between paths of one neighbour AS
  kExternal,           // d
  kIgpMetric,          // e
  kRouterId,           // f; ORIGINATOR_ID in its place where there is one (RFC 4456 section 9)
  kClusterListLength,  // RFC 4456 section 9
  kPeerAddress,        // g
  kPathId,             // two paths of one peer (RFC 7911)
  kSame,               // no difference: the same path
};
std::string_view format(DecisionRung rung);

// What a peer is to the RIB.
struct RibPeer {
  IpAddress address;
  PeerKind kind = PeerKind::kExternal;
  RouterId router_id;  // from the peer's OPEN; 0 before the first session
  // What it does not accept is rejected, and without one everything is.
  PolicyPtr import_policy;
  // What it rejects the peer may not announce at all; nothing is changed by it.
  PolicyPtr authorisation{};
  std::optional<Role> role{};  // ours toward it (RFC 9234)
  AsNumber as{};               // from its OPEN, as the router id
  // What the AS_PATH of its routes begins with (RFC 4271 section 6.3); nothing: with anything.
  std::vector<AsNumber> path_start{};
};

// Who we are.
struct RibIdentity {
  AsNumber as;
  RouterId router_id;
  RouterId cluster_id;                 // RFC 4456; the router id unless configured
  std::vector<IpAddress> addresses{};  // of this host: a route with such a next hop is not used
  friend bool operator==(const RibIdentity&, const RibIdentity&) = default;
};

// How much is done and kept at a time.
struct RibLimits {
  // In one batch of messages: enough to fill them and to share the work, little enough for one slice of the
  // loop.
  std::size_t batch_prefixes = 8192;
  // What the slowest peer of an update group may hold up before it is left behind.
  std::size_t queue_bytes = 1 << 20;
};

// How this host reaches a next hop (RFC 4271 section 9.1.2.1).
struct NextHopState {
  bool reachable = true;
  std::uint32_t cost = 0;  // of the way there, to compare; 0: on a link of this host
  friend bool operator==(const NextHopState&, const NextHopState&) = default;
};
struct NextHopRow {
  IpAddress address;
  NextHopState state;
};

// The new best path of a prefix, as the FIB needs it.
struct FibPath {
  PeerId peer;  // kLocalPeer: originated here, so there is no next hop to write
  NextHop next_hop;
  bool discard = false;  // packets end here
  friend bool operator==(const FibPath&, const FibPath&) = default;
};
// "From now on": no best path means that no path is left. Applying one twice changes nothing.
struct RibDelta {
  Prefix prefix;
  std::optional<FibPath> best;
  // Paths that are as good, with next hops that differ from the best one's and from each other; only where
  // multipath is on.
  std::vector<FibPath> others{};
};

struct PeerCounters {
  std::size_t received = 0;  // paths in the adj-rib-in
  std::size_t accepted = 0;  // of those, not excluded
  std::size_t stale = 0;
};

// Where a walk goes on: a key, no iterator, so the RIB may change between two slices.
struct WalkCursor {
  Prefix next;                     // start of the next slice; 0.0.0.0/0 is the start of all
  std::optional<Prefix> within{};  // only prefixes inside this one
  bool done = false;

  // From the first prefix inside `prefix`.
  static WalkCursor inside(const Prefix& prefix) { return {prefix, prefix, false}; }
};

struct RouteRow {
  Prefix prefix;
  PeerId peer;  // where the route came from, also in an adj-rib-out
  std::uint32_t path_id = 0;
  PathAttributes attributes;  // of an adj-rib-out: as sent
  bool best = false;
  bool stale = false;
  PathExclusion exclusion = PathExclusion::kNone;
  std::uint32_t age_seconds = 0;
};

}  // namespace towpath::bgp
