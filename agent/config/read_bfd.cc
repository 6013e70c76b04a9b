#include "agent/config/read_bfd.h"

#include <array>
#include <chrono>
#include <string_view>
#include <utility>

#include "agent/config/read_keys.h"
#include "agent/config/scalars.h"

namespace towpath::agent {
namespace {

// In milliseconds. Below ten a busy host cannot keep its word, above a minute nobody waits.
Result<std::chrono::microseconds> parse_interval(std::string_view text) {
  TOWPATH_TRY(const auto milliseconds, number_between<std::uint32_t>(10, 60'000)(text));
  return std::chrono::milliseconds(milliseconds);
}

using bfd::AuthenticationType;

constexpr std::array<std::pair<std::string_view, AuthenticationType>, 5> kAuthenticationTypes{
    {{"simple-password", AuthenticationType::kSimplePassword},
     {"keyed-md5", AuthenticationType::kKeyedMd5},
     {"meticulous-keyed-md5", AuthenticationType::kMeticulousKeyedMd5},
     {"keyed-sha1", AuthenticationType::kKeyedSha1},
     {"meticulous-keyed-sha1", AuthenticationType::kMeticulousKeyedSha1}}};

void read_authentication(Section& section, bfd::SessionConfig& config) {
  const auto type = section.get("authentication");
  const auto file = section.get("key_file");
  const auto id = section.get("key_id");
  bfd::Authentication authentication;
  if (file) file->read(authentication.file, parse_key_path);
  if (id) id->read(authentication.key_id, number_between<std::uint8_t>(0, 255));
  if (!type) {
    for (const auto& value : {file, id}) {
      if (value) value->refuse("has no use without authentication");
    }
    return;
  }
  type->read(authentication.type, one_of(kAuthenticationTypes));
  if (!file) type->refuse("needs key_file");
  config.authentication = std::move(authentication);
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
  read_authentication(section, config);
  section.finish();
  return config;
}

}  // namespace towpath::agent
