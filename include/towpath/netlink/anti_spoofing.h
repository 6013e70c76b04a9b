// A container cannot send from an address that is not its own.
//
// Model
//   One chain of the table inet towpath, at prerouting with priority raw: before connection tracking, so that
//   a forged packet costs next to nothing. It looks at packets that come in by an interface whose name begins
//   with "tp", the host ends of the containers. A packet passes if the route back to its source leaves by the
//   interface it came in by; that is true for exactly the addresses that the plugin has routed there, so
//   there is no list to keep. ICMPv6 from the container's link-local address, or from none, passes as well:
//   neighbour discovery needs it. What is sent to 127/8 never passes: the kernel would take it from a
//   container whose interface has route_localnet set, as those with port mappings have (port_maps.h).
//
// After a restart: install_anti_spoofing() puts the same rules in the place of what is there, in one
// transaction; there is no moment without them. They stay when the agent ends. Threading: blocks for one
// exchange with the kernel. Failure: kUnsupported or kNotFound when the kernel lacks nf_tables or its fib
// expression for inet; IPv4 is then still checked by rp_filter, which the plugin sets on each host end.
#pragma once

#include <cstdint>

#include "towpath/base/error.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::netlink {

struct AntiSpoofingState {
  bool installed = false;
  std::uint64_t dropped_packets = 0;  // since it was installed last
};

Status install_anti_spoofing();
// By a NETLINK_NETFILTER socket of the caller's, which a RuleMonitor can then tell from those of others.
Status install_anti_spoofing(NetlinkSocket& socket);
// Removes the whole table inet towpath; none there is success.
Status remove_nft_table();
Result<AntiSpoofingState> read_anti_spoofing();

}  // namespace towpath::netlink
