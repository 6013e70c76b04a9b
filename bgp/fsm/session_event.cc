#include "bgp/fsm/session_event.h"

#include <array>

namespace towpath::bgp {

std::string_view format(EventKind kind) {
  static constexpr std::array<std::string_view, kEventKindCount> kNames{
      "Start",
      "StartPassive",
      "Stop",
      "ConnectRetryTimerExpires",
      "HoldTimerExpires",
      "KeepaliveTimerExpires",
      "SendHoldTimerExpires",
      "TcpConnected",
      "TcpConnectionFails",
      "OpenReceived",
      "MessageError",
      "OpenCollisionDump",
      "NotificationReceived",
      "KeepaliveReceived",
      "UpdateReceived",
      "RouteRefreshReceived",
      "Superseded",
  };
  return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace towpath::bgp
