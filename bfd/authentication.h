// Who sent this packet? The five authentication types of RFC 5880 section 6.7, for one session.
//
// Model
//   sign() puts the authentication section behind a packet; check() says whether one that came is the peer's.
//   The names of the members are those of section 6.8.1. A key shorter than its field is padded with zeros,
//   in the packet before it is hashed; the hash then takes the key's place.
//
// Sequence numbers
//   With a meticulous type each packet has the next number, else each packet that says something new. One
//   that came is good within three times the peer's Detect Mult of the last good one. After twice the
//   Detection Time without a good packet any number is good again, so a peer that restarts with another one
//   is heard. The number of a packet is believed only when its hash is right: the order of section 6.7.3,
//   where it is taken before, would let anybody set it.
//
// Ownership: a plain value. Threading: none of its own. Failure: the reason why a packet is discarded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <vector>

#include "bfd/control_packet.h"
#include "towpath/base/clock.h"
#include "towpath/bfd/session_config.h"

namespace towpath::bfd {

class Authenticator {
 public:
  // The key is usable. `first_sequence` should be random.
  Authenticator(const Authentication& key, std::uint32_t first_sequence);

  // Another key of the same type; the sequence goes on.
  void set_key(const Authentication& key);

  // `packet` is what encode() made.
  void sign(EncodedPacket& packet);

  // `packet` is what decode() took, cut at its Length, with the A bit set. `detection_time` is the session's.
  std::expected<void, PacketError> check(std::span<const std::byte> packet, Duration detection_time,
                                         TimePoint now);

 private:
  bool is_simple() const { return key_.type == AuthenticationType::kSimplePassword; }
  bool is_meticulous() const;
  std::size_t digest_size() const;
  // Of a packet whose digest field holds the padded key.
  std::vector<std::byte> digest(std::span<const std::byte> packet) const;
  std::vector<std::byte> padded_key() const;
  std::expected<void, PacketError> check_password(std::span<const std::byte> section) const;
  std::expected<void, PacketError> check_digest(std::span<const std::byte> packet) const;
  // Is it in the window behind the last good one?
  bool is_next(std::uint32_t sequence, std::uint8_t detect_multiplier) const;

  Authentication key_;
  std::uint32_t transmit_sequence_;
  std::vector<std::byte> sent_;  // the last packet, without its authentication section
  bool sequence_known_ = false;
  std::uint32_t received_sequence_ = 0;
  TimePoint received_at_;
};

}  // namespace towpath::bfd
