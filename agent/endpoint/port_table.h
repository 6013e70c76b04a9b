// Which ports of the host lead to which containers: what is wanted, what the kernel has, and who holds what.
//
// Model
//   want() and unwant() change the desired state, next_change() is the difference to what the kernel has, and
//   applied() says that a difference was carried out. What was refused stays in the next difference; there is
//   no other retry state. The cost of a difference follows what changed, not what there is.
//
// Who holds a port
//   The endpoint that wanted it first. Two mappings clash when one packet could be for both: same protocol
//   and port, and the same host address, or any address on one side.
//
// After a restart: adopt() says what the kernel has. Until allow_removals() nothing of it is in a difference
// as removed, unless something else takes its place.
//
// Pure. Threading: owned by the loop.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/ipam/endpoint_record.h"
#include "towpath/netlink/port_maps.h"

namespace towpath::agent {

// The elements that a record's mappings are, one for each family of addresses that a mapping is for.
std::vector<std::pair<netlink::PortKey, netlink::PortTarget>> port_elements(
    const ipam::EndpointRecord& record);

class PortTable {
 public:
  // In the place of what the endpoint wanted before. What another endpoint holds is given back, the rest is
  // not wanted either then.
  struct Clash {
    ipam::AttachmentId holder;
    Error error;
  };
  std::optional<Clash> want(const ipam::EndpointRecord& record);
  void unwant(const ipam::AttachmentId& endpoint);
  bool wants(const ipam::AttachmentId& endpoint) const { return wanted_by_.contains(endpoint); }

  void adopt(netlink::PortState actual);
  void allow_removals();

  netlink::PortChange next_change() const;
  void applied(const netlink::PortChange& change);

  // Elements in the kernel, as far as is known.
  std::size_t in_kernel() const { return actual_.ports.size(); }

 private:
  struct Claim {
    netlink::PortTarget target;
    ipam::AttachmentId owner;
  };
  const Claim* clashing(const netlink::PortKey& key, const ipam::AttachmentId& owner) const;
  void add_hairpin(const IpAddress& address);
  void drop_hairpin(const IpAddress& address);

  std::map<netlink::PortKey, Claim> wanted_;
  std::map<ipam::AttachmentId, std::vector<netlink::PortKey>> wanted_by_;
  std::map<IpAddress, std::size_t> hairpins_;  // by how many elements each is wanted
  netlink::PortState actual_;
  std::set<netlink::PortKey> changed_ports_;  // where wanted_ and actual_ may differ
  std::set<IpAddress> changed_hairpins_;
  bool removals_allowed_ = false;
};

}  // namespace towpath::agent
