#include "towpath/netlink/reachability.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <limits>
#include <tuple>

#include "netlink/message_reader.h"
#include "towpath/netlink/batch.h"
#include "towpath/netlink/route.h"

namespace towpath::netlink {
namespace {

constexpr std::size_t kRequests = 512;  // so that all answers fit the receive buffer
constexpr int kMonitorBuffer = 64 << 10;

bool is_down(unsigned flags) {
  return flags & (RTNH_F_LINKDOWN | RTNH_F_DEAD);
}

// The kernel names routes over an interface without a carrier, with a mark.
bool has_carrier(const MessageView& message) {
  const auto header = message.fixed<rtmsg>();
  bool several = false, any_up = false;
  for_each_attribute(message.after<rtmsg>(), [&](const AttributeView& attribute) {
    if (attribute.type != RTA_MULTIPATH) return;
    several = true;
    auto bytes = attribute.payload;
    rtnexthop hop;
    while (bytes.size() >= sizeof hop) {
      std::memcpy(&hop, bytes.data(), sizeof hop);
      if (hop.rtnh_len < sizeof hop) return;
      any_up |= !is_down(hop.rtnh_flags);
      bytes = bytes.subspan(std::min<std::size_t>(RTNH_ALIGN(hop.rtnh_len), bytes.size()));
    }
  });
  return several ? any_up : !is_down(header.rtm_flags);
}

Reach reach_by(const Route& route) {
  if (route.type != RouteType::kUnicast) return {};
  Reach reach{.found = true};
  if (!route.next_hops.empty()) {
    reach.gateway = route.next_hops.front().via;
    reach.device = route.next_hops.front().device;
  }
  constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (reach.gateway) reach.cost = route.key.metric == kMost ? kMost : route.key.metric + 1;
  return reach;
}

bool needs_interface(const IpAddress& address) {
  return address.is_v6() && address.is_link_local();
}

Status look_up_some(NetlinkSocket& socket, RouteOwner owner, std::span<const IpAddress> addresses,
                    std::span<Reach> out) {
  Batch batch(socket);
  std::vector<std::size_t> asked;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    if (needs_interface(addresses[i])) continue;
    asked.push_back(i);
    batch.get_route(addresses[i]);
  }
  if (batch.empty()) return {};
  std::vector<Reach> answers;  // in order, of the requests that were not refused
  TOWPATH_TRY(const auto refusals, batch.execute_all([&](const MessageView& message) {
    const auto route = parse_route(message);
    Reach reach;
    if (route && route->protocol == owner.protocol && route->key.table == owner.table) {
      reach.hidden = true;
    } else if (route && has_carrier(message)) {
      reach = reach_by(*route);
    }
    answers.push_back(reach);
  }));
  auto answer = answers.begin();
  auto refusal = refusals.begin();
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (refusal != refusals.end() && refusal->index == i) {
      // A blackhole, and nobody says whose. (No route at all is ENETUNREACH.)
      out[asked[i]].hidden = refusal->error.sys_errno == EINVAL;
      ++refusal;
    } else if (answer != answers.end()) {
      out[asked[i]] = *answer++;
    }
  }
  return {};
}

}  // namespace

Result<std::vector<Reach>> look_up(NetlinkSocket& socket, RouteOwner owner,
                                   std::span<const IpAddress> addresses) {
  std::vector<Reach> out(addresses.size());
  for (std::size_t at = 0; at < addresses.size(); at += kRequests) {
    const std::size_t some = std::min(kRequests, addresses.size() - at);
    TOWPATH_TRY_STATUS(
        look_up_some(socket, owner, addresses.subspan(at, some), std::span(out).subspan(at, some)));
  }
  return out;
}

Result<std::vector<Reach>> look_through(NetlinkSocket& socket, RouteOwner owner,
                                        std::span<const IpAddress> addresses) {
  TOWPATH_TRY(auto out, look_up(socket, owner, addresses));
  for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    struct Best {
      std::size_t index;
      std::optional<RouteKey> key;
    };
    std::vector<Best> wanted;
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (out[i].hidden && addresses[i].family() == family) wanted.push_back({i, {}});
    }
    if (wanted.empty()) continue;
    const auto restart = [&] {
      for (Best& best : wanted) best.key.reset();
    };
    const auto visit = [&](Route&& route) {
      if (route.protocol == owner.protocol) return;
      const auto longer = [](const RouteKey& key) {
        return std::tuple(-int{key.destination.length()}, key.metric);
      };
      for (Best& best : wanted) {
        if (!route.key.destination.contains(addresses[best.index])) continue;
        if (best.key && longer(*best.key) <= longer(route.key)) continue;
        best.key = route.key;
        out[best.index] = reach_by(route);
      }
    };
    TOWPATH_TRY_STATUS(dump_routes(socket, family, {.table = owner.table, .protocol = {}}, restart, visit));
    for (const Best& best : wanted) {
      if (!best.key) out[best.index] = {};
    }
  }
  return out;
}

Result<ReachabilityMonitor> ReachabilityMonitor::open(std::uint8_t own_protocol) {
  TOWPATH_TRY(NetlinkSocket socket, NetlinkSocket::open(NETLINK_ROUTE, kMonitorBuffer));
  // All but our own routes. The loads are big-endian, the header's fields are not.
  constexpr std::uint32_t kProtocolAt = NLMSG_HDRLEN + offsetof(rtmsg, rtm_protocol);
  std::array program = {
      sock_filter BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(nlmsghdr, nlmsg_type)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 1, 0),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 0, 3),
      sock_filter BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kProtocolAt),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, own_protocol, 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, 0),
      sock_filter BPF_STMT(BPF_RET | BPF_K, 0xFFFFFFFF),
  };
  const sock_fprog attached{program.size(), program.data()};
  if (::setsockopt(socket.fd(), SOL_SOCKET, SO_ATTACH_FILTER, &attached, sizeof attached) != 0) {
    return fail_errno(errno, "attach a filter to the reachability monitor");
  }
  for (const std::uint32_t group :
       {RTNLGRP_LINK, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE}) {
    TOWPATH_TRY_STATUS(socket.join(group));
  }
  return ReachabilityMonitor(std::move(socket));
}

bool ReachabilityMonitor::take() {
  bool any = false;
  for (;;) {
    const auto datagram = socket_.receive();
    if (!datagram && datagram.error().sys_errno != ENOBUFS) return any;
    any = true;
  }
}

}  // namespace towpath::netlink
