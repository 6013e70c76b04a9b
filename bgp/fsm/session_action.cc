#include "bgp/fsm/session_action.h"

#include <array>
#include <string_view>

namespace towpath::bgp {

std::string_view format(EndCause cause) {
  static constexpr std::array<std::string_view, 9> kNames{
      "stopped",           "connect failed",         "connection lost",
      "hold time expired", "send hold time expired", "NOTIFICATION received",
      "protocol error",    "connection collision",   "superseded by a new connection of the peer",
  };
  return kNames[static_cast<std::size_t>(cause)];
}

std::string SessionEnd::to_string() const {
  std::string text(format(cause));
  if (!reason.empty()) text += ": " + reason;
  if (notification) {
    // For kNotificationReceived the cause has already said who sent it.
    text += cause == EndCause::kNotificationReceived ? ": " : "; sent NOTIFICATION ";
    text += describe(*notification);
  }
  return text;
}

}  // namespace towpath::bgp
