#include "towpath/netlink/batch.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "netlink/kernel_error.h"
#include "netlink/message_reader.h"
#include "netlink/message_writer.h"

namespace towpath::netlink {
namespace {

std::uint8_t af(const IpAddress& address) {
  return static_cast<std::uint8_t>(to_af(address.family()));
}

void write_gateway(MessageWriter& writer, AddressFamily family, const IpAddress& via) {
  if (via.family() == family) {
    writer.attribute(RTA_GATEWAY, via.octets());
    return;
  }
  // struct rtvia: the family and then the address, as RFC 8950 next hops need it.
  std::vector<std::byte> payload(sizeof(std::uint16_t) + via.octets().size());
  const std::uint16_t via_family = af(via);
  std::memcpy(payload.data(), &via_family, sizeof via_family);
  std::memcpy(payload.data() + sizeof via_family, via.octets().data(), via.octets().size());
  writer.attribute(RTA_VIA, std::span<const std::byte>(payload));
}

void write_next_hops(MessageWriter& writer, AddressFamily family, const std::vector<NextHop>& next_hops) {
  if (next_hops.size() == 1) {
    const NextHop& hop = next_hops.front();
    if (hop.via) write_gateway(writer, family, *hop.via);
    if (hop.device) writer.number(RTA_OIF, hop.device.value);
    return;
  }
  const std::size_t nest = writer.nest(RTA_MULTIPATH);
  for (const NextHop& hop : next_hops) {
    const std::size_t start = writer.position();
    rtnexthop header{};
    header.rtnh_flags = hop.onlink ? RTNH_F_ONLINK : 0;
    header.rtnh_hops = static_cast<unsigned char>(hop.weight - 1);
    header.rtnh_ifindex = static_cast<int>(hop.device.value);
    writer.fixed(header);
    if (hop.via) write_gateway(writer, family, *hop.via);
    header.rtnh_len = static_cast<unsigned short>(writer.position() - start);
    writer.patch(start, header);
  }
  writer.end_nest(nest);
}

std::uint8_t scope_of(const Route& route) {
  if (route.type == RouteType::kLocal) return RT_SCOPE_HOST;
  const bool on_link = route.type == RouteType::kUnicast && route.nexthop_id == 0 &&
                       std::ranges::all_of(route.next_hops, [](const NextHop& hop) { return !hop.via; });
  return on_link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

}  // namespace

std::size_t Batch::open_request(std::uint16_t type, std::uint16_t flags) {
  if (starts_.empty()) first_sequence_ = socket_.next_sequence();
  const std::uint32_t sequence = starts_.empty() ? first_sequence_ : socket_.next_sequence();
  const std::size_t start =
      MessageWriter(buffer_).begin(type, static_cast<std::uint16_t>(flags | NLM_F_REQUEST), sequence);
  starts_.push_back(static_cast<std::uint32_t>(start));
  return starts_.size() - 1;
}

void Batch::close_request() {
  const auto length = static_cast<std::uint32_t>(buffer_.size() - starts_.back());
  std::memcpy(buffer_.data() + starts_.back() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
}

std::size_t Batch::create_veth(const VethSpec& spec) {
  const std::size_t index = open_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  MessageWriter writer(buffer_);
  // One queue: the kernel would make one per processor, and each costs memory and time. veth takes no lock on
  // sending.
  const auto write_end = [&](std::string_view name, const MacAddress& mac) {
    writer.text(IFLA_IFNAME, name);
    writer.attribute(IFLA_ADDRESS, mac.octets());
    writer.number(IFLA_MTU, spec.mtu);
    writer.number(IFLA_NUM_TX_QUEUES, std::uint32_t{1});
    writer.number(IFLA_NUM_RX_QUEUES, std::uint32_t{1});
  };
  writer.fixed(ifinfomsg{});
  write_end(spec.host_name, spec.host_mac);
  const std::size_t info = writer.nest(IFLA_LINKINFO);
  writer.text(IFLA_INFO_KIND, "veth");
  const std::size_t data = writer.nest(IFLA_INFO_DATA);
  const std::size_t peer = writer.nest(VETH_INFO_PEER);
  writer.fixed(ifinfomsg{});
  write_end(spec.sandbox_name, spec.sandbox_mac);
  writer.number(IFLA_NET_NS_FD, static_cast<std::uint32_t>(spec.sandbox_fd));
  writer.end_nest(peer);
  writer.end_nest(data);
  writer.end_nest(info);
  close_request();
  return index;
}

std::size_t Batch::get_link(std::string_view name) {
  const std::size_t index = open_request(RTM_GETLINK, 0);
  MessageWriter writer(buffer_);
  writer.fixed(ifinfomsg{});
  writer.text(name.size() < IFNAMSIZ ? IFLA_IFNAME : IFLA_ALT_IFNAME, name);
  writer.number(IFLA_EXT_MASK, std::uint32_t{RTEXT_FILTER_SKIP_STATS});
  close_request();
  return index;
}

std::size_t Batch::get_link(IfIndex device) {
  const std::size_t index = open_request(RTM_GETLINK, 0);
  MessageWriter writer(buffer_);
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(device.value);
  writer.fixed(header);
  writer.number(IFLA_EXT_MASK, std::uint32_t{RTEXT_FILTER_SKIP_STATS});
  close_request();
  return index;
}

std::size_t Batch::get_link(IfIndex peer, std::int32_t peer_namespace) {
  const std::size_t index = open_request(RTM_GETLINK, 0);
  MessageWriter writer(buffer_);
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(peer.value);
  writer.fixed(header);
  writer.number(IFLA_TARGET_NETNSID, peer_namespace);
  writer.number(IFLA_EXT_MASK, std::uint32_t{RTEXT_FILTER_SKIP_STATS});
  close_request();
  return index;
}

std::size_t Batch::set_link(IfIndex device, const LinkSettings& settings) {
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(device.value);
  std::size_t index = open_request(RTM_NEWLINK, 0);
  MessageWriter writer(buffer_);
  writer.fixed(header);
  if (settings.alias) {
    writer.attribute(IFLA_IFALIAS, std::as_bytes(std::span(*settings.alias)));
  }
  if (settings.mac) writer.attribute(IFLA_ADDRESS, settings.mac->octets());
  if (settings.mtu) writer.number(IFLA_MTU, *settings.mtu);
  if (!settings.ipv4.empty() || settings.no_ipv6_link_local) {
    const std::size_t families = writer.nest(IFLA_AF_SPEC);
    if (!settings.ipv4.empty()) {
      const std::size_t inet = writer.nest(AF_INET);
      const std::size_t conf = writer.nest(IFLA_INET_CONF | NLA_F_NESTED);
      for (const auto& [key, value] : settings.ipv4) writer.number(key, value);
      writer.end_nest(conf);
      writer.end_nest(inet);
    }
    if (settings.no_ipv6_link_local) {
      const std::size_t inet6 = writer.nest(AF_INET6);
      writer.number(IFLA_INET6_ADDR_GEN_MODE, std::uint8_t{IN6_ADDR_GEN_MODE_NONE});
      writer.end_nest(inet6);
    }
    writer.end_nest(families);
  }
  close_request();
  if (settings.up) {
    // A request of its own: within one, the kernel sets the flags before it looks at the address families,
    // and the interface would come up with the old settings.
    header.ifi_flags = IFF_UP;
    header.ifi_change = IFF_UP;
    index = open_request(RTM_NEWLINK, 0);
    MessageWriter(buffer_).fixed(header);
    close_request();
  }
  return index;
}

std::size_t Batch::delete_link(IfIndex device) {
  const std::size_t index = open_request(RTM_DELLINK, 0);
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(device.value);
  MessageWriter(buffer_).fixed(header);
  close_request();
  return index;
}

std::size_t Batch::write_address(std::uint16_t type, std::uint16_t flags, IfIndex device,
                                 const InterfaceAddress& address) {
  const std::size_t index = open_request(type, flags);
  MessageWriter writer(buffer_);
  ifaddrmsg header{};
  header.ifa_family = af(address.address);
  header.ifa_prefixlen = address.length;
  header.ifa_index = device.value;
  header.ifa_scope = RT_SCOPE_UNIVERSE;
  writer.fixed(header);
  writer.attribute(IFA_LOCAL, address.address.octets());
  if (type == RTM_NEWADDR) {
    writer.attribute(IFA_ADDRESS, address.address.octets());
    const std::uint32_t v6_only = address.address.is_v6() ? IFA_F_NODAD : 0;
    writer.number(IFA_FLAGS, static_cast<std::uint32_t>(IFA_F_PERMANENT | IFA_F_NOPREFIXROUTE | v6_only));
  }
  close_request();
  return index;
}

std::size_t Batch::add_address(IfIndex device, const InterfaceAddress& address) {
  return write_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, device, address);
}

std::size_t Batch::delete_address(IfIndex device, const InterfaceAddress& address) {
  return write_address(RTM_DELADDR, 0, device, address);
}

std::size_t Batch::write_neighbour(std::uint16_t type, std::uint16_t flags, IfIndex device,
                                   const IpAddress& address, const MacAddress* mac) {
  const std::size_t index = open_request(type, flags);
  MessageWriter writer(buffer_);
  ndmsg header{};
  header.ndm_family = af(address);
  header.ndm_ifindex = static_cast<int>(device.value);
  header.ndm_state = mac != nullptr ? NUD_PERMANENT : 0;
  writer.fixed(header);
  writer.attribute(NDA_DST, address.octets());
  if (mac != nullptr) writer.attribute(NDA_LLADDR, mac->octets());
  close_request();
  return index;
}

std::size_t Batch::set_neighbour(IfIndex device, const IpAddress& address, const MacAddress& mac) {
  return write_neighbour(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, device, address, &mac);
}

std::size_t Batch::delete_neighbour(IfIndex device, const IpAddress& address) {
  return write_neighbour(RTM_DELNEIGH, 0, device, address, nullptr);
}

std::size_t Batch::get_neighbour(IfIndex device, const IpAddress& address) {
  return write_neighbour(RTM_GETNEIGH, 0, device, address, nullptr);
}

std::size_t Batch::write_route(std::uint16_t type, std::uint16_t flags, const Route& route) {
  const std::size_t index = open_request(type, flags);
  MessageWriter writer(buffer_);
  const Prefix& destination = route.key.destination;
  rtmsg header{};
  header.rtm_family = af(destination.address());
  header.rtm_dst_len = destination.length();
  header.rtm_table =
      route.key.table < 256 ? static_cast<unsigned char>(route.key.table) : 0 /* RT_TABLE_UNSPEC */;
  header.rtm_protocol = route.protocol;
  if (type == RTM_DELROUTE) {
    // Any scope and type: the key and the protocol name the route.
    header.rtm_scope = RT_SCOPE_NOWHERE;
  } else {
    header.rtm_scope = scope_of(route);
    header.rtm_type = static_cast<unsigned char>(route.type);
  }
  const bool by_number = route.nexthop_id != 0;
  if (!by_number && route.next_hops.size() == 1 && route.next_hops.front().onlink)
    header.rtm_flags = RTNH_F_ONLINK;
  writer.fixed(header);
  if (destination.length() != 0) writer.attribute(RTA_DST, destination.address().octets());
  if (header.rtm_table == RT_TABLE_UNSPEC) writer.number(RTA_TABLE, route.key.table);
  if (route.key.metric != 0) writer.number(RTA_PRIORITY, route.key.metric);
  if (route.preferred_source) writer.attribute(RTA_PREFSRC, route.preferred_source->octets());
  if (route.mtu != 0) {
    const std::size_t metrics = writer.nest(RTA_METRICS);
    writer.number(RTAX_MTU, route.mtu);
    writer.end_nest(metrics);
  }
  if (by_number) {
    writer.number(RTA_NH_ID, route.nexthop_id);
  } else if (!route.next_hops.empty()) {
    write_next_hops(writer, destination.family(), route.next_hops);
  }
  close_request();
  return index;
}

std::size_t Batch::add_route(const Route& route) {
  return write_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route);
}

std::size_t Batch::replace_route(const Route& route) {
  return write_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route);
}

