// Ports of the host that lead to containers: NAT in nf_tables, by maps.
//
// Model
//   In the table inet towpath lie, for each family, two maps: (protocol, host address, port) for mappings of
//   one host address, and (protocol, port) for those of any. One rule for each map looks the packet up and
//   rewrites its destination; so the cost of a packet does not depend on the number of mappings, and a change
//   is a change of elements. The lookups sit in one chain, used for packets that arrive (prerouting) and for
//   those that the host itself sends (output), and only for destinations that are addresses of the host.
//   Replies find their way without more: they pass the host anyway. The source is rewritten to the host's
//   only where the answer would not come back otherwise: a container that reaches itself by its own mapping
//   (a set of its addresses), and a process of the host that connects to 127.0.0.1.
//
// Loopback: the kernel sends 127/8 out of an interface only where route_localnet is set on it; the plugin
// does that for a container with mappings. The anti-spoofing rules drop what comes back the other way. IPv6
// has no such switch: nothing sent from ::1 leaves the host.
//
// After a restart: adopt() reads the elements; nothing is taken away until change() is told to. The chains
// are made with the first mapping (connection tracking costs every packet of the host something), and
// rewritten by adopt().
//
// Threading: one thread. Blocks for exchanges with the kernel. Failure: the refused request; the kernel is
// then as it was before the call.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "towpath/base/address.h"
#include "towpath/base/error.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::netlink {

struct PortKey {
  AddressFamily family = AddressFamily::kIpv4;
  std::uint8_t protocol = 0;           // IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP
  std::optional<IpAddress> host_ip{};  // of that family; nothing: any
  std::uint16_t port = 0;
  friend auto operator<=>(const PortKey&, const PortKey&) = default;
};

struct PortTarget {
  IpAddress address{};
  std::uint16_t port = 0;
  friend auto operator<=>(const PortTarget&, const PortTarget&) = default;
};

struct PortState {
  std::map<PortKey, PortTarget> ports;
  std::set<IpAddress> hairpins;  // containers whose packets to themselves need the host's source address
  friend bool operator==(const PortState&, const PortState&) = default;
};

// One transaction: first all removals, so that a key may be in both lists.
struct PortChange {
  std::vector<std::pair<PortKey, PortTarget>> remove_ports;
  std::vector<std::pair<PortKey, PortTarget>> add_ports;
  std::vector<IpAddress> remove_hairpins;
  std::vector<IpAddress> add_hairpins;
  bool empty() const {
    return remove_ports.empty() && add_ports.empty() && remove_hairpins.empty() && add_hairpins.empty();
  }
};

class PortMaps {
 public:
  // In the network namespace of the calling thread.
  static Result<PortMaps> open();

  // What is in the kernel. Where there are maps, the chains get the rules of this program, in one
  // transaction.
  Result<PortState> adopt();
  // Makes maps and chains if they are not there.
  Status change(const PortChange& change);
  // Maps and chains; none there is success.
  Status remove();

  // Of the socket that makes the changes, for a RuleMonitor.
  Result<std::uint32_t> port_id() const { return socket_.port_id(); }

 private:
  explicit PortMaps(NetlinkSocket socket) : socket_(std::move(socket)) {}
  Status install();
  NetlinkSocket socket_;
  bool installed_ = false;
};

// For the plugin, which has no PortMaps. `socket` is a NETLINK_NETFILTER socket.
//
// Where the mapping leads, read from the kernel; nothing if there is none.
Result<std::optional<PortTarget>> find_port_target(NetlinkSocket& socket, const PortKey& key);
// One element each; one that is not there is success.
Status remove_port(NetlinkSocket& socket, const PortKey& key);
Status remove_hairpin(NetlinkSocket& socket, const IpAddress& address);
// After the mapping of a UDP port is removed: connection tracking would go on rewriting its flows. Best
// effort.
void forget_mapped_flows(NetlinkSocket& socket, const PortKey& key, const PortTarget& target);

}  // namespace towpath::netlink
