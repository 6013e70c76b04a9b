#include "towpath/netlink/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <optional>

#include "netlink/kernel_error.h"
#include "netlink/message_reader.h"
#include "netlink/message_writer.h"

namespace towpath::netlink {
namespace {

// Which parts of CTA_TUPLE_ORIG a dump is narrowed down to (Linux 5.8, nf_internals.h). An older kernel takes
// no notice and sends all, so the answers are looked at again.
constexpr std::uint32_t kFilterProtocol = 1U << 3;
constexpr std::uint32_t kFilterDestinationPort = 1U << 5;

struct Tuple {
  std::optional<IpAddress> source{};
  std::optional<IpAddress> destination{};
  std::uint8_t protocol = 0;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint16_t icmp_id = 0;
  std::uint8_t icmp_type = 0;
  std::uint8_t icmp_code = 0;
};

std::uint16_t message_type(std::uint16_t type) {
  return static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type);
}

nfgenmsg family_header(AddressFamily family) {
  nfgenmsg header{};
  header.nfgen_family = static_cast<std::uint8_t>(to_af(family));
  return header;
}

std::optional<IpAddress> to_address(const AttributeView& field) {
  auto address = IpAddress::from_bytes(field.payload);
  if (!address) return std::nullopt;
  return *address;
}

Tuple parse_tuple(std::span<const std::byte> bytes) {
  Tuple tuple;
  const auto read_addresses = [&](const AttributeView& field) {
    if (field.type == CTA_IP_V4_SRC || field.type == CTA_IP_V6_SRC) tuple.source = to_address(field);
    if (field.type == CTA_IP_V4_DST || field.type == CTA_IP_V6_DST) tuple.destination = to_address(field);
  };
  const auto read_protocol = [&](const AttributeView& field) {
    if (field.type == CTA_PROTO_NUM) tuple.protocol = field.number<std::uint8_t>();
    if (field.type == CTA_PROTO_SRC_PORT) tuple.source_port = ntohs(field.number<std::uint16_t>());
    if (field.type == CTA_PROTO_DST_PORT) tuple.destination_port = ntohs(field.number<std::uint16_t>());
    if (field.type == CTA_PROTO_ICMP_ID || field.type == CTA_PROTO_ICMPV6_ID)
      tuple.icmp_id = ntohs(field.number<std::uint16_t>());
    if (field.type == CTA_PROTO_ICMP_TYPE || field.type == CTA_PROTO_ICMPV6_TYPE)
      tuple.icmp_type = field.number<std::uint8_t>();
    if (field.type == CTA_PROTO_ICMP_CODE || field.type == CTA_PROTO_ICMPV6_CODE)
      tuple.icmp_code = field.number<std::uint8_t>();
  };
  for_each_attribute(bytes, [&](const AttributeView& part) {
    if (part.type == CTA_TUPLE_IP) for_each_attribute(part.payload, read_addresses);
    if (part.type == CTA_TUPLE_PROTO) for_each_attribute(part.payload, read_protocol);
  });
  return tuple;
}

std::optional<TrackedFlow> parse_flow(const MessageView& message) {
  TrackedFlow flow;
  Tuple original, reply;
  for_each_attribute(message.after<nfgenmsg>(), [&](const AttributeView& attribute) {
    if (attribute.type == CTA_TUPLE_ORIG) original = parse_tuple(attribute.payload);
    if (attribute.type == CTA_TUPLE_REPLY) reply = parse_tuple(attribute.payload);
    if (attribute.type == CTA_ID) flow.id = attribute.number<std::uint32_t>();
    if (attribute.type == CTA_ZONE) flow.zone = ntohs(attribute.number<std::uint16_t>());
  });
  if (!original.source || !original.destination || !reply.source) return std::nullopt;
  flow.protocol = original.protocol;
  flow.source = *original.source;
  flow.destination = *original.destination;
  flow.source_port = original.source_port;
  flow.destination_port = original.destination_port;
  flow.icmp_id = original.icmp_id;
  flow.icmp_type = original.icmp_type;
  flow.icmp_code = original.icmp_code;
  flow.reply_source = *reply.source;
  flow.reply_source_port = reply.source_port;
  return flow;
}

void write_protocol(MessageWriter& writer, std::uint8_t protocol, std::optional<std::uint16_t> source_port,
                    std::uint16_t destination_port) {
  const std::size_t nest = writer.nest(CTA_TUPLE_PROTO | NLA_F_NESTED);
  writer.number(CTA_PROTO_NUM, protocol);
  if (source_port) writer.number(CTA_PROTO_SRC_PORT, htons(*source_port));
  writer.number(CTA_PROTO_DST_PORT, htons(destination_port));
  writer.end_nest(nest);
}

bool is_icmp(std::uint8_t protocol) {
  return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

void write_icmp(MessageWriter& writer, const TrackedFlow& flow) {
  const bool v4 = flow.protocol == IPPROTO_ICMP;
  const std::size_t nest = writer.nest(CTA_TUPLE_PROTO | NLA_F_NESTED);
  writer.number(CTA_PROTO_NUM, flow.protocol);
  writer.number(v4 ? CTA_PROTO_ICMP_ID : CTA_PROTO_ICMPV6_ID, htons(flow.icmp_id));
  writer.number(v4 ? CTA_PROTO_ICMP_TYPE : CTA_PROTO_ICMPV6_TYPE, flow.icmp_type);
  writer.number(v4 ? CTA_PROTO_ICMP_CODE : CTA_PROTO_ICMPV6_CODE, flow.icmp_code);
  writer.end_nest(nest);
}

// `filter` writes what restricts the dump.
template <class Filter>
Result<std::vector<TrackedFlow>> dump(NetlinkSocket& socket, AddressFamily family, Filter filter) {
  std::vector<std::byte> request;
  MessageWriter writer(request);
  writer.begin(message_type(IPCTNL_MSG_CT_GET), NLM_F_REQUEST | NLM_F_DUMP, 0);
  writer.fixed(family_header(family));
  filter(writer);
  writer.end();
  std::vector<TrackedFlow> flows;
  TOWPATH_TRY_STATUS(socket.dump(
      request, "dump tracked flows", [&] { flows.clear(); },
      [&](const MessageView& message) {
        if (message.header.nlmsg_type != message_type(IPCTNL_MSG_CT_NEW)) return;
        if (const auto flow = parse_flow(message)) flows.push_back(*flow);
      }));
  return flows;
}

}  // namespace

Result<std::vector<TrackedFlow>> dump_flows(NetlinkSocket& socket, AddressFamily family) {
  return dump(socket, family, [](MessageWriter&) {});
}

Result<std::vector<TrackedFlow>> dump_flows(NetlinkSocket& socket, AddressFamily family,
                                            std::uint8_t protocol, std::uint16_t destination_port) {
  auto flows = dump(socket, family, [&](MessageWriter& writer) {
    const std::size_t tuple = writer.nest(CTA_TUPLE_ORIG | NLA_F_NESTED);
    write_protocol(writer, protocol, {}, destination_port);
    writer.end_nest(tuple);
    const std::size_t filter = writer.nest(CTA_FILTER | NLA_F_NESTED);
    writer.number(CTA_FILTER_ORIG_FLAGS, kFilterProtocol | kFilterDestinationPort);
    writer.number(CTA_FILTER_REPLY_FLAGS, std::uint32_t{0});
    writer.end_nest(filter);
  });
  if (flows) {
    std::erase_if(*flows, [&](const TrackedFlow& flow) {
      return flow.protocol != protocol || flow.destination_port != destination_port;
    });
  }
  return flows;
}

Status forget_flow(NetlinkSocket& socket, const TrackedFlow& flow) {
  std::vector<std::byte> request;
  MessageWriter writer(request);
  const std::uint32_t sequence = socket.next_sequence();
  writer.begin(message_type(IPCTNL_MSG_CT_DELETE), NLM_F_REQUEST | NLM_F_ACK, sequence);
  writer.fixed(family_header(flow.source.family()));
  const bool v4 = flow.source.is_v4();
  const std::size_t tuple = writer.nest(CTA_TUPLE_ORIG | NLA_F_NESTED);
  const std::size_t addresses = writer.nest(CTA_TUPLE_IP | NLA_F_NESTED);
  writer.attribute(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, flow.source.octets());
  writer.attribute(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, flow.destination.octets());
  writer.end_nest(addresses);
  if (is_icmp(flow.protocol)) {
    write_icmp(writer, flow);
  } else {
    write_protocol(writer, flow.protocol, flow.source_port, flow.destination_port);
  }
  writer.end_nest(tuple);
  if (flow.zone != 0) writer.number(CTA_ZONE, htons(flow.zone));
  writer.number(CTA_ID, flow.id);  // not one that has taken its place since
  writer.end();
  TOWPATH_TRY_STATUS(socket.send(request));
  return receive_removal(socket, sequence, "remove a tracked flow");
}

}  // namespace towpath::netlink
