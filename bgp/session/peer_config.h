// What a peer's configuration means for the layers below, and which of its changes need a new session. Pure.
#pragma once

#include <chrono>
#include <cstdint>

#include "bgp/fsm/session_fsm.h"
#include "bgp/rib/route.h"
#include "towpath/base/ids.h"
#include "towpath/bgp/config.h"

namespace towpath::bgp {

// How long peers are asked to keep our routes while we are away (RFC 4724 section 3).
inline constexpr std::chrono::seconds kRestartTime{120};

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
// Of our packets; 0: the kernel's default.
std::uint8_t packet_ttl(const LocalSpeaker& local, const PeerConfig& peer);

// Whether the session can stay when `before` becomes `after`. See speaker.h.
bool needs_new_session(const PeerConfig& before, const PeerConfig& after);

}  // namespace towpath::bgp
