// What the BGP speaker is told by its owner: plain values, already validated.
//
// The agent fills these from towpathd.yaml; Speaker::configure() compares them with what is in force and
// touches only the peers that changed. Defaults are those of docs/configuration.md.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "towpath/base/address.h"
#include "towpath/base/ids.h"
#include "towpath/base/prefix.h"
#include "towpath/bgp/add_path.h"
#include "towpath/bgp/family.h"
#include "towpath/bgp/md5_key.h"
#include "towpath/bgp/peer_as.h"
#include "towpath/bgp/role.h"
#include "towpath/bgp/route_policy.h"

namespace towpath::bgp {

inline constexpr std::uint16_t kBgpPort = 179;

struct ListenAddress {
  IpAddress address;
  std::uint16_t port = kBgpPort;
  friend auto operator<=>(const ListenAddress&, const ListenAddress&) = default;
};

// What a peer is told: only what this host originates, or also what it learned from others (within BGP's own
// rules).
enum class ExportScope : std::uint8_t { kOwn, kAll };

// RFC 7705: toward one external peer this host is in another AS than its own.
struct LocalAs {
  AsNumber as;
  bool no_prepend = false;  // the number is not put in front of what the peer sends
  bool replace_as = false;  // our own AS is left out of what the peer is sent
  friend auto operator<=>(const LocalAs&, const LocalAs&) = default;
};

// How many prefixes a peer may announce. One more ends its session (RFC 4486).
struct MaximumPrefixes {
  std::array<std::uint32_t, kFamilyCount> limits{};  // also of those that no rule accepts; 0: any number
  // Until the next attempt, and twice as long each time in a row; 0: none before the limits change.
  std::chrono::seconds restart{60};
  friend auto operator<=>(const MaximumPrefixes&, const MaximumPrefixes&) = default;
};

struct PeerConfig {
  std::string name;   // unique; for people
  IpAddress address;  // unique; also the identity of the peer
  PeerAs as;
  std::optional<LocalAs> local_as;
  std::uint16_t port = kBgpPort;  // where we connect to
  std::optional<IpAddress>
      local_address;     // source of our connections, and the only address where we accept this peer
  bool passive = false;  // never connect, only accept
  std::chrono::seconds hold_time{9};  // 0 (no keepalives) or at least 3 (RFC 4271 section 4.2)
  // How long the peer may take nothing of what we send (RFC 9687); 0: for ever.
  std::chrono::seconds send_hold_time{480};
  std::chrono::seconds connect_retry{5};
  std::array<bool, kFamilyCount> families{true, true};
  // IPv6 routes over an IPv4 session (and the reverse) need a next hop of their own family, but for
  // extended_next_hop. Without one the address of the interface that carries the session is taken.
  std::array<std::optional<IpAddress>, kFamilyCount> next_hop_self;
  std::uint8_t ttl = 0;  // 0: 1 for eBGP, kernel default for iBGP; more for multihop eBGP
  // RFC 5082: the peer is at most so many hops away, packets from farther away are dropped. 0: not checked.
  // Takes the place of `ttl`.
  std::uint8_t ttl_security = 0;
  std::optional<Md5Key> md5;  // RFC 2385
  Md5Rekey md5_rekey = Md5Rekey::kLazy;
  bool extended_messages = false;  // RFC 8654: messages of up to 65535 octets
  // RFC 8950: IPv4 routes may have IPv6 next hops, and ours toward an IPv6 peer is our address of the
  // session.
  bool extended_next_hop = false;
  AddPathMode add_path = AddPathMode::kNone;  // RFC 7911: announced for all families
  std::uint8_t add_path_limit = 0;            // so many paths of a prefix we send, the best; 0: all
  MaximumPrefixes maximum_prefixes;
  // RFC 4724: how long peers are asked to keep our routes while we are away; 0: not at all.
  std::chrono::seconds restart_time{120};
  std::optional<Role> role;  // RFC 9234, ours; only for eBGP
  bool role_strict = false;  // no session with a peer that announces no role
  // Stays down, and the peer is told this text (RFC 9003).
  std::optional<std::string> shutdown;
  bool route_reflector_client = false;  // RFC 4456; only for iBGP
  // A route of an external peer counts only if its AS_PATH begins with the peer's AS (RFC 4271 section 6.3).
  // Not asked of a route server (our role is rs-client).
  bool enforce_first_as = true;
  PolicyPtr export_policy;
  ExportScope export_scope = ExportScope::kOwn;  // of what the export policy does not decide
  // Resolved by the owner: the peer's own rules, or the global ones, then the pools. What it does not accept
  // is rejected.
  PolicyPtr import_policy;
  // Rejects what the peer has no right to originate, whatever the import policy says.
  PolicyPtr authorisation;
  bool of_range = false;  // of a PeerRange; it exists as long as it has something to say
  friend auto operator<=>(const PeerConfig&, const PeerConfig&) = default;

  Family transport_family() const { return unicast(address.family()); }
};

// Peers whose addresses are not known before they connect: whoever comes from one of these addresses and is
// no peer by itself becomes one, named "name of the range/address". We never connect.
struct PeerRange {
  Prefix prefix;              // unique; of several that fit the most specific one counts
  std::uint32_t limit = 100;  // of such peers at the same time
  PeerConfig peer;            // what each of them is, with `of_range`; its name is the range's
  friend auto operator<=>(const PeerRange&, const PeerRange&) = default;
};

// How many equally good paths of a prefix the FIB uses at most, for each family; 1: the best alone.
using MultipathLimits = std::array<std::uint8_t, kFamilyCount>;

struct SpeakerConfig {
  AsNumber as;
  RouterId router_id;
  std::optional<RouterId> cluster_id;  // RFC 4456; the router id unless given
  std::vector<ListenAddress> listen;
  std::vector<PeerConfig> peers;
  std::vector<PeerRange> ranges;
  std::vector<Prefix> originate;  // announced as long as they are listed
  MultipathLimits multipath{1, 1};
  // How long a restarted speaker's owner waits for the peers' End-of-RIB before routes may be removed.
  std::chrono::seconds restart_deferral{30};
  friend auto operator<=>(const SpeakerConfig&, const SpeakerConfig&) = default;
};

}  // namespace towpath::bgp
