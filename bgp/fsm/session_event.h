// All that can happen to one BGP connection, RFC 4271 section 8.1. The numbers are the RFC's event numbers.
//
// Events of options that Towpath does not have are left out: DelayOpen (12, 20) and tracked TCP requests (14,
// 15). The automatic starts and the idle hold timer (3, 5 to 7, 13) belong to PeerFsm, which starts
// connections by Start.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "bgp/wire/decode_error.h"
#include "bgp/wire/message.h"
#include "bgp/wire/notification.h"

namespace towpath::bgp {

// 1, 3: connect to the peer.
struct Start {};
// 4, 5: wait for the peer to connect.
struct StartPassive {};
// 2, 8: end. With a NOTIFICATION the peer learns why; without one it sees the connection close, and a peer
// that knows graceful restart keeps our routes (RFC 4724 section 4.2).
struct Stop {
  std::optional<NotificationMessage> notification;
  std::string reason{};  // for people; of a session that was Established
};
struct ConnectRetryTimerExpires {};  // 9
struct HoldTimerExpires {};          // 10
struct KeepaliveTimerExpires {};     // 11
struct SendHoldTimerExpires {};      // 29, RFC 9687
struct TcpConnected {};              // 16, 17
struct TcpConnectionFails {};        // 18
struct OpenReceived {                // 19
  OpenMessage open;
};
// 21, 22, 28 by its code: a message that cannot be decoded, and whose error ends the session (RFC 7606).
struct MessageError {
  DecodeError error;
};
// 23: this connection lost against another one with the same peer (RFC 4271 section 6.8).
struct OpenCollisionDump {};
struct NotificationReceived {  // 24, 25
  NotificationMessage notification;
};
struct KeepaliveReceived {};  // 26
// 27. What it says is nothing to the state machine: who steps it holds the message, and applies it when told
// so by DeliverMessage.
struct UpdateReceived {};
struct RouteRefreshReceived {};  // RFC 2918; as 27
// The peer opened a new connection and so gave up this one: it restarted (RFC 4724 section 4.2).
struct Superseded {};

using SessionEvent =
    std::variant<Start, StartPassive, Stop, ConnectRetryTimerExpires, HoldTimerExpires, KeepaliveTimerExpires,
                 SendHoldTimerExpires, TcpConnected, TcpConnectionFails, OpenReceived, MessageError,
                 OpenCollisionDump, NotificationReceived, KeepaliveReceived, UpdateReceived,
                 RouteRefreshReceived, Superseded>;

// The alternatives of SessionEvent in their order, to switch on.
enum class EventKind : std::uint8_t {
  kStart,
  kStartPassive,
  kStop,
  kConnectRetryTimerExpires,
  kHoldTimerExpires,
  kKeepaliveTimerExpires,
  kSendHoldTimerExpires,
  kTcpConnected,
  kTcpConnectionFails,
  kOpenReceived,
  kMessageError,
  kOpenCollisionDump,
  kNotificationReceived,
  kKeepaliveReceived,
  kUpdateReceived,
  kRouteRefreshReceived,
  kSuperseded,
};
inline constexpr std::size_t kEventKindCount = std::variant_size_v<SessionEvent>;
static_assert(kEventKindCount == static_cast<std::size_t>(EventKind::kSuperseded) + 1);

constexpr EventKind kind_of(const SessionEvent& event) {
  return static_cast<EventKind>(event.index());
}
std::string_view format(EventKind kind);

}  // namespace towpath::bgp
