// Appends rtnetlink and nfnetlink messages to a caller's buffer.
//
// Model
//   begin() opens a message, fixed() adds its family header, attribute() and nest() add attributes, end()
//   closes it. The buffer may hold any number of messages one after another, ready for one sendmsg().
//
// Ownership: the buffer is the caller's and must outlive the writer. Failure: none; a message beyond 4 GiB or
// an attribute beyond 64 KiB is a broken invariant.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "towpath/base/check.h"

namespace towpath::netlink {

class MessageWriter {
 public:
  explicit MessageWriter(std::vector<std::byte>& out) : out_(out) {}

  // Opens a message; its start in the buffer is the return value.
  std::size_t begin(std::uint16_t type, std::uint16_t flags, std::uint32_t sequence) {
    start_ = out_.size();
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = flags;
    header.nlmsg_seq = sequence;
    fixed(header);
    return start_;
  }
  void end() { patch(start_, static_cast<std::uint32_t>(out_.size() - start_)); }

  // The fixed header of the family (ifinfomsg, rtmsg, ...), padded.
  template <class T>
  void fixed(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    append(&value, sizeof value);
  }

  void attribute(std::uint16_t type, std::span<const std::byte> payload) {
    attribute_header(type, payload.size());
    append(payload.data(), payload.size());
  }
  void attribute(std::uint16_t type, std::span<const std::uint8_t> payload) {
    attribute(type, std::as_bytes(payload));
  }
  // Host order, as rtnetlink has all its numbers.
  template <class T>
    requires std::is_integral_v<T>
  void number(std::uint16_t type, T value) {
    attribute(type, std::as_bytes(std::span(&value, 1)));
  }
  // With the terminating zero, as the kernel's NLA_NUL_STRING wants it.
  void text(std::uint16_t type, std::string_view value) {
    attribute_header(type, value.size() + 1);
    const std::size_t at = out_.size();
    out_.resize(at + NLA_ALIGN(value.size() + 1));
    std::memcpy(out_.data() + at, value.data(), value.size());
  }
  void flag(std::uint16_t type) { attribute_header(type, 0); }

  // Opens an attribute that holds attributes; give the return value to end_nest().
  std::size_t nest(std::uint16_t type) {
    const std::size_t at = out_.size();
    attribute_header(type, 0);
    return at;
  }
  void end_nest(std::size_t at) {
    const std::size_t length = out_.size() - at;
    TOWPATH_CHECK(length <= std::numeric_limits<std::uint16_t>::max());
    patch(at, static_cast<std::uint16_t>(length));
  }

  // For structures that are not attributes but stand between them (rtnexthop): overwrites at a position of
  // the buffer.
  std::size_t position() const { return out_.size(); }
  template <class T>
  void patch(std::size_t at, const T& value) {
    std::memcpy(out_.data() + at, &value, sizeof value);
  }

 private:
  void attribute_header(std::uint16_t type, std::size_t payload) {
    const std::size_t length = NLA_HDRLEN + payload;
    TOWPATH_CHECK(length <= std::numeric_limits<std::uint16_t>::max());
    fixed(nlattr{static_cast<std::uint16_t>(length), type});
  }
  void append(const void* data, std::size_t size) {
    const std::size_t at = out_.size();
    out_.resize(at + NLA_ALIGN(size));
    if (size != 0) std::memcpy(out_.data() + at, data, size);
  }

  std::vector<std::byte>& out_;
  std::size_t start_ = 0;
};

}  // namespace towpath::netlink
