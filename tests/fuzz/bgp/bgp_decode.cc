// A peer's byte stream through framer and decoder, under the session that the first octet chooses.
//
// input: one octet of session flags, one octet for the size of the pieces in which the stream arrives, the
// stream. What decodes must encode again, and that must decode to the same value.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bgp/wire/decode.h"
#include "bgp/wire/encode.h"
#include "towpath/base/check.h"

namespace towpath::bgp {
namespace {

SessionParameters session_from(std::uint8_t flags) {
  SessionParameters session;
  session.four_octet_as = (flags & 0x01) != 0;
  session.extended_next_hop = (flags & 0x02) != 0;
  session.peer_type = (flags & 0x04) != 0 ? PeerType::kInternal : PeerType::kExternal;
  if ((flags & 0x08) != 0) session.max_receive = session.max_send = kMaxExtendedMessageSize;
  for (auto& family : session.families) {
    family.enabled = true;
    family.add_path_receive = family.add_path_send = (flags & 0x10) != 0;
  }
  if ((flags & 0x20) != 0) session.families[index(Family::kIpv4Unicast)].enabled = false;
  if ((flags & 0x40) != 0) session.families[index(Family::kIpv6Unicast)].enabled = false;
  // Toward a two-octet peer confederation segments are lost on purpose (RFC 6793 section 4.2.2), so such a
  // session would not give back what it was given.
  session.confederation_peer = (flags & 0x80) != 0 && session.four_octet_as;
  return session;
}

// Takes off what is about the bytes and not about the message.
void normalise(Message& message) {
  if (auto* update = std::get_if<UpdateMessage>(&message)) update->problems.clear();
  if (auto* open = std::get_if<OpenMessage>(&message)) open->capabilities.conflicting_roles = false;
}

void check_stable(Message message, const SessionParameters& session) {
  normalise(message);
  std::vector<std::byte> bytes;
  // An UPDATE without routes, or one that grew over the limit by AS4_PATH, has no form of its own.
  if (!encode(message, session, bytes)) return;
  MessageFramer framer(session.max_receive);
  framer.append(bytes);
  const auto framed = framer.next();
  TOWPATH_CHECK(framed.has_value() && framed->has_value());
  Message again;
  TOWPATH_CHECK(decode(**framed, session, again).has_value());
  if (const auto* update = std::get_if<UpdateMessage>(&again)) TOWPATH_CHECK(update->problems.empty());
  TOWPATH_CHECK(again == message);
}

void check_error(const DecodeError& error) {
  TOWPATH_CHECK(error.disposition == Disposition::kReset && error.code.code != 0);
  TOWPATH_CHECK(error.data.size() <= kMaxNotificationData);
  const auto printable_text = [](const std::string& text) {
    return std::ranges::all_of(text, [](char c) { return c >= ' '; });
  };
  TOWPATH_CHECK(!error.reason.empty() && printable_text(error.reason));
  TOWPATH_CHECK(
      std::ranges::none_of(describe(error.notification()), [](char c) { return c >= 0 && c < ' '; }));
}

void run(std::span<const std::byte> input) {
  if (input.size() < 2) return;
  const SessionParameters session = session_from(std::to_integer<std::uint8_t>(input[0]));
  const std::size_t piece = 1 + 16 * std::to_integer<std::size_t>(input[1]);
  MessageFramer framer(session.max_receive);
  Message message;
  for (auto stream = input.subspan(2); !stream.empty();) {
    const std::size_t size = std::min(piece, stream.size());
    framer.append(stream.first(size));
    stream = stream.subspan(size);
    for (;;) {
      const auto framed = framer.next();
      if (!framed) return check_error(framed.error());
      if (!*framed) break;
      const auto status = decode(**framed, session, message);
      if (!status) return check_error(status.error());
      if (const auto* notification = std::get_if<NotificationMessage>(&message))
        (void)describe(*notification);
      check_stable(message, session);
    }
  }
}

}  // namespace
}  // namespace towpath::bgp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  towpath::bgp::run(std::as_bytes(std::span(data, size)));
  return 0;
}
