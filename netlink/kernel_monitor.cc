#include "towpath/netlink/kernel_monitor.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "netlink/message_reader.h"

namespace towpath::netlink {
namespace {

// Events may come in bursts while the loop is busy with a slice of other work.
constexpr int kReceiveBuffer = 8 << 20;
constexpr std::size_t kEventsPerRead = 1024;

// The filter sees the message from its netlink header on. Its loads are big-endian, the header's fields are
// not.
Status attach_filter(int fd, std::uint8_t route_protocol, std::uint32_t ignored_port) {
  // Port 0 is the kernel itself, which removes routes when their interface goes: that must be seen.
  const std::uint32_t ignored = ignored_port != 0 ? ignored_port : 0xFFFFFFFF;
  constexpr std::uint32_t kProtocolAt = NLMSG_HDRLEN + offsetof(rtmsg, rtm_protocol);
  // The number is the first attribute of an object. Its first octet tells whose it is.
  constexpr std::uint32_t kIdAt = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(nhmsg)) + NLA_HDRLEN +
                                  (std::endian::native == std::endian::little ? 3 : 0);
  // Bytes of the flags lie as the machine has them.
  const std::uint32_t replace_flag = htons(NLM_F_REPLACE);
  std::array program = {
      sock_filter BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(nlmsghdr, nlmsg_type)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 3, 0),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 2, 0),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWNEXTHOP), 5, 0),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELNEXTHOP), 4, 9),
      // A route of ours, or one that may have taken the place of one.
      sock_filter BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kProtocolAt),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, route_protocol, 4, 0),
      sock_filter BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(nlmsghdr, nlmsg_flags)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, replace_flag, 2, 4),
      // An object of ours.
      sock_filter BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kIdAt),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kNextHopIdFirst >> 24, 0, 2),
      // Not by ourselves.
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(nlmsghdr, nlmsg_pid)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(ignored), 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, 0),
      sock_filter BPF_STMT(BPF_RET | BPF_K, 0xFFFFFFFF),
  };
  const sock_fprog attached{program.size(), program.data()};
  if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &attached, sizeof attached) == 0) return {};
  return fail_errno(errno, "attach a filter to the kernel monitor");
}

std::optional<KernelEvent> to_event(const MessageView& message, std::uint32_t route_table,
                                    std::uint8_t route_protocol) {
  switch (message.header.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      // A bridge reports its ports with a family of its own, and a port that leaves as a removed link.
      if (message.fixed<ifinfomsg>().ifi_family != AF_UNSPEC) return std::nullopt;
      return LinkEvent{message.header.nlmsg_type == RTM_DELLINK, parse_link(message)};
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      auto route = parse_route(message);
      if (!route || route->key.table != route_table) return std::nullopt;
      const bool removed = message.header.nlmsg_type == RTM_DELROUTE || route->protocol != route_protocol;
      return RouteEvent{removed, std::move(*route)};
    }
    case RTM_NEWNEXTHOP:
    case RTM_DELNEXTHOP: {
      auto object = parse_next_hop(message);
      if (!object || !is_agent_next_hop(object->id)) return std::nullopt;
      return NextHopEvent{message.header.nlmsg_type == RTM_DELNEXTHOP, std::move(*object)};
    }
    default: return std::nullopt;
  }
}

}  // namespace

Result<KernelMonitor> KernelMonitor::open(std::uint32_t route_table, std::uint8_t route_protocol,
                                          std::uint32_t ignored_port) {
  TOWPATH_TRY(NetlinkSocket socket, NetlinkSocket::open(NETLINK_ROUTE, kReceiveBuffer));
  TOWPATH_TRY_STATUS(attach_filter(socket.fd(), route_protocol, ignored_port));
  for (const std::uint32_t group : {RTNLGRP_LINK, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_NEXTHOP}) {
    TOWPATH_TRY_STATUS(socket.join(group));
  }
  return KernelMonitor(std::move(socket), route_table, route_protocol);
}

Result<std::vector<KernelEvent>> KernelMonitor::read() {
  std::vector<KernelEvent> events;
  while (events.size() < kEventsPerRead) {
    auto datagram = socket_.receive();
    if (!datagram) {
      if (datagram.error().sys_errno == EAGAIN) break;
      if (datagram.error().sys_errno != ENOBUFS) return std::unexpected(std::move(datagram).error());
      events.emplace_back(Overflow{});
      continue;
    }
    while (const auto message = next_message(*datagram)) {
      if (auto event = to_event(*message, route_table_, route_protocol_)) events.push_back(std::move(*event));
    }
  }
  return events;
}

}  // namespace towpath::netlink
