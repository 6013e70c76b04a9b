// What the generators of the BGP measurements have in common: BGP messages (RFC 4271, with RFC 4760 and RFC
// 6793) serialised before the clock runs, and just enough of a decoder to count prefixes. Sizes are octets,
// times CLOCK_MONOTONIC nanoseconds.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace towpath::bench {

using Bytes = std::vector<std::uint8_t>;

enum MessageType : std::uint8_t { kOpen = 1, kUpdate = 2, kNotification = 3, kKeepalive = 4 };

// What one speaker announces: `routes` prefixes from number `first_route` on (16.0.0.0/24 + number, 2400::/48
// + number), `per_set` of them with the same attributes.
struct Feed {
  std::uint32_t as_number = 0;
  std::uint32_t router_id = 0;  // host byte order
  bool ipv6 = false;            // the family of the routes, and of the next hop
  bool internal = false;        // an empty AS_PATH and a LOCAL_PREF, as inside one AS
  Bytes next_hop;               // 4 or 16 octets
  std::uint32_t first_route = 0;
  std::uint32_t routes = 0;
  std::uint32_t per_set = 1;
};

Bytes open_message(const Feed& feed, std::uint16_t hold_time);
Bytes keepalive_message();

// All routes of the feed as UPDATEs, and their withdrawal in as few as there can be.
Bytes announcements(const Feed& feed);
Bytes withdrawals(const Feed& feed);

// One UPDATE that announces one route anew, with `mark` as its community.
Bytes change(const Feed& feed, std::uint32_t route, std::uint32_t mark);

// The routes of feeds that a speaker holds. A route may be told twice, and withdrawn without having been told
// (RFC 4271 section 9.1 minds neither), so it counts each by its number.
class HeldRoutes {
 public:
  std::size_t size() const { return size_; }
  // What an UPDATE (the octets behind its header, well-formed) says. Returns its first community.
  std::optional<std::uint32_t> apply_update(std::span<const std::uint8_t> body);

 private:
  void put(std::uint32_t route, bool held);
  void put_all(std::span<const std::uint8_t> prefixes, bool held);

  std::vector<bool> held_;  // by number
  std::size_t size_ = 0;
};

// Splits a stream into messages.
class MessageReader {
 public:
  // `size`: of the buffer, at least one message.
  explicit MessageReader(std::size_t size) : buffer_(size) {}

  // Reads once from the socket and calls take(type, body) for each whole message. False at the end of the
  // connection.
  template <typename Take>
  bool read(int fd, Take&& take) {
    const ssize_t got = recv(fd, buffer_.data() + used_, buffer_.size() - used_, 0);
    if (got <= 0) return false;
    used_ += static_cast<std::size_t>(got);
    std::size_t at = 0;
    while (used_ - at >= kHeader) {
      const std::size_t length = static_cast<std::size_t>(buffer_[at + 16]) << 8 | buffer_[at + 17];
      if (used_ - at < length) break;
      bytes_ += length;
      take(static_cast<MessageType>(buffer_[at + 18]),
           std::span<const std::uint8_t>(buffer_).subspan(at + kHeader, length - kHeader));
      at += length;
    }
    keep_from(at);
    return true;
  }

  // Of all whole messages up to now.
  std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::size_t kHeader = 19;

  void keep_from(std::size_t at);

  Bytes buffer_;
  std::size_t used_ = 0;
  std::size_t bytes_ = 0;
};

// The socket address of `text` (of either family), `offset` addresses further on.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  // 4 or 16 octets.
  Bytes octets() const;
};
SocketAddress socket_address(const std::string& text, std::uint16_t port, std::uint32_t offset = 0);

std::int64_t now_ns();

// One line on standard output: what happened, when, and more.
void say(const std::string& what, const std::string& more = "");
void say_at(const std::string& what, std::int64_t ns, const std::string& more = "");

// The reason on standard error, and the end of the program.
[[noreturn]] void fail(const std::string& reason);

}  // namespace towpath::bench