std::size_t Batch::delete_route(const Route& route) {
  return write_route(RTM_DELROUTE, 0, route);
}

std::size_t Batch::write_next_hop(std::uint16_t flags, const NextHopObject& object) {
  const std::size_t index = open_request(RTM_NEWNEXTHOP, flags);
  MessageWriter writer(buffer_);
  const bool group = !object.members.empty();
  nhmsg header{};
  header.nh_protocol = object.protocol;
  // A next hop without a gateway still has a family: that of the routes that may use it. Here it is IPv4, and
  // routes to what is on a link are not the agent's.
  if (!group) header.nh_family = object.hop.via ? af(*object.hop.via) : std::uint8_t{AF_INET};
  if (!group && object.hop.onlink) header.nh_flags = RTNH_F_ONLINK;
  writer.fixed(header);
  writer.number(NHA_ID, object.id);
  if (group) {
    std::vector<nexthop_grp> entries;
    for (const NextHopMember& member : object.members) {
      nexthop_grp entry{};
      entry.id = member.id;
      entry.weight = static_cast<std::uint8_t>(member.weight - 1);
      entries.push_back(entry);
    }
    writer.attribute(NHA_GROUP, std::as_bytes(std::span(entries)));
  } else {
    if (object.hop.device) writer.number(NHA_OIF, object.hop.device.value);
    if (object.hop.via) writer.attribute(NHA_GATEWAY, object.hop.via->octets());
  }
  close_request();
  return index;
}

