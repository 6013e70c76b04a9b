#include "bgp/session/peer_config.h"

namespace towpath::bgp {

LocalSpeaker local_speaker(const SpeakerConfig& config) {
  return {config.as, config.router_id, config.cluster_id.value_or(config.router_id)};
}

SessionSettings session_settings(const LocalSpeaker& local, const PeerConfig& peer, RestartFlags restart) {
  OpenMessage open;
  open.as = local.as;
  open.hold_time = static_cast<std::uint16_t>(peer.hold_time.count());
  open.router_id = local.router_id;
  Capabilities& capabilities = open.capabilities;
  capabilities.multiprotocol = peer.families;
  capabilities.route_refresh = true;
  capabilities.four_octet_as = local.as;
  GracefulRestart graceful;
  graceful.restarting = restart.restarting;
  graceful.restart_time = kRestartTime;
  for (Family family : kAllFamilies) {
    if (peer.families[index(family)]) {
      graceful.families[index(family)] = GracefulRestart::FamilyState{restart.forwarding_preserved};
    }
  }
  capabilities.graceful_restart = graceful;
  return {std::move(open), peer.as, peer.connect_retry};
}

PeerKind peer_kind(const LocalSpeaker& local, const PeerConfig& peer) {
  if (peer.as != local.as) return PeerKind::kExternal;
  return peer.route_reflector_client ? PeerKind::kClient : PeerKind::kInternal;
}

std::uint8_t packet_ttl(const LocalSpeaker& local, const PeerConfig& peer) {
  if (peer.ttl != 0) return peer.ttl;
  // An external peer is on the same link unless configured otherwise: packets must not reach any further.
  return peer_kind(local, peer) == PeerKind::kExternal ? 1 : 0;
}

bool needs_new_session(const PeerConfig& before, const PeerConfig& after) {
  PeerConfig compared = before;
  compared.name = after.name;
  compared.connect_retry = after.connect_retry;
  compared.import_policy = after.import_policy;
  compared.authorisation = after.authorisation;
  compared.export_policy = after.export_policy;
  compared.export_scope = after.export_scope;
  compared.next_hop_self = after.next_hop_self;
  return compared != after;
}

}  // namespace towpath::bgp
