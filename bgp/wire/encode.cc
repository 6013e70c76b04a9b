#include "bgp/wire/encode.h"

#include <fmt/format.h>

#include <algorithm>

#include "bgp/wire/capability_codec.h"
#include "bgp/wire/message_writer.h"
#include "bgp/wire/nlri.h"
#include "towpath/base/byte_writer.h"

namespace towpath::bgp {
namespace {

constexpr std::uint8_t kCapabilitiesParameter = 2;  // RFC 5492 section 4
constexpr std::uint8_t kExtendedLength = 255;       // RFC 9072 section 2
constexpr std::size_t kMaxShortParameters = 253;

void append_nlri(const std::vector<NlriEntry>& nlri, bool add_path, std::vector<std::byte>& out) {
  for (const NlriEntry& entry : nlri) {
    const std::size_t at = out.size();
    out.resize(at + kMaxNlriSize);
    out.resize(at + put_nlri(out.data() + at, entry.prefix, add_path, entry.path_id));
  }
}

// MP_REACH_NLRI first (RFC 7606 section 5.1), then the others, then MP_UNREACH_NLRI.
void append_attribute_list(const UpdateMessage& update, const SessionParameters& session,
                           std::vector<std::byte>& out) {
  const Reach& mp_reach = update.reach[UpdateMessage::kMpReach];
  if (!mp_reach.nlri.empty()) {
    const std::size_t start = begin_mp_reach(mp_reach.family, mp_reach.next_hop, out);
    append_nlri(mp_reach.nlri, session.of(mp_reach.family).add_path_send, out);
    end_mp(start, out);
  }
  const Unreach& ipv6 = update.unreach[index(Family::kIpv6Unicast)];
  if (!ipv6.nlri.empty()) {
    const std::size_t start = begin_mp_unreach(Family::kIpv6Unicast, out);
    append_nlri(ipv6.nlri, session.of(Family::kIpv6Unicast).add_path_send, out);
    end_mp(start, out);
  }
  if (!update.announces()) return;
  EncodedAttributes attributes;
  encode_attributes(update.attributes, session, attributes);
  const auto next_hop_at = attributes.bytes.begin() + static_cast<std::ptrdiff_t>(attributes.next_hop_at);
  const Reach& field = update.reach[UpdateMessage::kNlriField];
  out.insert(out.end(), attributes.bytes.begin(), next_hop_at);
  if (!field.nlri.empty()) write_next_hop(field.next_hop, out);
  out.insert(out.end(), next_hop_at, attributes.bytes.end());
}

}  // namespace

Status encode_open(const OpenMessage& open, std::vector<std::byte>& out) {
  std::vector<std::byte> capabilities;
  write_capabilities(open.capabilities, capabilities);
  const bool extended = capabilities.size() + 2 > kMaxShortParameters;
  // Header, the fixed part with its length octet, the extended length, and the parameter's own head.
  if (kHeaderSize + 10 + 3 + 3 + capabilities.size() > kMaxMessageSize) {
    return fail(ErrorKind::kInvalid,
                fmt::format("capabilities of {} octets do not fit an OPEN (RFC 4271 section 4.2)",
                            capabilities.size()));
  }
  const std::size_t start = begin_message(MessageType::kOpen, out);
  ByteWriter writer(out);
  writer.u8(kBgpVersion);
  writer.u16(static_cast<std::uint16_t>(open.as.fits_two_octets() ? open.as.value : kAsTrans.value));
  writer.u16(open.hold_time);
  writer.u32(open.router_id.value);
  if (capabilities.empty()) {
    writer.u8(0);
  } else if (!extended) {
    writer.u8(static_cast<std::uint8_t>(capabilities.size() + 2));
    writer.u8(kCapabilitiesParameter);
    writer.u8(static_cast<std::uint8_t>(capabilities.size()));
  } else {
    writer.u8(kExtendedLength);
    writer.u8(kExtendedLength);
    writer.u16(static_cast<std::uint16_t>(capabilities.size() + 3));
    writer.u8(kCapabilitiesParameter);
    writer.u16(static_cast<std::uint16_t>(capabilities.size()));
  }
  writer.bytes(capabilities);
  end_message(start, out);
  return {};
}

void encode_keepalive(std::vector<std::byte>& out) {
  end_message(begin_message(MessageType::kKeepalive, out), out);
}

void encode_notification(const NotificationMessage& notification, std::vector<std::byte>& out,
                         std::size_t max_length) {
  const std::size_t start = begin_message(MessageType::kNotification, out);
  ByteWriter writer(out);
  writer.u8(notification.code.code);
  writer.u8(notification.code.subcode);
  writer.bytes(
      std::span(notification.data).first(std::min(notification.data.size(), max_length - kHeaderSize - 2)));
  end_message(start, out);
}

void encode_route_refresh(const RouteRefreshMessage& refresh, std::vector<std::byte>& out) {
  const std::size_t start = begin_message(MessageType::kRouteRefresh, out);
  ByteWriter writer(out);
  writer.u16(refresh.afi);
  writer.u8(refresh.subtype);
  writer.u8(refresh.safi);
  end_message(start, out);
}

void encode_end_of_rib(Family family, std::vector<std::byte>& out) {
  const std::size_t start = begin_message(MessageType::kUpdate, out);
  out.resize(out.size() + 4);
  if (family != Family::kIpv4Unicast) {
    const std::size_t attributes = out.size();
    end_mp(begin_mp_unreach(family, out), out);
    patch_u16(out, attributes - 2, out.size() - attributes);
  }
  end_message(start, out);
}

Status encode_update(const UpdateMessage& update, const SessionParameters& session,
                     std::vector<std::byte>& out) {
  if (update.end_of_rib) {
    encode_end_of_rib(*update.end_of_rib, out);
    return {};
  }
  const auto empty = [](const Unreach& part) { return part.nlri.empty(); };
  if (!update.announces() && std::ranges::all_of(update.unreach, empty)) {
    return fail(ErrorKind::kInvalid, "an UPDATE without routes would be an End-of-RIB (RFC 4724 section 2)");
  }
  const bool add_path = session.of(Family::kIpv4Unicast).add_path_send;
  const std::size_t start = begin_message(MessageType::kUpdate, out);
  out.resize(out.size() + 2);
  append_nlri(update.unreach[index(Family::kIpv4Unicast)].nlri, add_path, out);
  patch_u16(out, start + kHeaderSize, out.size() - start - kHeaderSize - 2);
  const std::size_t attributes = out.size();
  out.resize(out.size() + 2);
  append_attribute_list(update, session, out);
  patch_u16(out, attributes, out.size() - attributes - 2);
  append_nlri(update.reach[UpdateMessage::kNlriField].nlri, add_path, out);
  if (const std::size_t length = out.size() - start; length > session.max_send) {
    out.resize(start);
    return fail(ErrorKind::kExhausted, fmt::format("an UPDATE of {} octets is longer than the session's {}",
                                                   length, session.max_send));
  }
  end_message(start, out);
  return {};
}

Status encode(const Message& message, const SessionParameters& session, std::vector<std::byte>& out) {
  switch (type_of(message)) {
    case MessageType::kOpen: return encode_open(std::get<OpenMessage>(message), out);
    case MessageType::kUpdate: return encode_update(std::get<UpdateMessage>(message), session, out);
    case MessageType::kNotification:
      encode_notification(std::get<NotificationMessage>(message), out, session.max_send);
      return {};
    case MessageType::kKeepalive: encode_keepalive(out); return {};
    case MessageType::kRouteRefresh:
      encode_route_refresh(std::get<RouteRefreshMessage>(message), out);
      return {};
  }
  return {};
}

}  // namespace towpath::bgp
