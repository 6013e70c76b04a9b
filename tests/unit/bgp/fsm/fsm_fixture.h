// Two speakers as values, and a short text for actions, so that expectations are readable tables.
#pragma once

#include <string>
#include <variant>

#include "bgp/fsm/peer_fsm.h"

namespace towpath::bgp::test {

inline constexpr TimePoint kStart{std::chrono::hours(1)};

struct Identity {
  std::uint32_t as = 65001;
  std::uint32_t router_id = 0x0A000001;
};

inline OpenMessage open_of(Identity who, std::uint16_t hold_time = 9) {
  OpenMessage open;
  open.as = AsNumber{who.as};
  open.router_id = RouterId{who.router_id};
  open.hold_time = hold_time;
  open.capabilities.multiprotocol = {true, true};
  open.capabilities.route_refresh = true;
  open.capabilities.four_octet_as = open.as;
  return open;
}

// `notification`: the N bit of RFC 8538.
inline OpenMessage with_graceful_restart(OpenMessage open, bool notification = false) {
  GracefulRestart restart;
  restart.notification = notification;
  restart.restart_time = std::chrono::seconds(120);
  restart.families[index(Family::kIpv4Unicast)] = GracefulRestart::FamilyState{};
  open.capabilities.graceful_restart = restart;
  return open;
}

inline SessionSettings settings(Identity local, Identity peer) {
  SessionSettings settings;
  settings.open = open_of(local);
  settings.peer_as = AsNumber{peer.as};
  return settings;
}

// "connect", "disconnect(stopped)", "open", "keepalive", "notification 6/2", "notification 5/1[2]" with data
// octets, "up", "down(flush)", "down(stale)", "deliver".
inline std::string text(const SessionAction& action) {
  struct Visitor {
    std::string operator()(const Connect&) const { return "connect"; }
    std::string operator()(const Disconnect& a) const {
      return "disconnect(" + std::string(format(a.end.cause)) + ")";
    }
    std::string operator()(const SendOpen&) const { return "open"; }
    std::string operator()(const SendKeepalive&) const { return "keepalive"; }
    std::string operator()(const SendNotification& a) const {
      const NotificationMessage& n = a.notification;
      std::string out = "notification " + std::to_string(n.code.code) + "/" + std::to_string(n.code.subcode);
      for (std::byte octet : n.data) out += "[" + std::to_string(std::to_integer<int>(octet)) + "]";
      return out;
    }
    std::string operator()(const SessionUp&) const { return "up"; }
    std::string operator()(const SessionDown& a) const {
      return a.fate == RouteFate::kKeepStale ? "down(stale)" : "down(flush)";
    }
    std::string operator()(const DeliverMessage&) const { return "deliver"; }
  };
  return std::visit(Visitor{}, action);
}

inline std::string text(const SessionActions& actions) {
  std::string out;
  for (const auto& action : actions) out += (out.empty() ? "" : " ") + text(action);
  return out;
}

// "out: connect; in: open"
inline std::string text(const PeerActions& actions) {
  std::string out;
  for (const auto& [slot, action] : actions) {
    out += (out.empty() ? "" : "; ") + std::string(slot == Slot::kOutgoing ? "out: " : "in: ") + text(action);
  }
  return out;
}

}  // namespace towpath::bgp::test
