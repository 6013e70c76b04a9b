// Entries of connection tracking: the kernel's memory of flows and of what it rewrites in them.
//
// A UDP flow has no end that the kernel could see: its entry, with the rewriting that was right when it
// began, lives as long as packets come. Who changes where packets of a port go has to remove the entries that
// say otherwise.
//
// A NETLINK_NETFILTER socket. Threading: one thread. Failure: kUnsupported and the like where the kernel has
// no connection tracking; removing what is gone already is success.
#pragma once

#include <cstdint>
#include <vector>

#include "towpath/base/address.h"
#include "towpath/base/error.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::netlink {

struct TrackedFlow {
  std::uint8_t protocol = 0;
  IpAddress source{};  // of the first packet, as it came
  IpAddress destination{};
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  IpAddress reply_source{};  // who answers: another than `destination` where that was rewritten
  std::uint16_t reply_source_port = 0;
  // Of ICMP and ICMPv6, which have these in the place of ports.
  std::uint16_t icmp_id = 0;
  std::uint8_t icmp_type = 0;
  std::uint8_t icmp_code = 0;
  std::uint16_t zone = 0;
  std::uint32_t id = 0;
};

// All of one family.
Result<std::vector<TrackedFlow>> dump_flows(NetlinkSocket& socket, AddressFamily family);

// Those whose first packet went to this port.
Result<std::vector<TrackedFlow>> dump_flows(NetlinkSocket& socket, AddressFamily family,
                                            std::uint8_t protocol, std::uint16_t destination_port);
Status forget_flow(NetlinkSocket& socket, const TrackedFlow& flow);

}  // namespace towpath::netlink
