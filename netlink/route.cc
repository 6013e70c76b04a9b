#include "towpath/netlink/route.h"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "netlink/message_reader.h"
#include "netlink/message_writer.h"
#include "towpath/netlink/batch.h"

namespace towpath::netlink {
namespace {

RouteType to_type(unsigned char type) {
  return type >= RTN_UNICAST && type <= RTN_THROW ? static_cast<RouteType>(type) : RouteType::kOther;
}

std::optional<IpAddress> to_address(std::span<const std::byte> bytes) {
  if (auto address = IpAddress::from_bytes(bytes)) return *address;
  return std::nullopt;
}

// struct rtvia: two bytes of family before the address.
std::optional<IpAddress> to_via(std::span<const std::byte> payload) {
  constexpr std::size_t kFamily = sizeof(std::uint16_t);
  return payload.size() > kFamily ? to_address(payload.subspan(kFamily)) : std::nullopt;
}

void parse_multipath(std::span<const std::byte> bytes, std::vector<NextHop>& next_hops) {
  rtnexthop header;
  while (bytes.size() >= sizeof header) {
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.rtnh_len < sizeof header || header.rtnh_len > bytes.size()) return;
    NextHop hop;
    hop.device = IfIndex{static_cast<std::uint32_t>(header.rtnh_ifindex)};
    hop.onlink = header.rtnh_flags & RTNH_F_ONLINK;
    hop.weight = static_cast<std::uint16_t>(header.rtnh_hops + 1);
    for_each_attribute(bytes.subspan(sizeof header, header.rtnh_len - sizeof header),
                       [&](const AttributeView& a) {
                         if (a.type == RTA_GATEWAY) hop.via = to_address(a.payload);
                         if (a.type == RTA_VIA) hop.via = to_via(a.payload);
                       });
    next_hops.push_back(hop);
    const std::size_t step = RTNH_ALIGN(header.rtnh_len);
    if (step >= bytes.size()) return;
    bytes = bytes.subspan(step);
  }
}

std::string_view type_name(RouteType type) {
  switch (type) {
    case RouteType::kUnicast: return "";
    case RouteType::kLocal: return "local ";
    case RouteType::kBroadcast: return "broadcast ";
    case RouteType::kAnycast: return "anycast ";
    case RouteType::kMulticast: return "multicast ";
    case RouteType::kBlackhole: return "blackhole ";
    case RouteType::kUnreachable: return "unreachable ";
    case RouteType::kProhibit: return "prohibit ";
    case RouteType::kThrow: return "throw ";
    case RouteType::kOther: break;
  }
  return "other ";
}

}  // namespace

std::optional<Route> parse_route(const MessageView& message) {
  const auto header = message.fixed<rtmsg>();
  if (header.rtm_family != AF_INET && header.rtm_family != AF_INET6) return std::nullopt;
  if ((header.rtm_flags & RTM_F_CLONED) || header.rtm_tos != 0) return std::nullopt;
  Route route;
  route.type = to_type(header.rtm_type);
  route.protocol = header.rtm_protocol;
  route.key.table = header.rtm_table;
  IpAddress destination =
      IpAddress::any(header.rtm_family == AF_INET ? AddressFamily::kIpv4 : AddressFamily::kIpv6);
  NextHop single;
  single.onlink = header.rtm_flags & RTNH_F_ONLINK;
  for_each_attribute(message.after<rtmsg>(), [&](const AttributeView& attribute) {
    switch (attribute.type) {
      case RTA_DST: destination = to_address(attribute.payload).value_or(destination); break;
      case RTA_TABLE: route.key.table = attribute.number<std::uint32_t>(); break;
      case RTA_PRIORITY: route.key.metric = attribute.number<std::uint32_t>(); break;
      case RTA_PREFSRC: route.preferred_source = to_address(attribute.payload); break;
      case RTA_GATEWAY: single.via = to_address(attribute.payload); break;
      case RTA_VIA: single.via = to_via(attribute.payload); break;
      case RTA_OIF: single.device = IfIndex{attribute.number<std::uint32_t>()}; break;
      case RTA_NH_ID: route.nexthop_id = attribute.number<std::uint32_t>(); break;
      case RTA_MULTIPATH: parse_multipath(attribute.payload, route.next_hops); break;
      case RTA_METRICS:
        for_each_attribute(attribute.payload, [&](const AttributeView& metric) {
          if (metric.type == RTAX_MTU) route.mtu = metric.number<std::uint32_t>();
        });
        break;
      default: break;
    }
  });
  const auto prefix = Prefix::make(destination, header.rtm_dst_len);
  if (!prefix) return std::nullopt;
  route.key.destination = *prefix;
  // An IPv6 blackhole has the loopback device in the kernel's answer; it forwards nothing, so it has no next
  // hop here.
  const bool forwards = route.type != RouteType::kBlackhole && route.type != RouteType::kUnreachable &&
                        route.type != RouteType::kProhibit && route.type != RouteType::kThrow;
  if (forwards && route.next_hops.empty() && (single.via || single.device)) route.next_hops.push_back(single);
  return route;
}

