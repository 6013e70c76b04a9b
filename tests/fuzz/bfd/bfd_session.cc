// Packets of a peer, each after a time that the input chooses, into a session: whatever comes, what it sends
// decodes, never both polls and answers a poll, and its next deadline lies ahead. The whole input is also one
// packet that may be authenticated: no type takes it without the key.
//
// Input: two octets of milliseconds, 24 of a packet, and so on.
#include <chrono>
#include <cstdint>

#include "bfd/authentication.h"
#include "bfd/session.h"
#include "towpath/base/byte_reader.h"
#include "towpath/base/check.h"

using namespace towpath;

namespace {

void check_authentication(std::span<const std::byte> bytes) {
  const auto packet = bfd::decode(bytes);
  if (!packet || !packet->authenticated) return;
  const auto one = bytes.first(std::to_integer<std::size_t>(bytes[3]));
  for (std::uint8_t type = 1; type <= 5; ++type) {
    bfd::Authenticator authenticator({.type = bfd::AuthenticationType{type}, .secret = "0123456789abcde"}, 1);
    TOWPATH_CHECK(!authenticator.check(one, std::chrono::seconds(1), TimePoint(std::chrono::hours(1))));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_authentication(std::as_bytes(std::span(data, size)));
  ByteReader reader(std::as_bytes(std::span(data, size)));
  TimePoint now{std::chrono::hours(1)};
  bfd::Session session({}, size % 2 == 1, 7, size, now);
  while (reader.remaining() > 2) {
    now += std::chrono::milliseconds(reader.u16());
    const auto packet =
        bfd::decode(reader.take(std::min<std::size_t>(reader.remaining(), bfd::kControlPacketSize)));
    if (packet) session.receive(*packet, now);
    for (int sent = 0; const auto next = session.advance(now); ++sent) {
      TOWPATH_CHECK(sent < 3);
      TOWPATH_CHECK(!next->poll || !next->final);
      TOWPATH_CHECK(bfd::decode(bfd::encode(*next)).has_value());
    }
    TOWPATH_CHECK(session.deadline() > now);
  }
  return 0;
}
