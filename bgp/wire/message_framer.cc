#include "bgp/wire/message_framer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "towpath/base/check.h"

namespace towpath::bgp {
namespace {

constexpr std::size_t kMarkerSize = 16;

std::optional<std::size_t> minimum_length(std::uint8_t type) {
  switch (static_cast<MessageType>(type)) {
    case MessageType::kOpen: return 29;
    case MessageType::kUpdate: return 23;
    case MessageType::kNotification: return 21;
    case MessageType::kKeepalive: return kHeaderSize;
    // A wrong length of this one has an error code of its own (RFC 7313 section 5), given by
    // decode_route_refresh().
    case MessageType::kRouteRefresh: return kHeaderSize;
  }
  return std::nullopt;
}

// RFC 4271 section 6.1, RFC 8654 section 4: OPEN and KEEPALIVE do not grow.
std::size_t maximum_length(std::uint8_t type, std::size_t negotiated) {
  switch (static_cast<MessageType>(type)) {
    case MessageType::kKeepalive: return kHeaderSize;
    case MessageType::kOpen: return kMaxMessageSize;
    default: return negotiated;
  }
}

}  // namespace

void MessageFramer::append(std::span<const std::byte> bytes) {
  const auto room = prepare(bytes.size());
  std::ranges::copy(bytes, room.begin());
  commit(bytes.size());
}

std::span<std::byte> MessageFramer::prepare(std::size_t size) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (buffer_.size() - end_ < size && begin_ != 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, buffered());
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < size) buffer_.resize(end_ + size);
  return std::span(buffer_).subspan(end_);
}

void MessageFramer::commit(std::size_t size) {
  TOWPATH_CHECK(size <= buffer_.size() - end_);
  end_ += size;
}

std::optional<DecodeError> MessageFramer::check_header(std::span<const std::byte> header) const {
  if (!std::ranges::all_of(header.first(kMarkerSize), [](std::byte b) { return b == std::byte{0xFF}; })) {
    return DecodeError{Disposition::kReset,
                       kConnectionNotSynchronized,
                       {},
                       "the marker is not all ones (RFC 4271 section 6.1)"};
  }
  const std::size_t length =
      std::to_integer<std::size_t>(header[16]) << 8 | std::to_integer<std::size_t>(header[17]);
  const auto type = std::to_integer<std::uint8_t>(header[18]);
  const auto bad_length = [&](std::size_t least, std::size_t most) {
    return DecodeError{Disposition::kReset,
                       kBadMessageLength,
                       {header[16], header[17]},
                       fmt::format("length {} of message type {} is not {} to {} (RFC 4271 section 6.1)",
                                   length, type, least, most)};
  };
  // The length of a message of unknown type cannot be judged by the type, but by the general limits.
  if (length < kHeaderSize || length > max_length_) return bad_length(kHeaderSize, max_length_);
  const auto least = minimum_length(type);
  if (!least) {
    return DecodeError{Disposition::kReset,
                       kBadMessageType,
                       {header[18]},
                       fmt::format("message type {} is unknown (RFC 4271 section 6.1)", type)};
  }
  const std::size_t most = maximum_length(type, max_length_);
  if (length < *least || length > most) return bad_length(*least, most);
  return std::nullopt;
}

std::expected<std::optional<FramedMessage>, DecodeError> MessageFramer::next() {
  if (error_) return std::unexpected(*error_);
  const std::span<const std::byte> received = std::span(buffer_).subspan(begin_, buffered());
  if (received.size() < kHeaderSize) return std::nullopt;
  error_ = check_header(received.first(kHeaderSize));
  if (error_) return std::unexpected(*error_);
  const std::size_t length =
      std::to_integer<std::size_t>(received[16]) << 8 | std::to_integer<std::size_t>(received[17]);
  if (received.size() < length) return std::nullopt;
  begin_ += length;
  return FramedMessage{static_cast<MessageType>(received[18]), received.first(length)};
}

}  // namespace towpath::bgp
