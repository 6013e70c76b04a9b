// Messages to bytes. Every function appends whole messages, header included, to `out`, which the caller
// reuses.
//
// For routes in bulk there are three steps, so that an update group formats once for many peers:
// encode_attributes() once per attribute set, AnnouncePacker and WithdrawPacker to fill messages
// (update_packer.h).
#pragma once

#include <cstddef>
#include <vector>

#include "bgp/wire/message.h"
#include "bgp/wire/session_parameters.h"
#include "bgp/wire/update_packer.h"
#include "towpath/base/error.h"

namespace towpath::bgp {

// RFC 9072's extended form is used where the optional parameters need more than 253 octets (there are peers
// that refuse 254 and 255). kInvalid where they do not fit a message.
Status encode_open(const OpenMessage& open, std::vector<std::byte>& out);
void encode_keepalive(std::vector<std::byte>& out);
// Data beyond `max_length` is cut.
void encode_notification(const NotificationMessage& notification, std::vector<std::byte>& out,
                         std::size_t max_length = kMaxMessageSize);
void encode_route_refresh(const RouteRefreshMessage& refresh, std::vector<std::byte>& out);
// The empty UPDATE, or the one with an empty MP_UNREACH_NLRI (RFC 4724 section 2).
void encode_end_of_rib(Family family, std::vector<std::byte>& out);

// The whole value as exactly one message; `problems` are not part of it. kExhausted where it does not fit
// max_send, kInvalid where there is no route in it (it would be an End-of-RIB). Nothing is appended then.
Status encode_update(const UpdateMessage& update, const SessionParameters& session,
                     std::vector<std::byte>& out);
// Any message.
Status encode(const Message& message, const SessionParameters& session, std::vector<std::byte>& out);

}  // namespace towpath::bgp
