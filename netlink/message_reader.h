// Walks the messages of a datagram from the kernel, and the attributes of a message.
//
// Nothing is copied: every span points into the datagram. A length that does not fit ends the walk; the
// kernel does not send such a thing, and what came before stays usable.
#pragma once

#include <linux/netlink.h>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace towpath::netlink {

// One message: its header and everything behind it.
struct MessageView {
  nlmsghdr header;
  std::span<const std::byte> payload;

  // The fixed header of the family, and what follows it. All zero if the payload is too short.
  template <class T>
  T fixed() const {
    T value{};
    if (payload.size() >= sizeof value) std::memcpy(&value, payload.data(), sizeof value);
    return value;
  }
  template <class T>
  std::span<const std::byte> after() const {
    constexpr std::size_t kSize = NLMSG_ALIGN(sizeof(T));
    return payload.size() > kSize ? payload.subspan(kSize) : std::span<const std::byte>{};
  }
};

// Takes the first message off `datagram`; nothing when there is none left.
inline std::optional<MessageView> next_message(std::span<const std::byte>& datagram) {
  nlmsghdr header;
  if (datagram.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, datagram.data(), sizeof header);
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) return std::nullopt;
  MessageView message{header, datagram.subspan(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN)};
  const std::size_t step = NLMSG_ALIGN(header.nlmsg_len);
  datagram = step < datagram.size() ? datagram.subspan(step) : std::span<const std::byte>{};
  return message;
}

struct AttributeView {
  std::uint16_t type = 0;  // without the nested and byte-order flags
  std::span<const std::byte> payload;

  // The leading bytes as a number in host order; 0 if there are too few.
  template <class T>
  T number() const {
    T value{};
    if (payload.size() >= sizeof value) std::memcpy(&value, payload.data(), sizeof value);
    return value;
  }
  // Up to the terminating zero.
  std::string_view text() const {
    const auto* begin = reinterpret_cast<const char*>(payload.data());
    return {begin, strnlen(begin, payload.size())};
  }
};

// Calls visit(AttributeView) for each attribute of `bytes`.
template <std::invocable<const AttributeView&> Visit>
void for_each_attribute(std::span<const std::byte> bytes, Visit&& visit) {
  while (bytes.size() >= NLA_HDRLEN) {
    nlattr header;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.nla_len < NLA_HDRLEN || header.nla_len > bytes.size()) return;
    visit(AttributeView{static_cast<std::uint16_t>(header.nla_type & NLA_TYPE_MASK),
                        bytes.subspan(NLA_HDRLEN, header.nla_len - NLA_HDRLEN)});
    const std::size_t step = NLA_ALIGN(header.nla_len);
    bytes = step < bytes.size() ? bytes.subspan(step) : std::span<const std::byte>{};
  }
}

}  // namespace towpath::netlink
