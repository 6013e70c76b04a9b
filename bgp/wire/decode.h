// Bytes to messages. Takes whole messages from MessageFramer, header included and already checked.
//
// An error that is returned ends the session: send error.notification(). What RFC 7606 lets a session survive
// is no error here: decode_update() has then dropped the attribute, or moved the routes to `unreach`, and
// says so in `problems`. The output is ready to be applied in either case.
#pragma once

#include <cstddef>
#include <expected>
#include <span>

#include "bgp/wire/decode_error.h"
#include "bgp/wire/message.h"
#include "bgp/wire/message_framer.h"
#include "bgp/wire/session_parameters.h"

namespace towpath::bgp {

using DecodeStatus = std::expected<void, DecodeError>;

// Decodes any message into `out`; an UpdateMessage that is already there is reused.
DecodeStatus decode(const FramedMessage& message, const SessionParameters& session, Message& out);

// RFC 4271 section 6.2, RFC 5492, 6286, 7607, 9072. Checks what the message alone can tell; check_open() does
// the rest.
std::expected<OpenMessage, DecodeError> decode_open(std::span<const std::byte> body);

// RFC 4271 section 6.3 as revised by RFC 7606. After an error `out` is unspecified and must not be applied.
DecodeStatus decode_update(std::span<const std::byte> body, const SessionParameters& session,
                           UpdateMessage& out);

std::expected<NotificationMessage, DecodeError> decode_notification(std::span<const std::byte> body);

// RFC 7313 section 5: a wrong length is an error unless the subtype is unknown, in which case the message is
// ignored.
std::expected<RouteRefreshMessage, DecodeError> decode_route_refresh(const FramedMessage& message);

// What the local system expects of the peer's OPEN.
struct OpenExpectation {
  AsNumber local_as;
  RouterId local_router_id;
  AsNumber peer_as;
};
// kBadPeerAs where the AS is not the configured one, kBadBgpIdentifier where an internal peer has our
// identifier (RFC 6286 section 2.2), kRoleMismatch where it announced roles that contradict each other (RFC
// 9234 section 4.2).
DecodeStatus check_open(const OpenMessage& open, const OpenExpectation& expected);

}  // namespace towpath::bgp
