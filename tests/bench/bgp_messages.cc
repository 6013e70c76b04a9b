#include "bgp_messages.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace towpath::bench {
namespace {

constexpr std::size_t kHeaderSize = 19;
constexpr std::size_t kMessageLimit = 4096;
// More than the attributes that we write, and the fields around them, ever take.
constexpr std::size_t kRoomForAttributes = 100;
constexpr std::uint16_t kAsTrans = 23456;  // RFC 6793 section 9

void put16(Bytes& bytes, std::size_t value) {
  bytes.push_back(static_cast<std::uint8_t>(value >> 8));
  bytes.push_back(static_cast<std::uint8_t>(value));
}
void put32(Bytes& bytes, std::uint32_t value) {
  put16(bytes, value >> 16);
  put16(bytes, value & 0xffff);
}
void append(Bytes& bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

std::uint32_t get16(const std::uint8_t* at) {
  return static_cast<std::uint32_t>(at[0]) << 8 | at[1];
}
std::uint32_t get32(const std::uint8_t* at) {
  return get16(at) << 16 | get16(at + 2);
}

void append_message(Bytes& out, MessageType type, const Bytes& body) {
  out.insert(out.end(), 16, 0xff);
  put16(out, kHeaderSize + body.size());
  out.push_back(type);
  append(out, body);
}

void append_prefix(Bytes& out, const Feed& feed, std::uint32_t route) {
  if (feed.ipv6) {
    out.push_back(48);
    put16(out, 0x2400);
    put32(out, route);
  } else {
    out.push_back(24);
    const std::uint32_t network = (16u << 16) + route;
    out.push_back(static_cast<std::uint8_t>(network >> 16));
    put16(out, network & 0xffff);
  }
}

// ORIGIN, AS_PATH, LOCAL_PREF if internal, COMMUNITIES: the community makes attribute sets differ, at the
// receiver too.
Bytes common_attributes(const Feed& feed, std::uint32_t community) {
  Bytes out{0x40, 1, 1, 0};
  if (feed.internal) {
    append(out, {0x40, 2, 0, 0x40, 5, 4, 0, 0, 0, 100});
  } else {
    append(out, {0x40, 2, 6, 2, 1});
    put32(out, feed.as_number);
  }
  append(out, {0xc0, 8, 4});
  put32(out, community);
  return out;
}

// One UPDATE that announces the routes [first, end).
void append_update(Bytes& out, const Feed& feed, std::uint32_t first, std::uint32_t end,
                   std::uint32_t community) {
  Bytes attributes = common_attributes(feed, community);
  Bytes body{0, 0};
  if (feed.ipv6) {
    Bytes reach{0, 2, 1, 16};
    append(reach, feed.next_hop);
    reach.push_back(0);
    for (std::uint32_t route = first; route < end; ++route) append_prefix(reach, feed, route);
    append(attributes, {0x90, 14});
    put16(attributes, reach.size());
    append(attributes, reach);
    put16(body, attributes.size());
    append(body, attributes);
  } else {
    append(attributes, {0x40, 3, 4});
    append(attributes, feed.next_hop);
    put16(body, attributes.size());
    append(body, attributes);
    for (std::uint32_t route = first; route < end; ++route) append_prefix(body, feed, route);
  }
  append_message(out, kUpdate, body);
}

std::size_t prefix_size(const Feed& feed) {
  return feed.ipv6 ? 7 : 4;
}

std::uint32_t prefixes_of_a_message(const Feed& feed) {
  return static_cast<std::uint32_t>((kMessageLimit - kHeaderSize - kRoomForAttributes) / prefix_size(feed));
}

}  // namespace

Bytes open_message(const Feed& feed, std::uint16_t hold_time) {
  Bytes capabilities{1, 4, 0, static_cast<std::uint8_t>(feed.ipv6 ? 2 : 1), 0, 1, 65, 4};
  put32(capabilities, feed.as_number);
  Bytes body{4};
  put16(body, feed.as_number < 65536 ? feed.as_number : kAsTrans);
  put16(body, hold_time);
  put32(body, feed.router_id);
  body.push_back(static_cast<std::uint8_t>(capabilities.size() + 2));
  body.push_back(2);
  body.push_back(static_cast<std::uint8_t>(capabilities.size()));
  append(body, capabilities);
  Bytes out;
  append_message(out, kOpen, body);
  return out;
}

Bytes keepalive_message() {
  Bytes out;
  append_message(out, kKeepalive, {});
  return out;
}

Bytes announcements(const Feed& feed) {
  Bytes out;
  const std::uint32_t all = feed.first_route + feed.routes;
  for (std::uint32_t first = feed.first_route; first < all;) {
    const std::uint32_t set = (first - feed.first_route) / feed.per_set;
    std::uint32_t end = std::min(all, feed.first_route + (set + 1) * feed.per_set);
    end = std::min(end, first + prefixes_of_a_message(feed));
    append_update(out, feed, first, end, feed.first_route + set);
    first = end;
  }
  return out;
}

Bytes withdrawals(const Feed& feed) {
  Bytes out;
  const std::uint32_t all = feed.first_route + feed.routes;
  const std::uint32_t step = prefixes_of_a_message(feed);
  for (std::uint32_t first = feed.first_route; first < all; first += step) {
    Bytes prefixes;
    for (std::uint32_t route = first; route < std::min(all, first + step); ++route)
      append_prefix(prefixes, feed, route);
    Bytes body;
    if (feed.ipv6) {
      body = {0, 0};
      put16(body, prefixes.size() + 7);
      append(body, {0x90, 15});
      put16(body, prefixes.size() + 3);
      append(body, {0, 2, 1});
      append(body, prefixes);
    } else {
      put16(body, prefixes.size());
      append(body, prefixes);
      put16(body, 0);
    }
    append_message(out, kUpdate, body);
  }
  return out;
}

Bytes change(const Feed& feed, std::uint32_t route, std::uint32_t mark) {
  Bytes out;
  append_update(out, feed, route, route + 1, mark);
  return out;
}

std::optional<std::uint32_t> HeldRoutes::apply_update(std::span<const std::uint8_t> body) {
  const std::size_t withdrawn_size = get16(body.data());
  put_all(body.subspan(2, withdrawn_size), false);
  body = body.subspan(2 + withdrawn_size);
  const std::size_t attributes_size = get16(body.data());
  put_all(body.subspan(2 + attributes_size), true);
  std::optional<std::uint32_t> community;
  for (auto rest = body.subspan(2, attributes_size); !rest.empty();) {
    const bool extended = (rest[0] & 0x10) != 0;
    const std::uint8_t type = rest[1];
    const std::size_t length = extended ? get16(&rest[2]) : rest[2];
    const auto value = rest.subspan(extended ? 4 : 3, length);
    rest = rest.subspan((extended ? 4 : 3) + length);
    if (type == 8 && length >= 4) community = get32(value.data());
    if (type == 14) put_all(value.subspan(5 + std::size_t{value[3]}), true);
    if (type == 15) put_all(value.subspan(3), false);
  }
  return community;
}

// See append_prefix().
void HeldRoutes::put_all(std::span<const std::uint8_t> prefixes, bool held) {
  while (!prefixes.empty()) {
    const bool ipv6 = prefixes[0] == 48;
    if (!ipv6 && prefixes[0] != 24) fail("a prefix that no feed has");
    put(ipv6 ? get32(&prefixes[3]) : (get32(&prefixes[0]) & 0xffffff) - (16U << 16), held);
    prefixes = prefixes.subspan(ipv6 ? 7 : 4);
  }
}

void HeldRoutes::put(std::uint32_t route, bool held) {
  if (route >= held_.size()) held_.resize(std::max<std::size_t>(route + 1, 2 * held_.size()));
  if (held_[route] == held) return;
  held_[route] = held;
  held ? ++size_ : --size_;
}

void MessageReader::keep_from(std::size_t at) {
  std::memmove(buffer_.data(), buffer_.data() + at, used_ - at);
  used_ -= at;
}

Bytes SocketAddress::octets() const {
  if (storage.ss_family == AF_INET6) {
    const auto& address = reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr;
    return {address.s6_addr, address.s6_addr + 16};
  }
  Bytes octets;
  put32(octets, ntohl(reinterpret_cast<const sockaddr_in&>(storage).sin_addr.s_addr));
  return octets;
}

SocketAddress socket_address(const std::string& text, std::uint16_t port, std::uint32_t offset) {
  SocketAddress result;
  if (text.find(':') != std::string::npos) {
    auto& address = reinterpret_cast<sockaddr_in6&>(result.storage);
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    if (inet_pton(AF_INET6, text.c_str(), &address.sin6_addr) != 1) fail("no address: " + text);
    std::uint32_t low = 0;
    std::memcpy(&low, address.sin6_addr.s6_addr + 12, 4);
    low = htonl(ntohl(low) + offset);
    std::memcpy(address.sin6_addr.s6_addr + 12, &low, 4);
    result.size = sizeof address;
  } else {
    auto& address = reinterpret_cast<sockaddr_in&>(result.storage);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    if (inet_pton(AF_INET, text.c_str(), &address.sin_addr) != 1) fail("no address: " + text);
    address.sin_addr.s_addr = htonl(ntohl(address.sin_addr.s_addr) + offset);
    result.size = sizeof address;
  }
  return result;
}

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
}

void say(const std::string& what, const std::string& more) {
  say_at(what, now_ns(), more);
}

void say_at(const std::string& what, std::int64_t ns, const std::string& more) {
  std::printf("%s %lld%s\n", what.c_str(), static_cast<long long>(ns), more.c_str());
  std::fflush(stdout);
}

void fail(const std::string& reason) {
  std::fprintf(stderr, "%s\n", reason.c_str());
  std::exit(1);
}

}  // namespace towpath::bench
