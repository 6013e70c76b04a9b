#include "towpath/netlink/host_side_monitor.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>

#include "netlink/message_reader.h"
#include "towpath/base/check.h"
#include "towpath/netlink/host_side.h"

namespace towpath::netlink {
namespace {

constexpr int kReceiveBuffer = 4 << 20;
constexpr std::size_t kChangesPerRead = 1024;
constexpr std::size_t kMostPorts = 16;

// The filter sees the message from its netlink header on. Its loads are big-endian, the header's fields are
// not; bytes of the flags lie as the machine has them.
Status attach_filter(int fd, const std::vector<std::uint32_t>& own_ports) {
  TOWPATH_CHECK(own_ports.size() <= kMostPorts);
  constexpr std::uint32_t kLengthAt = NLMSG_HDRLEN + offsetof(rtmsg, rtm_dst_len);
  constexpr std::uint32_t kPortAt = offsetof(nlmsghdr, nlmsg_pid);
  // Lines of the program. A jump counts how many it passes over.
  constexpr std::uint8_t kNewRoute = 5, kRemovedRoute = 7, kNewNeighbour = 10, kPorts = 12;
  const auto drop = static_cast<std::uint8_t>(kPorts + 1 + own_ports.size() + 1);
  const auto jump = [](std::uint8_t from, std::uint8_t to) {
    return static_cast<std::uint8_t>(to - from - 1);
  };
  std::vector<sock_filter> program = {
      sock_filter BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(nlmsghdr, nlmsg_type)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), jump(1, kNewRoute), 0),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), jump(2, kRemovedRoute), 0),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWNEIGH), jump(3, kNewNeighbour), 0),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELNEIGH), jump(4, kPorts), jump(4, drop)),
      // A new route counts if it took the place of one.
      sock_filter BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(nlmsghdr, nlmsg_flags)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, htons(NLM_F_REPLACE | NLM_F_APPEND), jump(6, kPorts),
                           jump(6, drop)),
      // A removed one if it led to one address. (IPv6 has prefixes of 32 bits, too: they are sorted out
      // later.)
      sock_filter BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kLengthAt),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 32, jump(8, kPorts), 0),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 128, jump(9, kPorts), jump(9, drop)),
      // The kernel itself only says how alive ordinary neighbours are.
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kPortAt),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, jump(11, drop), 0),
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kPortAt),
  };
  for (const std::uint32_t port : own_ports) {
    const auto line = static_cast<std::uint8_t>(program.size());
    program.push_back(sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(port), jump(line, drop), 0));
  }
  program.push_back(sock_filter BPF_STMT(BPF_RET | BPF_K, 0xFFFFFFFF));
  program.push_back(sock_filter BPF_STMT(BPF_RET | BPF_K, 0));
  const sock_fprog attached{static_cast<unsigned short>(program.size()), program.data()};
  if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &attached, sizeof attached) == 0) return {};
  return fail_errno(errno, "attach a filter to the monitor of host sides");
}

void note(const MessageView& message, HostSideMonitor::Changes& changes) {
  switch (message.header.nlmsg_type) {
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      const auto route = parse_route(message);
      if (!route || route->key.table != kMainTable || !route->key.destination.is_host()) return;
      changes.addresses.insert(route->key.destination.address());
      // The endpoint may be too new to be known by its address.
      if (message.header.nlmsg_type == RTM_DELROUTE && route->protocol == kEndpointRouteProtocol) {
        for (const NextHop& hop : route->next_hops) changes.devices.insert(hop.device);
      }
      break;
    }
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: {
      const auto neighbour = message.fixed<ndmsg>();
      if (neighbour.ndm_family != AF_INET && neighbour.ndm_family != AF_INET6) return;
      changes.devices.insert(IfIndex{static_cast<std::uint32_t>(neighbour.ndm_ifindex)});
      break;
    }
    default: return;
  }
  // Some removals are told twice, the second time by the kernel itself.
  if (message.header.nlmsg_pid != 0) changes.culprit = message.header.nlmsg_pid;
}

}  // namespace

Result<HostSideMonitor> HostSideMonitor::open(const std::vector<std::uint32_t>& own_ports) {
  TOWPATH_TRY(NetlinkSocket socket, NetlinkSocket::open(NETLINK_ROUTE, kReceiveBuffer));
  TOWPATH_TRY_STATUS(attach_filter(socket.fd(), own_ports));
  for (const std::uint32_t group : {RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_NEIGH})
    TOWPATH_TRY_STATUS(socket.join(group));
  return HostSideMonitor(std::move(socket));
}

Result<HostSideMonitor::Changes> HostSideMonitor::read() {
  Changes changes;
  for (std::size_t seen = 0; seen < kChangesPerRead; ++seen) {
    auto datagram = socket_.receive();
    if (!datagram) {
      if (datagram.error().sys_errno == EAGAIN) break;
      if (datagram.error().sys_errno != ENOBUFS) return std::unexpected(std::move(datagram).error());
      changes.lost = true;
      continue;
    }
    while (const auto message = next_message(*datagram)) note(*message, changes);
  }
  return changes;
}

}  // namespace towpath::netlink
