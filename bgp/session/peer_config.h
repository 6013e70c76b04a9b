// What a peer's configuration means for the layers below, and what a change of it costs. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "bgp/fsm/session_fsm.h"
#include "bgp/rib/route.h"
#include "towpath/base/ids.h"
#include "towpath/bgp/config.h"

namespace towpath::bgp {

// This host as its peers see it.
struct LocalSpeaker {
  AsNumber as;
  RouterId router_id;
  RouterId cluster_id;
  friend bool operator==(const LocalSpeaker&, const LocalSpeaker&) = default;
};
LocalSpeaker local_speaker(const SpeakerConfig& config);

// RFC 4724 section 3: what is true of us at the next OPEN.
struct RestartFlags {
  bool restarting = false;            // R: we restarted and have not yet heard all peers
  bool forwarding_preserved = false;  // F: our forwarding went on while the session was away
};
SessionSettings session_settings(const LocalSpeaker& local, const PeerConfig& peer, RestartFlags restart);
PeerKind peer_kind(const LocalSpeaker& local, const PeerConfig& peer);
// The AS that the peer knows us by (RFC 7705).
AsNumber as_toward(const LocalSpeaker& local, const PeerConfig& peer);
// What the AS_PATH of each route of the peer begins with, our local AS included; nothing: with anything.
std::vector<AsNumber> path_start(const LocalSpeaker& local, const PeerConfig& peer, AsNumber peer_as);

struct HopLimits {
  std::uint8_t sent = 0;   // TTL or hop limit of our packets; 0: the kernel's default
  std::uint8_t least = 0;  // packets of the peer that have less are dropped by the kernel (RFC 5082)
  friend bool operator==(const HopLimits&, const HopLimits&) = default;
};
HopLimits hop_limits(const LocalSpeaker& local, const PeerConfig& peer);

// What it takes for a changed field of a peer to be in force.
enum class ChangeEffect : std::uint8_t {
  kLive,     // nothing
  kRefresh,  // routes are looked at or sent again, within the session
  kReset,    // a new session with this peer
};
std::string_view format(ChangeEffect effect);

// A key of a peer in towpathd.yaml, and what a change of it costs. docs/configuration.md shows this table.
struct PeerField {
  std::string_view key;
  ChangeEffect effect;
  bool (*differs)(const PeerConfig& a, const PeerConfig& b);
};
// All fields of PeerConfig but the address, whose change makes another peer.
std::span<const PeerField> peer_fields();

// Whether the session can stay when `before` becomes `after`.
bool needs_new_session(const PeerConfig& before, const PeerConfig& after);

}  // namespace towpath::bgp
