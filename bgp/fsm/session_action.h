// What a connection's state machine wants done, in this order. The actions are carried out by bgp/session.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bgp/wire/capability.h"
#include "bgp/wire/message.h"
#include "bgp/wire/notification.h"
#include "bgp/wire/session_parameters.h"
#include "towpath/base/ids.h"

namespace towpath::bgp {

// What both sides agreed on by their OPENs.
struct NegotiatedSession {
  SessionParameters parameters;
  AsNumber peer_as;
  RouterId peer_id;
  std::chrono::seconds hold_time{0};  // the smaller of both; 0: neither keepalives nor a hold timer
  bool route_refresh = false;         // the peer takes ROUTE-REFRESH
  // Both sides mark where the answer to a ROUTE-REFRESH begins and ends (RFC 7313).
  bool enhanced_route_refresh = false;
  // As the peer announced them.
  std::optional<GracefulRestart> graceful_restart;
  std::optional<LongLivedGracefulRestart> long_lived_graceful_restart;
  // Both sides keep routes over a NOTIFICATION that is no Hard Reset (RFC 8538 section 4).
  bool keeps_routes_over_notification = false;

  // RFC 4271 section 10: a third of the hold time.
  std::chrono::milliseconds keepalive_time() const { return std::chrono::milliseconds(hold_time) / 3; }
  friend bool operator==(const NegotiatedSession&, const NegotiatedSession&) = default;
};

enum class EndCause : std::uint8_t {
  kStopped,               // by us, on purpose
  kConnectFailed,         // no TCP connection came about
  kConnectionLost,        // the TCP connection ended
  kHoldTimeExpired,       // the peer was silent
  kSendHoldTimeExpired,   // the peer took nothing of what we sent
  kNotificationReceived,  // the peer ended it
  kProtocolError,         // the peer broke the protocol, we ended it
  kCollision,             // another connection with this peer was kept
  kSuperseded,            // the peer restarted and connected anew
};
std::string_view format(EndCause cause);

// Why a connection ended.
struct SessionEnd {
  EndCause cause = EndCause::kStopped;
  // The one that was sent, or received where the cause says so.
  std::optional<NotificationMessage> notification;
  // What exactly was wrong, where we found it: DecodeError::reason.
  std::string reason;

  // One printable line, for logs and `towpathctl peers`.
  std::string to_string() const;
  friend bool operator==(const SessionEnd&, const SessionEnd&) = default;
};

// What becomes of the routes learned in a session that is over.
enum class RouteFate : std::uint8_t {
  kFlush,
  kKeepStale,  // RFC 4724 section 4.2: kept until the peer is back, or its restart time is over
};

struct Connect {  // open a TCP connection; answer with TcpConnected or TcpConnectionFails
  friend bool operator==(const Connect&, const Connect&) = default;
};
// Close the TCP connection, or give up opening it. What was sent before still goes out, as far as TCP takes
// it at once.
struct Disconnect {
  SessionEnd end;
  friend bool operator==(const Disconnect&, const Disconnect&) = default;
};
struct SendOpen {
  OpenMessage open;
  friend bool operator==(const SendOpen&, const SendOpen&) = default;
};
struct SendKeepalive {
  friend bool operator==(const SendKeepalive&, const SendKeepalive&) = default;
};
struct SendNotification {
  NotificationMessage notification;
  friend bool operator==(const SendNotification&, const SendNotification&) = default;
};
// Established was reached: routes may flow.
struct SessionUp {
  NegotiatedSession session;
  friend bool operator==(const SessionUp&, const SessionUp&) = default;
};
// Established was left.
struct SessionDown {
  RouteFate fate = RouteFate::kFlush;
  friend bool operator==(const SessionDown&, const SessionDown&) = default;
};
// The UPDATE or ROUTE-REFRESH of this event counts: apply it.
struct DeliverMessage {
  friend bool operator==(const DeliverMessage&, const DeliverMessage&) = default;
};

using SessionAction = std::variant<Connect, Disconnect, SendOpen, SendKeepalive, SendNotification, SessionUp,
                                   SessionDown, DeliverMessage>;
using SessionActions = std::vector<SessionAction>;

}  // namespace towpath::bgp
