#include "towpath/netlink/link.h"

#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>

#include <algorithm>

#include "netlink/kernel_error.h"
#include "netlink/message_reader.h"
#include "netlink/message_writer.h"
#include "towpath/netlink/batch.h"

namespace towpath::netlink {
namespace {

void parse_link_info(std::span<const std::byte> info, Link& link) {
  for_each_attribute(info, [&](const AttributeView& attribute) {
    if (attribute.type == IFLA_INFO_KIND) link.kind = attribute.text();
  });
}

void parse_alternative_names(std::span<const std::byte> list, Link& link) {
  for_each_attribute(list, [&](const AttributeView& attribute) {
    if (attribute.type == IFLA_ALT_IFNAME) link.alternative_names.emplace_back(attribute.text());
  });
}

MacAddress parse_mac(std::span<const std::byte> bytes) {
  std::array<std::uint8_t, 6> octets{};
  if (bytes.size() == octets.size()) std::memcpy(octets.data(), bytes.data(), octets.size());
  return MacAddress(octets);
}

Result<Link> find(Batch& batch) {
  Link link;
  TOWPATH_TRY(auto failures, batch.execute_all([&](const MessageView& reply) {
    if (reply.header.nlmsg_type == RTM_NEWLINK) link = parse_link(reply);
  }));
  if (!failures.empty()) return std::unexpected(std::move(failures.front().error));
  return link;
}

}  // namespace

Link parse_link(const MessageView& message) {
  const auto header = message.fixed<ifinfomsg>();
  Link link;
  link.index = IfIndex{static_cast<std::uint32_t>(header.ifi_index)};
  link.up = header.ifi_flags & IFF_UP;
  link.running = header.ifi_flags & IFF_RUNNING;
  link.loopback = header.ifi_flags & IFF_LOOPBACK;
  std::optional<std::uint32_t> lower;
  for_each_attribute(message.after<ifinfomsg>(), [&](const AttributeView& attribute) {
    switch (attribute.type) {
      case IFLA_IFNAME: link.name = attribute.text(); break;
      case IFLA_IFALIAS: link.alias = attribute.text(); break;
      case IFLA_ADDRESS: link.mac = parse_mac(attribute.payload); break;
      case IFLA_MTU: link.mtu = attribute.number<std::uint32_t>(); break;
      case IFLA_LINK: lower = attribute.number<std::uint32_t>(); break;
      case IFLA_LINK_NETNSID: link.peer_namespace = attribute.number<std::int32_t>(); break;
      case IFLA_LINKINFO: parse_link_info(attribute.payload, link); break;
      case IFLA_PROP_LIST: parse_alternative_names(attribute.payload, link); break;
      default: break;
    }
  });
  if (link.kind == "veth") {
    // The kernel leaves IFLA_LINK away when the index of the other end happens to be the same as this one's.
    link.peer = lower ? IfIndex{*lower} : link.peer_namespace ? link.index : IfIndex{};
  }
  return link;
}

Result<Link> find_link(NetlinkSocket& socket, std::string_view name) {
  Batch batch(socket);
  batch.get_link(name);
  return find(batch);
}

Result<Link> find_link(NetlinkSocket& socket, IfIndex index) {
  Batch batch(socket);
  batch.get_link(index);
  return find(batch);
}

Result<std::vector<Link>> dump_links(NetlinkSocket& socket) {
  std::vector<std::byte> request;
  MessageWriter writer(request);
  writer.begin(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 0);
  writer.fixed(ifinfomsg{});
  writer.number(IFLA_EXT_MASK, std::uint32_t{RTEXT_FILTER_SKIP_STATS});
  writer.end();
  std::vector<Link> links;
  TOWPATH_TRY_STATUS(socket.dump(
      request, "dump interfaces", [&] { links.clear(); },
      [&](const MessageView& message) {
        if (message.header.nlmsg_type == RTM_NEWLINK) links.push_back(parse_link(message));
      }));
  return links;
}

LinkSettings LinkSettings::host_side(std::string alias) {
  LinkSettings settings;
  settings.alias = std::move(alias);
  settings.ipv4 = {{IPV4_DEVCONF_FORWARDING, 1},
                   {IPV4_DEVCONF_RP_FILTER, 1},
                   {IPV4_DEVCONF_ACCEPT_REDIRECTS, 0},
                   {IPV4_DEVCONF_SEND_REDIRECTS, 0}};
  settings.no_ipv6_link_local = true;
  settings.up = true;
  return settings;
}

Result<VethPair> create_veth(NetlinkSocket& host, const VethSpec& spec) {
  for (const auto& name : {spec.host_name, spec.sandbox_name}) {
    if (name.empty() || name.size() >= IFNAMSIZ) {
      return fail(ErrorKind::kInvalid,
                  fmt::format("interface name '{}': must have 1 to {} bytes", name, IFNAMSIZ - 1));
    }
  }
  // The question stands in the same system call as the order. Where the order is refused because the host
  // name is taken, the answer is about someone else's interface, and is dropped.
  Batch batch(host);
  batch.create_veth(spec);
  batch.get_link(spec.host_name);
  Link link;
  TOWPATH_TRY(auto failures, batch.execute_all([&](const MessageView& reply) { link = parse_link(reply); }));
  if (!failures.empty()) {
    return std::unexpected(
        std::move(failures.front().error)
            .with_context(fmt::format("veth {} to {} in the sandbox", spec.host_name, spec.sandbox_name)));
  }
  return VethPair{link.index, link.peer};
}

}  // namespace towpath::netlink
