// Cuts a byte stream into BGP messages and checks their headers (RFC 4271 section 6.1). It does not look into
// bodies.
//
// Model
//   Bytes go in by append(), or without a copy by prepare() and commit() around a socket read; next() gives
//   one whole message after the other until it gives none. Any slicing of the stream gives the same messages.
//
// Failure: the first header error is final, next() gives it again and again; the stream cannot be trusted
// after it.
//
// Lifetime: the spans that next() gives point into the framer and live until the next append(), prepare() or
// move. Memory: one buffer of what was received and not yet taken, plus at most one message's length of room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <vector>

#include "bgp/wire/decode_error.h"
#include "bgp/wire/message.h"

namespace towpath::bgp {

struct FramedMessage {
  MessageType type = MessageType::kKeepalive;
  std::span<const std::byte> bytes;  // header included
  std::span<const std::byte> body() const { return bytes.subspan(kHeaderSize); }
};

class MessageFramer {
 public:
  // Messages up to `max_length` octets: 4096, or 65535 once we have announced extended messages and both
  // OPENs are exchanged. OPEN and KEEPALIVE keep their own limits (RFC 8654 section 4).
  explicit MessageFramer(std::size_t max_length = kMaxMessageSize) : max_length_(max_length) {}
  void set_max_length(std::size_t max_length) { max_length_ = max_length; }

  void append(std::span<const std::byte> bytes);
  // Room for at least `size` more bytes; commit() says how many of them were written.
  std::span<std::byte> prepare(std::size_t size);
  void commit(std::size_t size);

  // The next whole message, nothing where more bytes are needed.
  std::expected<std::optional<FramedMessage>, DecodeError> next();

  // Received and not yet given out.
  std::size_t buffered() const { return end_ - begin_; }

 private:
  std::optional<DecodeError> check_header(std::span<const std::byte> header) const;

  std::size_t max_length_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;  // the first byte not yet given out
  std::size_t end_ = 0;    // behind the last received byte
  std::optional<DecodeError> error_;
};

}  // namespace towpath::bgp
