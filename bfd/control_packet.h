// The BFD Control packet: bytes <-> values (RFC 5880 section 4.1).
//
// decode() makes those checks of section 6.8.6 that need no session. What stands behind the 24 octets of a
// packet with the A bit is for Authenticator (authentication.h).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string_view>
#include <vector>

#include "towpath/bfd/session_config.h"

namespace towpath::bfd {

inline constexpr std::size_t kControlPacketSize = 24;
using EncodedPacket = std::vector<std::byte>;

struct ControlPacket {
  Diagnostic diagnostic = Diagnostic::kNone;  // of any value, when it comes from a peer
  State state = State::kDown;
  bool poll = false;
  bool final = false;
  // The sender's BFD does not share fate with its control plane. We never say so: the thread that speaks BFD
  // ends with the agent.
  bool control_plane_independent = false;
  bool authenticated = false;  // the A bit; encode() leaves it to Authenticator::sign()
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
