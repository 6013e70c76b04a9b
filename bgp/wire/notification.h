// NOTIFICATION: its error codes, their names, and the data that some of them carry.
//
// A code and a subcode form one value, so that no subcode can be combined with a foreign code by mistake.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/bgp/family.h"

namespace towpath::bgp {

struct NotificationCode {
  std::uint8_t code = 0;
  std::uint8_t subcode = 0;
  friend constexpr auto operator<=>(const NotificationCode&, const NotificationCode&) = default;
};

// The first octet alone.
inline constexpr std::uint8_t kMessageHeaderError = 1;
inline constexpr std::uint8_t kOpenMessageError = 2;
inline constexpr std::uint8_t kUpdateMessageError = 3;
inline constexpr std::uint8_t kFsmErrorCode = 5;
inline constexpr std::uint8_t kCeaseCode = 6;
inline constexpr std::uint8_t kRouteRefreshError = 7;

// RFC 4271 section 6.1.
inline constexpr NotificationCode kConnectionNotSynchronized{1, 1};
inline constexpr NotificationCode kBadMessageLength{1, 2};  // data: the length field
inline constexpr NotificationCode kBadMessageType{1, 3};    // data: the type field
// RFC 4271 section 6.2.
inline constexpr NotificationCode kOpenUnspecific{2, 0};
inline constexpr NotificationCode kUnsupportedVersion{2,
                                                      1};  // data: two octets, the greatest version we speak
inline constexpr NotificationCode kBadPeerAs{2, 2};
inline constexpr NotificationCode kBadBgpIdentifier{2, 3};
inline constexpr NotificationCode kUnsupportedOptionalParameter{2, 4};
inline constexpr NotificationCode kUnacceptableHoldTime{2, 6};
inline constexpr NotificationCode kUnsupportedCapability{2, 7};  // RFC 5492 section 5
inline constexpr NotificationCode kRoleMismatch{2, 11};          // RFC 9234 section 4.2
// RFC 4271 section 6.3. Data: the attribute (type, length, value) unless said otherwise.
inline constexpr NotificationCode kMalformedAttributeList{3, 1};  // no data
inline constexpr NotificationCode kUnrecognizedWellKnownAttribute{3, 2};
inline constexpr NotificationCode kMissingWellKnownAttribute{3,
                                                             3};  // data: the type of the missing attribute
inline constexpr NotificationCode kAttributeFlagsError{3, 4};
inline constexpr NotificationCode kAttributeLengthError{3, 5};
inline constexpr NotificationCode kInvalidOrigin{3, 6};
inline constexpr NotificationCode kInvalidNextHop{3, 8};
inline constexpr NotificationCode kOptionalAttributeError{3, 9};
inline constexpr NotificationCode kInvalidNetworkField{3, 10};  // no data
inline constexpr NotificationCode kMalformedAsPath{3, 11};      // no data
// RFC 4271 section 6.5, RFC 9687.
inline constexpr NotificationCode kHoldTimerExpired{4, 0};
inline constexpr NotificationCode kSendHoldTimerExpired{8, 0};
// RFC 6608. Data of the three: one octet, the type of the unexpected message.
inline constexpr NotificationCode kFsmUnspecific{5, 0};
inline constexpr NotificationCode kUnexpectedInOpenSent{5, 1};
inline constexpr NotificationCode kUnexpectedInOpenConfirm{5, 2};
inline constexpr NotificationCode kUnexpectedInEstablished{5, 3};
// RFC 4486 section 4, RFC 8538 section 3, RFC 9384.
inline constexpr NotificationCode kMaximumPrefixesReached{6, 1};  // data: maximum_prefixes_reached(), or none
inline constexpr NotificationCode kAdministrativeShutdown{6, 2};  // data: shutdown_communication()
inline constexpr NotificationCode kPeerDeconfigured{6, 3};
inline constexpr NotificationCode kAdministrativeReset{6, 4};  // data: shutdown_communication()
inline constexpr NotificationCode kConnectionRejected{6, 5};
inline constexpr NotificationCode kOtherConfigurationChange{6, 6};
inline constexpr NotificationCode kCollisionResolution{6, 7};
inline constexpr NotificationCode kOutOfResources{6, 8};
inline constexpr NotificationCode kHardReset{6, 9};  // data: hard_reset()
inline constexpr NotificationCode kBfdDown{6, 10};
// RFC 7313 section 5. Data: the whole message.
inline constexpr NotificationCode kInvalidRouteRefreshLength{7, 1};

// A NOTIFICATION has at most 4096 octets toward a peer without extended messages (RFC 8654 section 4), 21 of
// them are the header and the two codes.
inline constexpr std::size_t kMaxNotificationData = 4096 - 21;

struct NotificationMessage {
  NotificationCode code;
  std::vector<std::byte> data;
  friend bool operator==(const NotificationMessage&, const NotificationMessage&) = default;
};

// "Cease", "Administrative Shutdown"; "Unknown (n)" has no static text, so an unknown one gives an empty
// view.
std::string_view code_name(std::uint8_t code);
std::string_view subcode_name(NotificationCode code);
// "6/2 Cease, Administrative Shutdown". Numbers alone where there is no name.
std::string format(NotificationCode code);
// format() with what the data says: the shutdown text quoted and made printable, a hard reset's inner reason,
// otherwise the first octets in hex. Safe for logs whatever the peer sent.
std::string describe(const NotificationMessage& message);

// RFC 9003: length octet and UTF-8 text. Text beyond `limit` octets is cut at a character border; 128 is what
// peers with RFC 8203 alone take, 255 is the greatest. Empty text gives empty data.
std::vector<std::byte> shutdown_communication(std::string_view text, std::size_t limit = 128);
// The text of a received kAdministrativeShutdown or kAdministrativeReset, printable: control characters and
// what is not UTF-8 are shown as \xNN. Nothing for other codes, without data, or where the length octet does
// not fit.
std::optional<std::string> shutdown_text(const NotificationMessage& message);

// RFC 4486 section 4: the family and its limit.
NotificationMessage maximum_prefixes_reached(Family family, std::uint32_t limit);

// RFC 8538 section 5: whether this reason means that the routes of the session must go, also between speakers
// that keep them over a NOTIFICATION. A silent peer is among them:
// docs/decisions/0005-a-silent-peer-is-gone.md.
bool calls_for_hard_reset(NotificationCode code);
// RFC 8538 section 3.1: wraps `reason` so that the peer does not keep our routes.
NotificationMessage hard_reset(const NotificationMessage& reason);
// The reason inside a received kHardReset; nothing where there is none.
std::optional<NotificationMessage> hard_reset_reason(const NotificationMessage& message);

// Printable ASCII and sound UTF-8 beyond it stay; all else, and the backslash, become \xNN.
std::string printable(std::span<const std::byte> text);

}  // namespace towpath::bgp
