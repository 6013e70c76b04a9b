#include "agent/control/peer_rows.h"

namespace towpath::agent {

bool PeerRows::next_slice(RowWriter& rows) {
  for (const bgp::PeerStatus& peer : speaker_.peers()) {
    rows.row([&](JsonWriter& json) {
      json.field("name", peer.name)
          .field("address", peer.address.to_string())
          .field("as", peer.as.value)
          .field("state", format(peer.state))
          .field("since_seconds", peer.since.count());
      json.key("families").begin_array();
      for (const bgp::Family family : peer.families) json.value(format(address_family(family)));
      json.end_array();
      json.field("router_id", peer.router_id ? peer.router_id->to_string() : std::string())
          .field("hold_time", peer.hold_time.count())
          .field("in_sync", peer.in_sync)
          .field("prefixes_received", peer.prefixes_received)
          .field("prefixes_accepted", peer.prefixes_accepted)
          .field("prefixes_stale", peer.prefixes_stale)
          .field("prefixes_sent", peer.prefixes_sent)
          .field("last_error", peer.last_error)
          .field("connections", peer.connections)
          .field("messages_received", peer.messages_received)
          .field("messages_sent", peer.messages_sent);
    });
  }
  return false;
}

}  // namespace towpath::agent
