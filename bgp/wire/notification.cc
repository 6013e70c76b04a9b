#include "bgp/wire/notification.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "towpath/base/byte_writer.h"

namespace towpath::bgp {
namespace {

struct Name {
  NotificationCode code;
  std::string_view text;
};

// IANA "BGP Error (Notification) Codes" and the registries of subcodes below it.
constexpr Name kNames[] = {
    {kConnectionNotSynchronized, "Connection Not Synchronized"},
    {kBadMessageLength, "Bad Message Length"},
    {kBadMessageType, "Bad Message Type"},
    {kUnsupportedVersion, "Unsupported Version Number"},
    {kBadPeerAs, "Bad Peer AS"},
    {kBadBgpIdentifier, "Bad BGP Identifier"},
    {kUnsupportedOptionalParameter, "Unsupported Optional Parameter"},
    {{2, 5}, "Authentication Failure (deprecated)"},
    {kUnacceptableHoldTime, "Unacceptable Hold Time"},
    {kUnsupportedCapability, "Unsupported Capability"},
    {kRoleMismatch, "Role Mismatch"},
    {kMalformedAttributeList, "Malformed Attribute List"},
    {kUnrecognizedWellKnownAttribute, "Unrecognized Well-known Attribute"},
    {kMissingWellKnownAttribute, "Missing Well-known Attribute"},
    {kAttributeFlagsError, "Attribute Flags Error"},
    {kAttributeLengthError, "Attribute Length Error"},
    {kInvalidOrigin, "Invalid ORIGIN Attribute"},
    {{3, 7}, "AS Routing Loop (deprecated)"},
    {kInvalidNextHop, "Invalid NEXT_HOP Attribute"},
    {kOptionalAttributeError, "Optional Attribute Error"},
    {kInvalidNetworkField, "Invalid Network Field"},
    {kMalformedAsPath, "Malformed AS_PATH"},
    {kUnexpectedInOpenSent, "Unexpected Message in OpenSent State"},
    {kUnexpectedInOpenConfirm, "Unexpected Message in OpenConfirm State"},
    {kUnexpectedInEstablished, "Unexpected Message in Established State"},
    {kMaximumPrefixesReached, "Maximum Number of Prefixes Reached"},
    {kAdministrativeShutdown, "Administrative Shutdown"},
    {kPeerDeconfigured, "Peer De-configured"},
    {kAdministrativeReset, "Administrative Reset"},
    {kConnectionRejected, "Connection Rejected"},
    {kOtherConfigurationChange, "Other Configuration Change"},
    {kCollisionResolution, "Connection Collision Resolution"},
    {kOutOfResources, "Out of Resources"},
    {kHardReset, "Hard Reset"},
    {kBfdDown, "BFD Down"},
    {kInvalidRouteRefreshLength, "Invalid Message Length"},
};

constexpr std::size_t kMaxShutdownText = 255;  // RFC 9003 section 2
constexpr std::size_t kShownDataOctets = 32;

// The length of the UTF-8 sequence that `text` begins with, or 0 where it is none (RFC 3629 section 4).
std::size_t utf8_length(std::span<const std::byte> text) {
  const auto octet = [&](std::size_t i) { return std::to_integer<unsigned>(text[i]); };
  const unsigned lead = octet(0);
  const std::size_t length = lead < 0x80                   ? 1
                             : lead >= 0xC2 && lead < 0xE0 ? 2
                             : lead >= 0xE0 && lead < 0xF0 ? 3
                             : lead >= 0xF0 && lead < 0xF5 ? 4
                                                           : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((octet(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what lies beyond U+10FFFF.
  if (lead == 0xE0 && octet(1) < 0xA0) return 0;
  if (lead == 0xED && octet(1) >= 0xA0) return 0;
  if (lead == 0xF0 && octet(1) < 0x90) return 0;
  if (lead == 0xF4 && octet(1) >= 0x90) return 0;
  return length;
}

// Characters that change how a terminal or a log shows what stands around them: C1 controls, and the marks
// and overrides of writing direction (U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069).
bool is_deceptive(std::span<const std::byte> character) {
  const auto octet = [&](std::size_t i) { return std::to_integer<unsigned>(character[i]); };
  if (character.size() == 2) return octet(0) == 0xC2 && octet(1) < 0xA0;
  if (character.size() != 3 || octet(0) != 0xE2) return false;
  if (octet(1) == 0x80)
    return (octet(2) >= 0x8E && octet(2) <= 0x8F) || (octet(2) >= 0xA8 && octet(2) <= 0xAE);
  return octet(1) == 0x81 && octet(2) >= 0xA6 && octet(2) <= 0xA9;
}

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte b : bytes.first(std::min(bytes.size(), kShownDataOctets))) {
    fmt::format_to(std::back_inserter(text), "{:02x}", std::to_integer<unsigned>(b));
  }
  if (bytes.size() > kShownDataOctets)
    fmt::format_to(std::back_inserter(text), "... ({} octets)", bytes.size());
  return text;
}

}  // namespace

std::string_view code_name(std::uint8_t code) {
  switch (code) {
    case 1: return "Message Header Error";
    case 2: return "OPEN Message Error";
    case 3: return "UPDATE Message Error";
    case 4: return "Hold Timer Expired";
    case 5: return "Finite State Machine Error";
    case 6: return "Cease";
    case 7: return "ROUTE-REFRESH Message Error";
    case 8: return "Send Hold Timer Expired";
    default: return {};
  }
}

std::string_view subcode_name(NotificationCode code) {
  const auto found = std::ranges::find(kNames, code, &Name::code);
  return found == std::end(kNames) ? std::string_view{} : found->text;
}

std::string format(NotificationCode code) {
  std::string text = fmt::format("{}/{}", code.code, code.subcode);
  if (const auto name = code_name(code.code); !name.empty())
    fmt::format_to(std::back_inserter(text), " {}", name);
  if (const auto name = subcode_name(code); !name.empty())
    fmt::format_to(std::back_inserter(text), ", {}", name);
  return text;
}

std::string describe(const NotificationMessage& message) {
  const std::string name = format(message.code);
  if (const auto text = shutdown_text(message)) return fmt::format("{}: \"{}\"", name, *text);
  if (const auto reason = hard_reset_reason(message)) {
    // A hard reset inside a hard reset is shown as bytes: a peer could nest thousands.
    if (reason->code == kHardReset) return fmt::format("{}: {}", name, hex(message.data));
    return fmt::format("{} ({})", name, describe(*reason));
  }
  return message.data.empty() ? name : fmt::format("{}: {}", name, hex(message.data));
}

std::vector<std::byte> shutdown_communication(std::string_view text, std::size_t limit) {
  std::span<const std::byte> bytes = std::as_bytes(std::span(text));
  limit = std::min(limit, kMaxShutdownText);
  if (bytes.size() > limit) {
    std::size_t end = limit;
    while (end > 0 && (bytes[end] & std::byte{0xC0}) == std::byte{0x80}) --end;
    bytes = bytes.first(end);
  }
  std::vector<std::byte> data;
  if (bytes.empty()) return data;
  data.reserve(bytes.size() + 1);
  data.push_back(static_cast<std::byte>(bytes.size()));
  data.insert(data.end(), bytes.begin(), bytes.end());
  return data;
}

std::optional<std::string> shutdown_text(const NotificationMessage& message) {
  if (message.code != kAdministrativeShutdown && message.code != kAdministrativeReset) return std::nullopt;
  if (message.data.empty()) return std::nullopt;
  const auto length = std::to_integer<std::size_t>(message.data[0]);
  if (length == 0 || length > message.data.size() - 1) return std::nullopt;
  return printable(std::span(message.data).subspan(1, length));
}

NotificationMessage maximum_prefixes_reached(Family family, std::uint32_t limit) {
  NotificationMessage message{kMaximumPrefixesReached, {}};
  ByteWriter writer(message.data);
  writer.u16(static_cast<std::uint16_t>(afi(family)));
  writer.u8(static_cast<std::uint8_t>(safi(family)));
  writer.u32(limit);
  return message;
}

bool calls_for_hard_reset(NotificationCode code) {
  return code == kHoldTimerExpired || code == kMaximumPrefixesReached || code == kAdministrativeShutdown ||
         code == kPeerDeconfigured || code == kBfdDown;
}

NotificationMessage hard_reset(const NotificationMessage& reason) {
  NotificationMessage message{kHardReset, {}};
  message.data.reserve(2 + reason.data.size());
  message.data.push_back(std::byte{reason.code.code});
  message.data.push_back(std::byte{reason.code.subcode});
  message.data.insert(message.data.end(), reason.data.begin(), reason.data.end());
  if (message.data.size() > kMaxNotificationData) message.data.resize(kMaxNotificationData);
  return message;
}

std::optional<NotificationMessage> hard_reset_reason(const NotificationMessage& message) {
  if (message.code != kHardReset || message.data.size() < 2) return std::nullopt;
  return NotificationMessage{
      {std::to_integer<std::uint8_t>(message.data[0]), std::to_integer<std::uint8_t>(message.data[1])},
      {message.data.begin() + 2, message.data.end()}};
}

std::string printable(std::span<const std::byte> text) {
  std::string shown;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto first = std::to_integer<unsigned>(text[0]);
    const bool plain = length == 1 ? first >= 0x20 && first != 0x7F && first != '\\'
                                   : length > 1 && !is_deceptive(text.first(length));
    const std::size_t taken = std::max<std::size_t>(length, 1);
    for (const std::byte b : text.first(taken)) {
      if (plain) {
        shown += static_cast<char>(b);
      } else {
        fmt::format_to(std::back_inserter(shown), "\\x{:02x}", std::to_integer<unsigned>(b));
      }
    }
    text = text.subspan(taken);
  }
  return shown;
}

}  // namespace towpath::bgp
