#include "rib_fixture.h"

#include <gtest/gtest.h>

#include "bgp/wire/decode.h"

namespace towpath::bgp {

Prefix prefix(const std::string& text) {
  return *Prefix::parse(text);
}
IpAddress address(const std::string& text) {
  return *IpAddress::parse(text);
}
NextHop next_hop(const std::string& text) {
  return {address(text), {}};
}
TimePoint at_second(int seconds) {
  return TimePoint(std::chrono::seconds(seconds));
}

AsPath as_path(std::initializer_list<std::uint32_t> numbers) {
  AsPath path;
  if (numbers.size() == 0) return path;
  path.segments.push_back({SegmentType::kSequence, {}});
  for (const std::uint32_t n : numbers) path.segments[0].numbers.push_back({n});
  return path;
}

PathAttributes attributes(std::initializer_list<std::uint32_t> as_numbers) {
  PathAttributes a;
  a.as_path = as_path(as_numbers);
  return a;
}

SessionParameters session(PeerType type) {
  SessionParameters s;
  s.peer_type = type;
  s.four_octet_as = true;
  for (auto& family : s.families) family.enabled = true;
  return s;
}

ExportTarget target(PeerKind kind, ExportScope scope) {
  ExportTarget t;
  t.kind = kind;
  t.local_as = {65000};
  t.scope = scope;
  t.next_hop_self = {next_hop("192.0.2.1"), next_hop("2001:db8::1")};
  t.session = session(kind == PeerKind::kExternal ? PeerType::kExternal : PeerType::kInternal);
  return t;
}

RibIdentity identity() {
  return {{65000}, {0x0A000001}, {0x0A000001}, {address("192.0.2.1"), address("2001:db8::1")}};
}

PolicyPtr accept_all() {
  return PolicyPtr({accept_prefixes("all", {{Prefix::default_route(AddressFamily::kIpv4), 0, 32},
                                            {Prefix::default_route(AddressFamily::kIpv6), 0, 128}})});
}

RibPeer rib_peer(const std::string& text, PeerKind kind) {
  const IpAddress a = address(text);
  return {a, kind, {0x0A0A0000U + std::to_integer<std::uint32_t>(a.bytes().back())}, accept_all()};
}

void announce(Rib& rib, PeerId peer, const std::string& text, const PathAttributes& attributes,
              const std::string& via, std::uint32_t path_id) {
  const NlriEntry route{prefix(text), path_id};
  const bool v4 = route.prefix.family() == AddressFamily::kIpv4;
  const NextHop hop = next_hop(!via.empty() ? via : v4 ? "198.51.100.1" : "2001:db8:1::1");
  rib.announce(peer, unicast(route.prefix.family()), hop, {&route, 1}, attributes, at_second(1000));
}

void withdraw(Rib& rib, PeerId peer, const std::string& text, std::uint32_t path_id) {
  const NlriEntry route{prefix(text), path_id};
  rib.withdraw(peer, unicast(route.prefix.family()), {&route, 1});
}

void run_to_end(Rib& rib) {
  while (rib.work(3)) {
  }
}

bool Receiver::pull(Rib& rib, PeerId peer, std::size_t max_bytes) {
  std::vector<OutputSlice> slices;
  const bool more = rib.pull(peer, max_bytes, slices);
  for (const OutputSlice& slice : slices) {
    std::span<const std::byte> rest = slice.bytes;
    while (!rest.empty()) {
      if (rest.size() < kHeaderSize) {
        ADD_FAILURE() << "a slice ends inside a message";
        return false;
      }
      const std::size_t length =
          std::to_integer<std::size_t>(rest[16]) << 8 | std::to_integer<std::size_t>(rest[17]);
      if (length < kHeaderSize || length > rest.size()) {
        ADD_FAILURE() << "message of " << length << " octets in a slice with " << rest.size() << " left";
        return false;
      }
      apply(rest.first(length));
      rest = rest.subspan(length);
    }
  }
  return more;
}

void Receiver::pull_all(Rib& rib, PeerId peer) {
  int rounds = 0;
  while (pull(rib, peer)) ASSERT_LT(++rounds, 100000) << "the output never comes to an end";
  EXPECT_FALSE(rib.has_output(peer));
}

void Receiver::apply(std::span<const std::byte> message) {
  ++messages;
  if (message[18] == static_cast<std::byte>(MessageType::kRouteRefresh)) {
    ASSERT_EQ(message.size(), 23U);
    refresh_marks += message[21] == std::byte{1} ? "[" : std::to_string(announced) + "]";
    return;
  }
  UpdateMessage update;
  const auto status = decode_update(message.subspan(kHeaderSize), session_, update);
  ASSERT_TRUE(status.has_value());
  ASSERT_TRUE(update.problems.empty());
  if (update.end_of_rib) ++end_of_ribs[*update.end_of_rib];
  for (const Unreach& part : update.unreach) {
    for (const NlriEntry& route : part.nlri) {
      ++withdrawn;
      auto& of_prefix = paths[route.prefix];
      if (of_prefix.erase(route.path_id) == 0) ++withdrawn_in_vain;
      if (of_prefix.empty()) {
        paths.erase(route.prefix);
        routes.erase(route.prefix);
      }
    }
  }
  for (const Reach& part : update.reach) {
    for (const NlriEntry& route : part.nlri) {
      ++announced;
      PathAttributes& stored = routes[route.prefix] = update.attributes;
      stored.next_hop = part.next_hop;
      paths[route.prefix][route.path_id] = stored;
    }
  }
}

}  // namespace towpath::bgp
