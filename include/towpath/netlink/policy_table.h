// The rules of network policy in the kernel: the table inet towpath_policy, which is ours alone.
//
// Model
//   Two base chains where packets are forwarded. The first looks the interface that a packet of a container
//   comes from up in the map `from`, the second the one that it goes to in the map `to`; the verdict is to
//   accept, or to go on in the chain of a set of policies. What the map does not have is dropped. Packets of
//   known flows and ICMP errors pass before; so do those of a container to itself. Nothing is said about
//   packets to the host or from it.
//
//   Flows that were allowed and are no longer must be forgotten by connection tracking. An answer that is on
//   its way then would begin a flow of its own, in which the forbidden direction were the answer. So what
//   would be answers of such flows is refused for some minutes: the sets `cut`.
//
//   A chain accepts what one of its sets has, and drops the rest. For each family there are hosts that may
//   all, hosts with ports, networks that may all, and networks with ports; for both, the ports that everybody
//   may. Hosts, and ports that stand alone, are in hash tables; ranges in the kernel's interval sets, whose
//   elements must not overlap. A chain's rules never change but where everybody may all, so nearly every
//   change is a change of elements.
//
//   Why the sets are not behind one another, as a map from address to a chain for each kind of ports: the
//   kernel walks through all verdict maps when a transaction touches one, and again through each that is
//   behind it, so nested ones cost the product. A map to a number that is looked up with the port would do,
//   but tools that list the rules stumble over it.
//
// A fresh process knows the table by its name and replaces it whole, in one transaction: there is no moment
// without rules, and nothing has to be read. It has no other owner, so nothing of others is lost.
//
// Threading: one thread. Blocks for exchanges with the kernel. Failure: the refused request; the kernel is
// then as it was before the call.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "towpath/base/address.h"
#include "towpath/base/error.h"
#include "towpath/netlink/conntrack.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::netlink {

inline constexpr const char* kPolicyTable = "towpath_policy";

struct PolicyPorts {
  std::uint8_t protocol = 0;
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  friend auto operator<=>(const PolicyPorts&, const PolicyPorts&) = default;
};
struct PolicyRange {
  IpAddress first;  // of one family
  IpAddress last;
  friend auto operator<=>(const PolicyRange&, const PolicyRange&) = default;
};

// What a chain accepts of the other ends of flows. Networks must not overlap where their ports do, and the
// ports of one host or network must not overlap at all.
struct PolicyElements {
  std::vector<IpAddress> hosts;
  std::vector<std::pair<IpAddress, PolicyPorts>> host_ports;
  std::vector<PolicyRange> networks;
  std::vector<std::pair<PolicyRange, PolicyPorts>> network_ports;
  std::vector<PolicyPorts> anybody;
  bool empty() const {
    return hosts.empty() && host_ports.empty() && networks.empty() && network_ports.empty() &&
           anybody.empty();
  }
};

struct PolicyInterface {
  std::string name;
  std::optional<std::string> ingress;  // a chain; nothing: accept
  std::optional<std::string> egress;
};

// One transaction. What is in a list to remove and in one to add is replaced.
struct PolicyChange {
  // Names of chains of ingress begin with "i_", of egress with "e_".
  std::vector<std::string> add_chains;
  // Whether everybody may all, of new chains and of those where it changed.
  std::vector<std::pair<std::string, bool>> write_rules;
  std::map<std::string, PolicyElements> remove_elements;  // by chain
  std::map<std::string, PolicyElements> add_elements;
  std::vector<PolicyInterface> remove_interfaces;
  std::vector<PolicyInterface> add_interfaces;
  std::vector<std::string> remove_chains;  // with their elements; nothing refers to them then
  bool empty() const {
    return add_chains.empty() && write_rules.empty() && remove_elements.empty() && add_elements.empty() &&
           remove_interfaces.empty() && add_interfaces.empty() && remove_chains.empty();
  }
};

class PolicyTable {
 public:
  // In the network namespace of the calling thread.
  static Result<PolicyTable> open();

  // The table is what `all` makes of an empty one, whatever it was before.
  Status replace(const PolicyChange& all);
  // kNotFound and others: the table is not what we made; replace() it.
  Status change(const PolicyChange& change);
  // Ends flows: their entries are removed, and what would be answers to them is dropped for some minutes.
  // How many; those that ended by themselves count.
  Result<std::size_t> cut(std::span<const TrackedFlow> flows);
  // No table is success, and no transaction, which would have to wait for those of others.
  Status remove();

  // Of the socket that makes the changes, for a RuleMonitor.
  Result<std::uint32_t> port_id() const { return socket_.port_id(); }

 private:
  explicit PolicyTable(NetlinkSocket socket) : socket_(std::move(socket)) {}
  Result<bool> is_there();
  NetlinkSocket socket_;
};

}  // namespace towpath::netlink