std::size_t Batch::add_next_hop(const NextHopObject& object) {
  return write_next_hop(NLM_F_CREATE | NLM_F_EXCL, object);
}

std::size_t Batch::replace_next_hop(const NextHopObject& object) {
  return write_next_hop(NLM_F_CREATE | NLM_F_REPLACE, object);
}

std::size_t Batch::delete_next_hop(std::uint32_t id) {
  const std::size_t index = open_request(RTM_DELNEXTHOP, 0);
  MessageWriter writer(buffer_);
  writer.fixed(nhmsg{});
  writer.number(NHA_ID, id);
  close_request();
  return index;
}

std::size_t Batch::get_forwarding(AddressFamily family) {
  const std::size_t index = open_request(RTM_GETNETCONF, 0);
  MessageWriter writer(buffer_);
  writer.fixed(netconfmsg{.ncm_family = static_cast<std::uint8_t>(to_af(family))});
  writer.number(NETCONFA_IFINDEX, std::int32_t{NETCONFA_IFINDEX_ALL});
  close_request();
  return index;
}

bool Batch::is_forwarding(const MessageView& reply) {
  bool forwards = false;
  for_each_attribute(reply.after<netconfmsg>(), [&](const AttributeView& attribute) {
    if (attribute.type == NETCONFA_FORWARDING) forwards = attribute.number<std::int32_t>() == 1;
  });
  return forwards;
}

