// Addresses that the state store calls free although this host leads them somewhere.
//
// The host outlives its store: when an operator removes a damaged one, the containers that are there keep
// their interfaces, addresses and routes, and nothing is written of them any more. And another host may have
// borrowed an address of our block; it announces it, so there is a route (docs/decisions/0008).
#pragma once

#include <vector>

#include "plugins/common/cni_error.h"
#include "towpath/base/address.h"
#include "towpath/ipam/address_range.h"
#include "towpath/ipam/endpoint_record.h"
#include "towpath/ipam/state_store.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::cni {

struct Clash {
  IpAddress address;
  bool is_announced = false;  // by another host
};

// Those of `addresses` that are the host's own, or for which alone it has a route.
// What an ADD of the same attachment left, whose interface bears its name, does not count.
Result<std::vector<Clash>> find_clashes(netlink::NetlinkSocket& host, const ipam::AttachmentId& attachment,
                                        const std::vector<IpAddress>& addresses);

// Gives `record`, which `request` has made and which is pending, other addresses in the place of those that
// clash. On failure `record` is what the store has. kAddressTaken: the runtime asked for one by name.
CniStatus avoid_clashes(netlink::NetlinkSocket& host, ipam::StateStore& store, ipam::ReserveRequest request,
                        ipam::EndpointRecord& record);

}  // namespace towpath::cni
