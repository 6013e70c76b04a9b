#include "towpath/netlink/sandbox_monitor.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "netlink/message_reader.h"

namespace towpath::netlink {
namespace {

constexpr std::size_t kLinksPerRead = 1024;

}  // namespace

Result<SandboxMonitor> SandboxMonitor::open() {
  TOWPATH_TRY(NetlinkSocket socket, NetlinkSocket::open());
  TOWPATH_TRY_STATUS(socket.listen_to_all_namespaces());
  TOWPATH_TRY_STATUS(socket.join(RTNLGRP_LINK));
  return SandboxMonitor(std::move(socket));
}

Result<SandboxMonitor::Changes> SandboxMonitor::read() {
  Changes changes;
  while (changes.links.size() < kLinksPerRead) {
    auto datagram = socket_.receive();
    if (!datagram) {
      if (datagram.error().sys_errno == EAGAIN) break;
      if (datagram.error().sys_errno != ENOBUFS) return std::unexpected(std::move(datagram).error());
      changes.lost = true;
      continue;
    }
    const auto sandbox = socket_.origin();
    if (!sandbox) continue;  // this namespace has its own monitor
    while (const auto message = next_message(*datagram)) {
      const bool is_link =
          message->header.nlmsg_type == RTM_NEWLINK && message->fixed<ifinfomsg>().ifi_family == AF_UNSPEC;
      if (is_link) changes.links.push_back({*sandbox, parse_link(*message)});
    }
  }
  return changes;
}

}  // namespace towpath::netlink
