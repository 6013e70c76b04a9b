// Bytes to messages. Takes whole messages from MessageFramer, header included and already checked.
//
// An error that is returned ends the session: send error.notification(). What RFC 7606 lets a session survive
// is no error here: decode_update() has then dropped the attribute, or moved the routes to `unreach`, and
// says so in `problems`. The output is ready to be applied in either case.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <span>

#include "bgp/wire/decode_error.h"
#include "bgp/wire/message.h"
#include "bgp/wire/message_framer.h"
#include "bgp/wire/session_parameters.h"
#include "towpath/bgp/peer_as.h"
#include "towpath/bgp/role.h"

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
  PeerAs peer_as;
  std::optional<Role> local_role{};  // ours, where we announce one
  bool role_required = false;        // the peer must announce one, too (RFC 9234 section 4.2, strict mode)
};
// kBadPeerAs where the AS is none that the peer may have, kBadBgpIdentifier where an internal peer has our
// identifier (RFC 6286 section 2.2), kRoleMismatch where its role does not fit ours, is missing though
// required, or contradicts another one of its own (RFC 9234 section 4.2).
DecodeStatus check_open(const OpenMessage& open, const OpenExpectation& expected);

}  // namespace towpath::bgp
