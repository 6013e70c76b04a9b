// The kernel objects of one endpoint: the veth pair with its addresses, neighbours and routes on both sides.
//
// Model (docs/architecture.md, "Datapath")
//   The sandbox end has the endpoint's addresses as /32 and /128 and its routes through 169.254.1.1 and
//   fe80::1, which no interface has: permanent neighbour entries lead both to the host end. The host end has
//   no address; permanent neighbour entries and a /32 or /128 route lead to the container. So the first
//   packet waits for nothing, in either direction. All of it goes away with the pair, and the pair with
//   either end.
//
// How it is recognised
//   By the name of the host end, which is made from container id and interface name, and by its alias, which
//   holds both in full. A record is not needed to find and remove it.
//
// Threading: none of its own. Failure: what the kernel refused, and for which object.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/common/cni_error.h"
#include "plugins/common/cni_result.h"
#include "towpath/base/mac_address.h"
#include "towpath/base/rollback.h"
#include "towpath/ipam/attachment_id.h"
#include "towpath/ipam/endpoint_record.h"
#include "towpath/netlink/host_side.h"
#include "towpath/netlink/netlink_socket.h"
#include "towpath/netlink/route.h"
#include "towpath/netlink/sandbox.h"

namespace towpath::cni {

using netlink::host_route;
using netlink::kEndpointRouteProtocol;
using netlink::kHostMac;

struct EndpointPlan {
  ipam::AttachmentId attachment;
  std::string host_ifname;
  MacAddress mac;                    // of the sandbox end
  std::uint32_t mtu = 1500;          // of both ends
  std::uint32_t changed_mtu = 0;     // CHECK: of the sandbox end, if a later plugin said that it changed it
  bool accepts_smaller_mtu = false;  // CHECK: of the sandbox end, where no plugin can say that
  std::vector<IpAddress> addresses;
  // In the sandbox, all through next_hop_of(their family); their own gateways are not used.
  std::vector<CniRoute> routes;
  ipam::Bandwidth bandwidth;
  // Ports of the host lead here: packets of 127.0.0.1 may leave by the host end.
  bool has_ports = false;
};

struct EndpointNamespaces {
  netlink::NetlinkSocket& host;
  const netlink::Sandbox& sandbox;
  netlink::NetlinkSocket& inside;  // a socket in the sandbox
};

// Makes everything. What was made is on `rollback`, also when a later step fails. A route that the sandbox
// has through an earlier interface, and for which no metric was asked, gets a worse one in the plan and
// stands behind it.
CniStatus make_endpoint(const EndpointNamespaces& where, EndpointPlan& plan, Rollback& rollback);

// Removes the pair and the ifb (endpoint_shaping.h); not being there is fine. An interface of that name that
// is not this attachment's is left alone. `shaped`: there may be an ifb to look for.
Status remove_endpoint(netlink::NetlinkSocket& host, const ipam::AttachmentId& attachment, bool shaped);
// The ifb only.
Status remove_shaping(netlink::NetlinkSocket& host, const ipam::AttachmentId& attachment);

// Compares the kernel with the plan; kCheckFailed says the first difference.
CniStatus check_endpoint(const EndpointNamespaces& where, const EndpointPlan& plan);

}  // namespace towpath::cni
