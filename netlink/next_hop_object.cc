#include "towpath/netlink/next_hop_object.h"

#include <fmt/format.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include <cstring>

#include "netlink/message_reader.h"
#include "netlink/message_writer.h"

namespace towpath::netlink {
namespace {

std::vector<NextHopMember> parse_members(std::span<const std::byte> bytes) {
  std::vector<NextHopMember> members;
  nexthop_grp entry;
  for (; bytes.size() >= sizeof entry; bytes = bytes.subspan(sizeof entry)) {
    std::memcpy(&entry, bytes.data(), sizeof entry);
    members.push_back({entry.id, static_cast<std::uint16_t>(entry.weight + 1)});
  }
  return members;
}

}  // namespace

std::optional<NextHopObject> parse_next_hop(const MessageView& message) {
  NextHopObject object;
  const auto header = message.fixed<nhmsg>();
  object.protocol = header.nh_protocol;
  object.hop.onlink = header.nh_flags & RTNH_F_ONLINK;
  for_each_attribute(message.after<nhmsg>(), [&](const AttributeView& attribute) {
    switch (attribute.type) {
      case NHA_ID: object.id = attribute.number<std::uint32_t>(); break;
      case NHA_GROUP: object.members = parse_members(attribute.payload); break;
      case NHA_OIF: object.hop.device = IfIndex{attribute.number<std::uint32_t>()}; break;
      case NHA_GATEWAY:
        if (auto address = IpAddress::from_bytes(attribute.payload)) object.hop.via = *address;
        break;
      default: break;
    }
  });
  if (object.id == 0) return std::nullopt;
  return object;
}

Result<std::vector<NextHopObject>> dump_next_hops(NetlinkSocket& socket) {
  std::vector<std::byte> request;
  MessageWriter writer(request);
  writer.begin(RTM_GETNEXTHOP, NLM_F_REQUEST | NLM_F_DUMP, 0);
  writer.fixed(nhmsg{});
  writer.end();
  std::vector<NextHopObject> objects;
  TOWPATH_TRY_STATUS(socket.dump(
      request, "dump next hops", [&] { objects.clear(); },
      [&](const MessageView& message) {
        if (message.header.nlmsg_type != RTM_NEWNEXTHOP) return;
        if (auto object = parse_next_hop(message)) objects.push_back(std::move(*object));
      }));
  return objects;
}

std::string format(const NextHopObject& object) {
  std::string text = fmt::format("{}", object.id);
  const char* before = " group ";
  for (const NextHopMember& member : object.members) {
    text += fmt::format("{}{}", std::exchange(before, "/"), member.id);
    if (member.weight != 1) text += fmt::format(" weight {}", member.weight);
  }
  if (!object.members.empty()) return text;
  if (object.hop.via) text += " via " + object.hop.via->to_string();
  if (object.hop.device) text += fmt::format(" ifindex {}", object.hop.device.value);
  if (object.hop.onlink) text += " onlink";
  return text;
}

}  // namespace towpath::netlink
