// How fast one endpoint may receive and send (the bandwidth capability).
//
// Model (towpath/netlink/shaping.h)
//   Towards the container a token bucket at the host end of the veth pair; from the container a redirection
//   there to an ifb of the endpoint's own, with a token bucket. The redirection goes away with the host end,
//   the ifb does not: whoever removes an endpoint removes its ifb too, also where the sandbox took the pair
//   along.
//
// How the ifb is recognised: as the host end is, by a name made from container id and interface name, and by
// its alias, which holds both in full.
//
// Threading: none of its own. Failure: what the kernel refused, and for which object.
#pragma once

#include "plugins/towpath/endpoint_link.h"
#include "towpath/netlink/link.h"

namespace towpath::cni {

// `device` is the host end. What was made and does not go away with it is on `rollback`.
CniStatus make_shaping(netlink::NetlinkSocket& host, IfIndex device, const EndpointPlan& plan,
                       Rollback& rollback);

// kCheckFailed says the first difference.
CniStatus check_shaping(netlink::NetlinkSocket& host, const netlink::Link& device, const EndpointPlan& plan);

}  // namespace towpath::cni
