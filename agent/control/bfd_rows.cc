#include "agent/control/bfd_rows.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <string_view>

namespace towpath::agent {
namespace {

std::int64_t in_microseconds(Duration value) {
  return std::chrono::duration_cast<std::chrono::microseconds>(value).count();
}

}  // namespace

bool BfdRows::next_slice(RowWriter& rows) {
  std::map<IpAddress, std::string> names;
  for (const bgp::PeerStatus& peer : speaker_.peers()) names[peer.address] = peer.name;
  for (const bfd::SessionStatus& session : service_.sessions()) {
    rows.row([&](JsonWriter& json) {
      json.field("peer", names[session.config.remote])
          .field("address", session.config.remote.to_string())
          .field("multihop", session.config.multihop)
          .field("authentication", session.config.authentication ? format(session.config.authentication->type)
                                                                 : std::string_view("none"))
          .field("state", format(session.state))
          .field("since_seconds", std::chrono::duration_cast<std::chrono::seconds>(session.since).count())
          .field("diagnostic", format(session.diagnostic))
          .field("remote_state", format(session.remote_state))
          .field("remote_diagnostic", format(session.remote_diagnostic))
          .field("transmit_interval_us", in_microseconds(session.transmit_interval))
          .field("detection_time_us", in_microseconds(session.detection_time))
          .field("local_discriminator", session.local_discriminator)
          .field("remote_discriminator", session.remote_discriminator)
          .field("ups", session.ups)
          .field("packets_sent", session.packets_sent)
          .field("packets_received", session.packets_received)
          .field("packets_discarded", session.packets_discarded)
          .field("last_error", session.last_error);
    });
  }
  return false;
}

}  // namespace towpath::agent
