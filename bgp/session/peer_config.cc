#include "bgp/session/peer_config.h"

#include <algorithm>
#include <array>

namespace towpath::bgp {
namespace {

// RFC 5082 section 3: what every packet of ours starts with, so that the peer can tell how far it came.
constexpr std::uint8_t kGreatestTtl = 255;

template <auto Member>
bool differs(const PeerConfig& a, const PeerConfig& b) {
  return a.*Member != b.*Member;
}

constexpr std::array kFields{
    PeerField{"name", ChangeEffect::kLive, differs<&PeerConfig::name>},
    PeerField{"as", ChangeEffect::kReset, differs<&PeerConfig::as>},
    PeerField{"local_as", ChangeEffect::kReset, differs<&PeerConfig::local_as>},
    PeerField{"port", ChangeEffect::kReset, differs<&PeerConfig::port>},
    PeerField{"local_address", ChangeEffect::kReset, differs<&PeerConfig::local_address>},
    PeerField{"passive", ChangeEffect::kReset, differs<&PeerConfig::passive>},
    PeerField{"hold_time", ChangeEffect::kReset, differs<&PeerConfig::hold_time>},
    PeerField{"send_hold_time", ChangeEffect::kLive, differs<&PeerConfig::send_hold_time>},
    PeerField{"connect_retry", ChangeEffect::kLive, differs<&PeerConfig::connect_retry>},
    PeerField{"families", ChangeEffect::kReset, differs<&PeerConfig::families>},
    PeerField{"next_hop", ChangeEffect::kRefresh, differs<&PeerConfig::next_hop_self>},
    PeerField{"ttl", ChangeEffect::kReset, differs<&PeerConfig::ttl>},
    PeerField{"ttl_security", ChangeEffect::kReset, differs<&PeerConfig::ttl_security>},
    // The key itself changes by `md5_rekey`, without a new session.
    PeerField{"md5_key_file", ChangeEffect::kReset,
              [](const PeerConfig& a, const PeerConfig& b) {
                return a.md5.has_value() != b.md5.has_value() ||
                       (a.md5 && a.md5->usable() != b.md5->usable());
              }},
    PeerField{"md5_rekey", ChangeEffect::kLive, differs<&PeerConfig::md5_rekey>},
    PeerField{"extended_messages", ChangeEffect::kReset, differs<&PeerConfig::extended_messages>},
    PeerField{"extended_next_hop", ChangeEffect::kReset, differs<&PeerConfig::extended_next_hop>},
    PeerField{"add_path", ChangeEffect::kReset, differs<&PeerConfig::add_path>},
    PeerField{"add_path_limit", ChangeEffect::kRefresh, differs<&PeerConfig::add_path_limit>},
    PeerField{"maximum_prefixes", ChangeEffect::kLive, differs<&PeerConfig::maximum_prefixes>},
    PeerField{"restart_time", ChangeEffect::kReset, differs<&PeerConfig::restart_time>},
    PeerField{"role", ChangeEffect::kReset, differs<&PeerConfig::role>},
    PeerField{"role_strict", ChangeEffect::kReset, differs<&PeerConfig::role_strict>},
    PeerField{"shutdown", ChangeEffect::kReset, differs<&PeerConfig::shutdown>},
    PeerField{"route_reflector_client", ChangeEffect::kReset, differs<&PeerConfig::route_reflector_client>},
    PeerField{"enforce_first_as", ChangeEffect::kRefresh, differs<&PeerConfig::enforce_first_as>},
    PeerField{"export", ChangeEffect::kRefresh,
              [](const PeerConfig& a, const PeerConfig& b) {
                return a.export_scope != b.export_scope || a.export_policy != b.export_policy;
              }},
    PeerField{"import", ChangeEffect::kRefresh, differs<&PeerConfig::import_policy>},
    PeerField{"blocks", ChangeEffect::kRefresh, differs<&PeerConfig::authorisation>},
};

}  // namespace

LocalSpeaker local_speaker(const SpeakerConfig& config) {
  return {config.as, config.router_id, config.cluster_id.value_or(config.router_id)};
}

SessionSettings session_settings(const LocalSpeaker& local, const PeerConfig& peer, RestartFlags restart) {
  OpenMessage open;
  open.as = as_toward(local, peer);
  open.hold_time = static_cast<std::uint16_t>(peer.hold_time.count());
  open.router_id = local.router_id;
  Capabilities& capabilities = open.capabilities;
  capabilities.multiprotocol = peer.families;
  capabilities.route_refresh = true;
  capabilities.enhanced_route_refresh = true;
  capabilities.extended_message = peer.extended_messages;
  capabilities.extended_next_hop = peer.extended_next_hop;
  capabilities.four_octet_as = open.as;
  // RFC 9234 section 4.1: for sessions between ASes.
  if (peer_kind(local, peer) == PeerKind::kExternal) capabilities.role = peer.role;
  GracefulRestart graceful;
  graceful.restarting = restart.restarting;
  graceful.notification = true;
  graceful.restart_time = peer.restart_time;
  for (Family family : kAllFamilies) {
    if (!peer.families[index(family)]) continue;
    capabilities.add_path[index(family)] = peer.add_path;
    if (peer.restart_time.count() != 0) {
      graceful.families[index(family)] = GracefulRestart::FamilyState{restart.forwarding_preserved};
    }
  }
  capabilities.graceful_restart = graceful;
  SessionSettings settings;
  settings.open = std::move(open);
  settings.peer_as = peer.as;
  settings.connect_retry = peer.connect_retry;
  settings.send_hold_time = peer.send_hold_time;
  settings.role_required = peer.role_strict;
  return settings;
}

AsNumber as_toward(const LocalSpeaker& local, const PeerConfig& peer) {
  return peer.local_as ? peer.local_as->as : local.as;
}

PeerKind peer_kind(const LocalSpeaker& local, const PeerConfig& peer) {
  if (!peer.as.is_internal(local.as)) return PeerKind::kExternal;
  return peer.route_reflector_client ? PeerKind::kClient : PeerKind::kInternal;
}

std::vector<AsNumber> path_start(const LocalSpeaker& local, const PeerConfig& peer, AsNumber peer_as) {
  // A route server does not add its own AS (RFC 7947 section 2.2.2.1).
  const bool transparent = peer.role == Role::kRouteServerClient;
  if (!peer.enforce_first_as || transparent || peer_kind(local, peer) != PeerKind::kExternal) return {};
  if (peer.local_as && !peer.local_as->no_prepend) return {peer.local_as->as, peer_as};
  return {peer_as};
}

HopLimits hop_limits(const LocalSpeaker& local, const PeerConfig& peer) {
  if (peer.ttl_security != 0) {
    return {kGreatestTtl, static_cast<std::uint8_t>(kGreatestTtl + 1 - peer.ttl_security)};
  }
  if (peer.ttl != 0) return {peer.ttl, 0};
  // An external peer is on the same link unless configured otherwise: packets must not reach any further.
  return {static_cast<std::uint8_t>(peer_kind(local, peer) == PeerKind::kExternal ? 1 : 0), 0};
}

std::string_view format(ChangeEffect effect) {
  switch (effect) {
    case ChangeEffect::kLive: return "live";
    case ChangeEffect::kRefresh: return "refresh";
    case ChangeEffect::kReset: return "reset";
  }
  return "?";
}

std::span<const PeerField> peer_fields() {
  return kFields;
}

bool needs_new_session(const PeerConfig& before, const PeerConfig& after) {
  return std::ranges::any_of(kFields, [&](const PeerField& field) {
    return field.effect == ChangeEffect::kReset && field.differs(before, after);
  });
}

}  // namespace towpath::bgp