std::size_t Batch::get_route(const IpAddress& destination) {
  const std::size_t index = open_request(RTM_GETROUTE, 0);
  MessageWriter writer(buffer_);
  rtmsg header{};
  header.rtm_family = af(destination);
  header.rtm_dst_len = destination.bits();
  header.rtm_flags = RTM_F_FIB_MATCH;  // the entry itself, not the cached result for this one address
  writer.fixed(header);
  writer.attribute(RTA_DST, destination.octets());
  close_request();
  return index;
}

void Batch::clear() {
  buffer_.clear();
  starts_.clear();
}

Status Batch::execute() {
  TOWPATH_TRY(auto failures, execute_all());
  if (!failures.empty()) return std::unexpected(std::move(failures.front().error));
  return {};
}

Result<std::vector<Batch::Failure>> Batch::execute_all(const Reply& on_reply) {
  std::vector<Failure> failures;
  if (empty()) return failures;
  ask_for_acknowledgement();
  Status status = socket_.send(buffer_);
  if (status) status = collect(failures, on_reply);
  clear();
  if (!status) return std::unexpected(std::move(status).error());
  return failures;
}

// The kernel answers in order, so the acknowledgement of the last request comes after every refusal.
void Batch::ask_for_acknowledgement() {
  const std::size_t at = starts_.back() + offsetof(nlmsghdr, nlmsg_flags);
  std::uint16_t flags = 0;
  std::memcpy(&flags, buffer_.data() + at, sizeof flags);
  flags |= NLM_F_ACK;
  std::memcpy(buffer_.data() + at, &flags, sizeof flags);
}

Status Batch::collect(std::vector<Failure>& failures, const Reply& on_reply) {
  for (;;) {
    auto datagram = socket_.receive_answer();
    if (!datagram) {
      const Error lost = std::move(datagram).error();
      if (lost.sys_errno == ENOBUFS) discard_answers();
      return std::unexpected(lost);
    }
    while (const auto message = next_message(*datagram)) {
      const std::uint32_t index = message->header.nlmsg_seq - first_sequence_;
      if (index >= starts_.size()) continue;  // an answer to something earlier
      if (message->header.nlmsg_type != NLMSG_ERROR) {
        if (on_reply) on_reply(*message);
        continue;
      }
      const KernelAnswer answer = read_answer(*message);
      if (answer.sys_errno != 0) {
        auto request = std::span<const std::byte>(buffer_).subspan(starts_[index]);
        failures.push_back({index, make_error(answer, describe_request(*next_message(request)))});
      }
      if (index == starts_.size() - 1) return {};
    }
  }
}

// After an overflow the last acknowledgement may be missing, so waiting for it could last for ever. All
// answers there will be are in the queue already.
void Batch::discard_answers() {
  for (;;) {
    const auto datagram = socket_.receive();
    if (!datagram && datagram.error().sys_errno != ENOBUFS) return;
  }
}

}  // namespace towpath::netlink