Status dump_routes(NetlinkSocket& socket, AddressFamily family, const RouteFilter& filter,
                   const std::function<void()>& restart, const std::function<void(Route&&)>& visit) {
  std::vector<std::byte> request;
  MessageWriter writer(request);
  writer.begin(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, 0);
  rtmsg header{};
  header.rtm_family = static_cast<unsigned char>(to_af(family));
  header.rtm_protocol = filter.protocol.value_or(RTPROT_UNSPEC);
  writer.fixed(header);
  if (filter.table) writer.number(RTA_TABLE, *filter.table);
  if (filter.device) writer.number(RTA_OIF, filter.device.value);
  writer.end();
  const auto status = socket.dump(request, "dump routes", restart, [&](const MessageView& message) {
    if (message.header.nlmsg_type != RTM_NEWROUTE) return;
    auto route = parse_route(message);
    if (!route) return;
    if (filter.table && route->key.table != *filter.table) return;
    if (filter.protocol && route->protocol != *filter.protocol) return;
    visit(std::move(*route));
  });
  // A table comes into being with its first route; until then the kernel knows no such table.
  if (!status && status.error().sys_errno == ENOENT && filter.table) return {};
  return status;
}

Result<std::vector<Route>> dump_routes(NetlinkSocket& socket, AddressFamily family,
                                       const RouteFilter& filter) {
  std::vector<Route> routes;
  TOWPATH_TRY_STATUS(dump_routes(
      socket, family, filter, [&] { routes.clear(); },
      [&](Route&& route) { routes.push_back(std::move(route)); }));
  return routes;
}

std::string format(const Route& route) {
  std::string text = fmt::format("{}{}", type_name(route.type), route.key.destination.to_string());
  const bool several = route.next_hops.size() > 1;
  if (route.nexthop_id != 0) text += fmt::format(" nhid {}", route.nexthop_id);
  for (const NextHop& hop : route.next_hops) {
    if (several) text += " nexthop";
    if (hop.via) text += " via " + hop.via->to_string();
    if (hop.device) text += fmt::format(" ifindex {}", hop.device.value);
    if (several && hop.weight != 1) text += fmt::format(" weight {}", hop.weight);
    if (hop.onlink) text += " onlink";
  }
  if (route.key.metric != 0) text += fmt::format(" metric {}", route.key.metric);
  if (route.key.table != kMainTable) text += fmt::format(" table {}", route.key.table);
  return text;
}

bool is_local_address(NetlinkSocket& socket, const IpAddress& address) {
  bool local = false;
  Batch batch(socket);
  batch.get_route(address);
  const auto failures = batch.execute_all([&](const MessageView& reply) {
    const auto route = parse_route(reply);
    local = route && route->type == RouteType::kLocal;
  });
  return failures && failures->empty() && local;
}

}  // namespace towpath::netlink
