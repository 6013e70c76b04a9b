#include "bgp/wire/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "towpath/base/byte_reader.h"

namespace towpath::bgp {
namespace {

template <class Value>
DecodeStatus store(std::expected<Value, DecodeError> decoded, Message& out) {
  if (!decoded) return std::unexpected(std::move(decoded).error());
  out = *std::move(decoded);
  return {};
}

}  // namespace

DecodeStatus decode(const FramedMessage& message, const SessionParameters& session, Message& out) {
  switch (message.type) {
    case MessageType::kOpen: return store(decode_open(message.body()), out);
    case MessageType::kUpdate: {
      auto* update = std::get_if<UpdateMessage>(&out);
      return decode_update(message.body(), session,
                           update != nullptr ? *update : out.emplace<UpdateMessage>());
    }
    case MessageType::kNotification: return store(decode_notification(message.body()), out);
    case MessageType::kKeepalive: out.emplace<KeepaliveMessage>(); return {};
    case MessageType::kRouteRefresh: return store(decode_route_refresh(message), out);
  }
  // MessageFramer gives no other type.
  return std::unexpected(DecodeError{
      Disposition::kReset, kBadMessageType, {static_cast<std::byte>(message.type)}, "unknown message type"});
}

std::expected<NotificationMessage, DecodeError> decode_notification(std::span<const std::byte> body) {
  ByteReader reader(body);
  NotificationMessage notification;
  notification.code.code = reader.u8();
  notification.code.subcode = reader.u8();
  if (!reader.ok()) {
    return std::unexpected(DecodeError{
        Disposition::kReset, kBadMessageLength, {}, "the NOTIFICATION is cut off (RFC 4271 section 6.1)"});
  }
  const auto data = reader.rest();
  notification.data.assign(data.begin(), data.end());
  return notification;
}

std::expected<RouteRefreshMessage, DecodeError> decode_route_refresh(const FramedMessage& message) {
  constexpr std::size_t kBodySize = 4;
  ByteReader reader(message.body());
  RouteRefreshMessage refresh;
  refresh.afi = reader.u16();
  refresh.subtype = reader.u8();
  refresh.safi = reader.u8();
  const bool known_subtype = refresh.subtype <= static_cast<std::uint8_t>(RouteRefreshSubtype::kEnd);
  if (!reader.ok() || (known_subtype && message.body().size() != kBodySize)) {
    const auto whole = message.bytes.first(std::min(message.bytes.size(), kMaxNotificationData));
    return std::unexpected(DecodeError{
        Disposition::kReset,
        kInvalidRouteRefreshLength,
        {whole.begin(), whole.end()},
        fmt::format("ROUTE-REFRESH of {} octets instead of 23 (RFC 7313 section 5)", message.bytes.size())});
  }
  return refresh;
}

}  // namespace towpath::bgp
