// The BFD Control packet: bytes <-> values (RFC 5880 section 4.1).
//
// decode() makes those checks of section 6.8.6 that need no session. Authentication is not implemented: a
// packet that carries it is refused, as the section asks where none is in use.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string_view>

#include "towpath/bfd/session_config.h"

namespace towpath::bfd {

inline constexpr std::size_t kControlPacketSize = 24;
using EncodedPacket = std::array<std::byte, kControlPacketSize>;

struct ControlPacket {
  Diagnostic diagnostic = Diagnostic::kNone;  // of any value, when it comes from a peer
  State state = State::kDown;
  bool poll = false;
  bool final = false;
  // The sender's BFD does not share fate with its control plane. We never say so: the thread that speaks BFD
  // ends with the agent.
  bool control_plane_independent = false;
  bool demand = false;
  std::uint8_t detect_multiplier = 0;
  std::uint32_t my_discriminator = 0;
  std::uint32_t your_discriminator = 0;
  std::chrono::microseconds desired_min_tx{0};
  std::chrono::microseconds required_min_rx{0};  // 0: the sender wants no periodic packets
  std::chrono::microseconds required_min_echo_rx{0};
  friend bool operator==(const ControlPacket&, const ControlPacket&) = default;
};

// The reason why a packet is discarded, in the RFC's words.
using PacketError = std::string_view;

std::expected<ControlPacket, PacketError> decode(std::span<const std::byte> payload);
EncodedPacket encode(const ControlPacket& packet);

}  // namespace towpath::bfd
