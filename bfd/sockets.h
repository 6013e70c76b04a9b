// The UDP sockets of BFD: one that receives for all sessions of a kind, and one that sends for each session.
//
// RFC 5881 section 4 and RFC 5883 section 5: packets go to port 3784 (single hop) or 4784 (multihop), from a
// source port in 49152 to 65535 that a session keeps. Single-hop packets leave with a TTL of 255 and are
// taken with no other (RFC 5881 section 5), so nobody beyond the link can send one.
//
// Ownership: each object owns its descriptor. Nothing blocks. Failure: open() names address and port.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "bfd/control_packet.h"
#include "towpath/base/address.h"
#include "towpath/base/error.h"
#include "towpath/base/unique_fd.h"

namespace towpath::bfd {

// A kind of session has a receiving socket of its own.
struct SocketKind {
  AddressFamily family = AddressFamily::kIpv4;
  bool multihop = false;
  friend auto operator<=>(const SocketKind&, const SocketKind&) = default;
};

std::uint16_t destination_port(bool multihop);

struct Datagram {
  IpAddress from;
  IpAddress to;
  std::uint8_t ttl = 0;
  std::span<const std::byte> payload;  // valid until the next receive()
};

class ReceivingSocket {
 public:
  static Result<ReceivingSocket> open(SocketKind kind);

  int fd() const { return fd_.get(); }
  // Nothing when none is waiting.
  std::optional<Datagram> receive();

 private:
  ReceivingSocket(UniqueFd fd, AddressFamily family) : fd_(std::move(fd)), family_(family) {}

  UniqueFd fd_;
  AddressFamily family_;
  std::array<std::byte, 256> buffer_{};  // of a packet that is longer, the rest does not matter
};

class SendingSocket {
 public:
  // From `local`, or from the address that the kernel chooses for each packet. `seed` chooses where the
  // search for a free source port begins.
  static Result<SendingSocket> open(AddressFamily family, const std::optional<IpAddress>& local,
                                    std::uint64_t seed);

  Status send(const IpAddress& to, std::uint16_t port, const EncodedPacket& packet);

 private:
  explicit SendingSocket(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

}  // namespace towpath::bfd
