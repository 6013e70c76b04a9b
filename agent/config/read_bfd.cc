#include "agent/config/read_bfd.h"

#include <chrono>

#include "agent/config/scalars.h"

namespace towpath::agent {
namespace {

// In milliseconds. Below ten a busy host cannot keep its word, above a minute nobody waits.
Result<std::chrono::microseconds> parse_interval(std::string_view text) {
  TOWPATH_TRY(const auto milliseconds, number_between<std::uint32_t>(10, 60'000)(text));
  return std::chrono::milliseconds(milliseconds);
}

}  // namespace

bfd::SessionConfig read_bfd(const Value& value, const bgp::PeerConfig& peer) {
  bfd::SessionConfig config{
      .remote = peer.address, .local = peer.local_address, .multihop = peer.ttl > 1, .timers = {}};
  Section section(value);
  section.read("transmit_interval", config.timers.desired_min_tx, parse_interval);
  section.read("receive_interval", config.timers.required_min_rx, parse_interval);
  section.read("multiplier", config.timers.detect_multiplier, number_between<std::uint8_t>(1, 255));
  section.read("multihop", config.multihop, parse_bool);
  section.read("passive", config.passive, parse_bool);
  section.finish();
  return config;
}

}  // namespace towpath::agent
