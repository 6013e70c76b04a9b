// Short ways to write routes, and a receiver that applies what it pulls as a real peer would.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "bgp/rib/rib.h"

namespace towpath::bgp {

Prefix prefix(const std::string& text);
IpAddress address(const std::string& text);
NextHop next_hop(const std::string& text);
TimePoint at_second(int seconds);
// One AS_SEQUENCE.
AsPath as_path(std::initializer_list<std::uint32_t> numbers);
PathAttributes attributes(std::initializer_list<std::uint32_t> as_numbers);
// Both families, four-octet AS numbers.
SessionParameters session(PeerType type);
// Everything is told, next hops are 192.0.2.1 and 2001:db8::1, the AS is 65000.
ExportTarget target(PeerKind kind, ExportScope scope = ExportScope::kAll);
RibIdentity identity();
PolicyPtr accept_all();
RibPeer rib_peer(const std::string& address, PeerKind kind);

void announce(Rib& rib, PeerId peer, const std::string& prefix, const PathAttributes& attributes,
              const std::string& next_hop = "", std::uint32_t path_id = 0);
void withdraw(Rib& rib, PeerId peer, const std::string& prefix, std::uint32_t path_id = 0);
void run_to_end(Rib& rib);

// What a peer knows after the messages that it pulled.
class Receiver {
 public:
  explicit Receiver(const ExportTarget& target) : session_(target.session) {
    for (auto& family : session_.families) family.add_path_receive = family.add_path_send;
  }

  // One pull; fails the test for anything that is not a sequence of well-formed UPDATEs.
  bool pull(Rib& rib, PeerId peer, std::size_t max_bytes = 1 << 20);
  // Until nothing is left.
  void pull_all(Rib& rib, PeerId peer);

  std::map<Prefix, PathAttributes> routes;
  // The same by path identifier (RFC 7911); of no use where the session has none.
  std::map<Prefix, std::map<std::uint32_t, PathAttributes>> paths;
  std::map<Family, int> end_of_ribs;
  // RFC 7313: for each refresh "[n]", n being how many routes had come by its end.
  std::string refresh_marks;
  std::size_t messages = 0;
  std::size_t announced = 0;
  std::size_t withdrawn = 0;
  std::size_t withdrawn_in_vain = 0;  // of routes that it did not have

 private:
  void apply(std::span<const std::byte> message);
  SessionParameters session_;
};

}  // namespace towpath::bgp
