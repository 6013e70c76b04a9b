#include "bfd/control_packet.h"

#include "towpath/base/byte_reader.h"
#include "towpath/base/byte_writer.h"

namespace towpath::bfd {
namespace {

constexpr std::uint8_t kVersion = 1;

// The octet of state and flags: Sta|P|F|C|A|D|M.
constexpr std::uint8_t kPoll = 0x20;
constexpr std::uint8_t kFinal = 0x10;
constexpr std::uint8_t kControlPlaneIndependent = 0x08;
constexpr std::uint8_t kAuthenticationPresent = 0x04;
constexpr std::uint8_t kDemand = 0x02;
constexpr std::uint8_t kMultipoint = 0x01;

// Of an authentication section: Auth Type and Auth Len.
constexpr std::size_t kLeastSection = 2;

std::uint8_t flag(bool set, std::uint8_t bit) {
  return set ? bit : std::uint8_t{0};
}

}  // namespace

// The order is that of section 6.8.6.
std::expected<ControlPacket, PacketError> decode(std::span<const std::byte> payload) {
  ByteReader reader(payload);
  const std::uint8_t version_and_diagnostic = reader.u8();
  const std::uint8_t flags = reader.u8();
  ControlPacket packet;
  packet.detect_multiplier = reader.u8();
  const std::uint8_t length = reader.u8();
  packet.my_discriminator = reader.u32();
  packet.your_discriminator = reader.u32();
  packet.desired_min_tx = std::chrono::microseconds(reader.u32());
  packet.required_min_rx = std::chrono::microseconds(reader.u32());
  packet.required_min_echo_rx = std::chrono::microseconds(reader.u32());
  if (!reader.ok()) return std::unexpected("shorter than 24 octets");
  if (version_and_diagnostic >> 5 != kVersion) return std::unexpected("version is not 1");
  packet.authenticated = (flags & kAuthenticationPresent) != 0;
  if (length < kControlPacketSize) return std::unexpected("Length is below 24");
  if (packet.authenticated && length < kControlPacketSize + kLeastSection)
    return std::unexpected("Length is below 26, and the A bit is set");
  if (length > payload.size()) return std::unexpected("Length is over the payload's");
  if (packet.detect_multiplier == 0) return std::unexpected("Detect Mult is 0");
  if ((flags & kMultipoint) != 0) return std::unexpected("Multipoint is set");
  if (packet.my_discriminator == 0) return std::unexpected("My Discriminator is 0");
  packet.diagnostic = static_cast<Diagnostic>(version_and_diagnostic & 0x1F);
  packet.state = static_cast<State>(flags >> 6);
  if (packet.your_discriminator == 0 && packet.state != State::kDown && packet.state != State::kAdminDown) {
    return std::unexpected("Your Discriminator is 0 in a state other than Down or AdminDown");
  }
  packet.poll = (flags & kPoll) != 0;
  packet.final = (flags & kFinal) != 0;
  packet.control_plane_independent = (flags & kControlPlaneIndependent) != 0;
  packet.demand = (flags & kDemand) != 0;
  return packet;
}

EncodedPacket encode(const ControlPacket& packet) {
  EncodedPacket bytes;
  bytes.reserve(kControlPacketSize);
  ByteWriter writer(bytes);
  writer.u8(static_cast<std::uint8_t>(kVersion << 5 | static_cast<std::uint8_t>(packet.diagnostic)));
  writer.u8(static_cast<std::uint8_t>(
      static_cast<std::uint8_t>(packet.state) << 6 | flag(packet.poll, kPoll) | flag(packet.final, kFinal) |
      flag(packet.control_plane_independent, kControlPlaneIndependent) | flag(packet.demand, kDemand)));
  writer.u8(packet.detect_multiplier);
  writer.u8(kControlPacketSize);
  writer.u32(packet.my_discriminator);
  writer.u32(packet.your_discriminator);
  for (const auto interval : {packet.desired_min_tx, packet.required_min_rx, packet.required_min_echo_rx}) {
    writer.u32(static_cast<std::uint32_t>(interval.count()));
  }
  return bytes;
}

}  // namespace towpath::bfd
