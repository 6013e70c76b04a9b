#include "agent/control/mrt_writer.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace towpath::agent {
namespace {

constexpr std::size_t kMostPeers = 65535;

std::string to_hex(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::byte b : bytes) {
    text += kDigits[std::to_integer<unsigned>(b) >> 4U];
    text += kDigits[std::to_integer<unsigned>(b) & 0xFU];
  }
  return text;
}

void write_record(RowWriter& rows, std::span<const std::byte> record) {
  rows.row([&](JsonWriter& json) { json.field("mrt", to_hex(record)); });
}

}  // namespace

MrtWriter::MrtWriter(const bgp::Speaker& speaker, RouterId router_id, AsNumber as, WallTime now)
    : speaker_(speaker),
      self_{router_id, IpAddress::any(AddressFamily::kIpv4), as},
      now_(static_cast<std::uint32_t>(
          std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count())) {}

void MrtWriter::write_peers(RowWriter& rows) {
  std::vector<bgp::MrtPeer> peers{self_};
  places_[bgp::kLocalPeer] = 0;
  for (const bgp::PeerStatus& peer : speaker_.peers()) {
    const auto id = speaker_.find_peer(peer.name);
    if (!id || peers.size() == kMostPeers) continue;
    places_[*id] = static_cast<std::uint16_t>(peers.size());
    peers.push_back({peer.router_id.value_or(RouterId{}), peer.address, peer.as});
  }
  std::vector<std::byte> record;
  append_mrt_peers(now_, self_.router_id, "", peers, record);
  write_record(rows, record);
}

void MrtWriter::write_route(RowWriter& rows, std::span<const bgp::RouteRow> paths) {
  std::vector<bgp::MrtPath> entries;
  for (const bgp::RouteRow& path : paths) {
    const auto place = places_.find(path.peer);
    if (place == places_.end()) continue;
    entries.push_back({place->second, now_ - path.age_seconds, path.path_id, &path.attributes});
  }
  if (entries.empty()) return;
  std::vector<std::byte> record;
  append_mrt_route(now_, sequence_++, paths.front().prefix, entries, record);
  write_record(rows, record);
}

void MrtWriter::write(RowWriter& rows, std::span<const bgp::RouteRow> slice) {
  if (!std::exchange(has_peers_, true)) write_peers(rows);
  while (!slice.empty()) {
    const auto end = std::ranges::find_if(
        slice, [&](const bgp::RouteRow& row) { return row.prefix != slice.front().prefix; });
    const auto count = static_cast<std::size_t>(end - slice.begin());
    write_route(rows, slice.first(count));
    slice = slice.subspan(count);
  }
}

}  // namespace towpath::agent
