// The two ends of a BGP measurement: a source of routes and a counter of routes. Plain blocking sockets;
// UPDATEs are serialised before the clock runs, and received ones are only counted, so that neither end is
// what is measured.
//
// usage: bgp_load source  ADDRESS PORT AS ROUTER_ID FAMILY ROUTES PER_SET
//        bgp_load counter ADDRESS PORT AS ROUTER_ID FAMILY ROUTES
//
// Both connect to ADDRESS, speak BGP-4 (RFC 4271) with multiprotocol (RFC 4760) and 4-octet AS numbers
// (RFC 6793), and print one line for each thing that happened, with CLOCK_MONOTONIC in nanoseconds:
//   source:  "ready" when the session is up; then a line on standard input is a command:
//            announce -> "begin NS", "sent NS";  withdraw -> the same
//   counter: "ready"; "announced NS" when ROUTES prefixes are there, "withdrawn NS" when they are gone again,
//   each with
//            the number of UPDATEs and bytes that it took
// They end when standard input is closed, or the session is.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kHeader = 19;
constexpr std::size_t kMessageLimit = 4096;
enum Type : std::uint8_t { kOpen = 1, kUpdate = 2, kNotification = 3, kKeepalive = 4 };
constexpr int kKeepaliveSeconds = 20;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "bgp_load: %s\n", what.c_str());
  std::exit(1);
}

void say(const char* what, const std::string& more = "") {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  std::printf("%s %lld%s\n", what, static_cast<long long>(now.tv_sec) * 1000000000 + now.tv_nsec,
              more.c_str());
  std::fflush(stdout);
}

struct Options {
  bool source = false;
  std::string address;
  std::uint16_t port = 0;
  std::uint32_t as_number = 0;
  in_addr router_id{};
  bool ipv6 = false;
  std::uint32_t routes = 0;
  std::uint32_t per_set = 1;
};

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

void append_message(Bytes& out, Type type, const Bytes& body) {
  out.insert(out.end(), 16, 0xff);
  put16(out, kHeader + body.size());
  out.push_back(type);
  append(out, body);
}

Bytes open_message(const Options& options) {
  Bytes capabilities{1, 4, 0, static_cast<std::uint8_t>(options.ipv6 ? 2 : 1), 0, 1, 65, 4};
  put32(capabilities, options.as_number);
  Bytes body{4};
  put16(body, options.as_number < 65536 ? options.as_number : 23456);
  put16(body, 90);
  const auto* id = reinterpret_cast<const std::uint8_t*>(&options.router_id);
  body.insert(body.end(), id, id + 4);
  body.push_back(static_cast<std::uint8_t>(capabilities.size() + 2));
  body.push_back(2);
  body.push_back(static_cast<std::uint8_t>(capabilities.size()));
  append(body, capabilities);
  Bytes out;
  append_message(out, kOpen, body);
  return out;
}

// Route number i: 16.0.0.0/24 + i, or 2400::/48 + i.
void append_prefix(Bytes& out, const Options& options, std::uint32_t i) {
  if (options.ipv6) {
    out.push_back(48);
    put16(out, 0x2400);
    put32(out, i);
  } else {
    out.push_back(24);
    const std::uint32_t network = (16u << 16) + i;
    out.push_back(static_cast<std::uint8_t>(network >> 16));
    put16(out, network & 0xffff);
  }
}

// ORIGIN, AS_PATH, COMMUNITIES. The community makes attribute sets different from each other, at the counter
// too.
Bytes common_attributes(const Options& options, std::uint32_t set) {
  Bytes out{0x40, 1, 1, 0, 0x40, 2, 6, 2, 1};
  put32(out, options.as_number);
  append(out, {0xc0, 8, 4});
  put32(out, set);
  return out;
}

// All routes as UPDATEs, `per_set` in each, as a blob that is sent as it is.
Bytes announcements(const Options& options, const Bytes& own_address) {
  Bytes out;
  Bytes body;
  const std::size_t prefix_size = options.ipv6 ? 7 : 4;
  for (std::uint32_t first = 0; first < options.routes;) {
    std::uint32_t end = std::min(options.routes, first / options.per_set * options.per_set + options.per_set);
    // What one message holds, with room for the attributes.
    end = std::min(end, first + static_cast<std::uint32_t>((kMessageLimit - kHeader - 100) / prefix_size));
    Bytes attributes = common_attributes(options, first / options.per_set);
    body = {0, 0};
    if (options.ipv6) {
      Bytes reach{0, 2, 1, 16};
      append(reach, own_address);
      reach.push_back(0);
      for (std::uint32_t i = first; i < end; ++i) append_prefix(reach, options, i);
      append(attributes, {0x90, 14});
      put16(attributes, reach.size());
      append(attributes, reach);
      put16(body, attributes.size());
      append(body, attributes);
    } else {
      append(attributes, {0x40, 3, 4});
      append(attributes, own_address);
      put16(body, attributes.size());
      append(body, attributes);
      for (std::uint32_t i = first; i < end; ++i) append_prefix(body, options, i);
    }
    append_message(out, kUpdate, body);
    first = end;
  }
  return out;
}

Bytes withdrawals(const Options& options) {
  Bytes out;
  const std::uint32_t step = options.ipv6 ? 500 : 900;
  for (std::uint32_t first = 0; first < options.routes; first += step) {
    Bytes prefixes;
    for (std::uint32_t i = first; i < std::min(options.routes, first + step); ++i) {
      append_prefix(prefixes, options, i);
    }
    Bytes body;
    if (options.ipv6) {
      Bytes attribute{0x90, 15};
      put16(attribute, prefixes.size() + 3);
      append(attribute, {0, 2, 1});
      append(attribute, prefixes);
      body = {0, 0};
      put16(body, attribute.size());
      append(body, attribute);
    } else {
      put16(body, prefixes.size());
      append(body, prefixes);
      put16(body, 0);
    }
    append_message(out, kUpdate, body);
  }
  return out;
}

int connect_to(const Options& options, Bytes& own_address) {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const bool v6 = options.address.find(':') != std::string::npos;
  if (v6) {
    auto* address = reinterpret_cast<sockaddr_in6*>(&storage);
    address->sin6_family = AF_INET6;
    address->sin6_port = htons(options.port);
    inet_pton(AF_INET6, options.address.c_str(), &address->sin6_addr);
    size = sizeof *address;
  } else {
    auto* address = reinterpret_cast<sockaddr_in*>(&storage);
    address->sin_family = AF_INET;
    address->sin_port = htons(options.port);
    inet_pton(AF_INET, options.address.c_str(), &address->sin_addr);
    size = sizeof *address;
  }
  const int fd = socket(storage.ss_family, SOCK_STREAM, 0);
  if (connect(fd, reinterpret_cast<sockaddr*>(&storage), size) != 0)
    fail("connect: " + std::string(strerror(errno)));
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  size = sizeof storage;
  getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
  if (v6) {
    const auto* bytes =
        reinterpret_cast<const std::uint8_t*>(&reinterpret_cast<sockaddr_in6*>(&storage)->sin6_addr);
    own_address.assign(bytes, bytes + 16);
  } else {
    const auto* bytes =
        reinterpret_cast<const std::uint8_t*>(&reinterpret_cast<sockaddr_in*>(&storage)->sin_addr);
    own_address.assign(bytes, bytes + 4);
  }
  return fd;
}

// Splits what arrives into messages and counts prefixes.
class Receiver {
 public:
  explicit Receiver(const Options& options) : options_(options), buffer_(1 << 20) {}

  // Reads once. False at the end of the session.
  bool read(int fd) {
    const ssize_t got = recv(fd, buffer_.data() + used_, buffer_.size() - used_, 0);
    if (got <= 0) return false;
    used_ += static_cast<std::size_t>(got);
    std::size_t at = 0;
    while (used_ - at >= kHeader) {
      const std::size_t length = static_cast<std::size_t>(buffer_[at + 16]) << 8 | buffer_[at + 17];
      if (used_ - at < length) break;
      take(buffer_[at + 18], buffer_.data() + at + kHeader, length - kHeader);
      bytes_ += length;
      at += length;
    }
    std::memmove(buffer_.data(), buffer_.data() + at, used_ - at);
    used_ -= at;
    return !closed_;
  }

  bool open_seen() const { return open_seen_; }
  bool keepalive_seen() const { return keepalive_seen_; }

 private:
  void take(std::uint8_t type, const std::uint8_t* body, std::size_t size) {
    if (type == kOpen) open_seen_ = true;
    if (type == kKeepalive) keepalive_seen_ = true;
    if (type == kNotification) {
      std::fprintf(stderr, "bgp_load: NOTIFICATION %u/%u\n", body[0], body[1]);
      closed_ = true;
    }
    if (type == kUpdate && !options_.source) count(body, size);
  }

  static std::size_t count_prefixes(const std::uint8_t* at, const std::uint8_t* end) {
    std::size_t count = 0;
    for (; at < end; at += 1 + (*at + 7) / 8) ++count;
    return count;
  }

  void count(const std::uint8_t* body, std::size_t size) {
    ++updates_;
    const std::uint8_t* end = body + size;
    const std::size_t withdrawn_size = static_cast<std::size_t>(body[0]) << 8 | body[1];
    const std::uint8_t* attribute = body + 2 + withdrawn_size;
    const std::size_t attributes_size = static_cast<std::size_t>(attribute[0]) << 8 | attribute[1];
    attribute += 2;
    const std::uint8_t* attributes_end = attribute + attributes_size;
    std::size_t withdrawn = count_prefixes(body + 2, body + 2 + withdrawn_size);
    std::size_t announced = count_prefixes(attributes_end, end);
    while (attribute < attributes_end) {
      const bool extended = (attribute[0] & 0x10) != 0;
      const std::size_t length =
          extended ? static_cast<std::size_t>(attribute[2]) << 8 | attribute[3] : attribute[2];
      const std::uint8_t* value = attribute + (extended ? 4 : 3);
      if (attribute[1] == 14) announced += count_prefixes(value + 5 + value[3], value + length);
      if (attribute[1] == 15) withdrawn += count_prefixes(value + 3, value + length);
      attribute = value + length;
    }
    const std::size_t before = held_;
    held_ += announced;
    held_ -= std::min(held_, withdrawn);
    if (before < options_.routes && held_ >= options_.routes) milestone("announced");
    if (before != 0 && held_ == 0) milestone("withdrawn");
  }

  void milestone(const char* what) {
    say(what, " updates " + std::to_string(updates_) + " bytes " + std::to_string(bytes_));
    updates_ = 0;
    bytes_ = 0;
  }

  const Options& options_;
  Bytes buffer_;
  std::size_t used_ = 0;
  bool open_seen_ = false;
  bool keepalive_seen_ = false;
  bool closed_ = false;
  std::size_t held_ = 0;
  std::size_t updates_ = 0;
  std::size_t bytes_ = 0;
};

void send_all(int fd, const Bytes& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t sent = send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (sent <= 0) fail("send: " + std::string(strerror(errno)));
    at += static_cast<std::size_t>(sent);
  }
}

// A blob, while what the other side sends is read away: two full directions would wait for each other for
// ever.
void send_reading(int fd, const Bytes& bytes, Receiver& receiver) {
  for (std::size_t at = 0; at < bytes.size();) {
    pollfd poll_fd{fd, POLLIN | POLLOUT, 0};
    poll(&poll_fd, 1, -1);
    if ((poll_fd.revents & POLLIN) != 0 && !receiver.read(fd)) fail("the session ended");
    if ((poll_fd.revents & POLLOUT) == 0) continue;
    const ssize_t sent = send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) at += static_cast<std::size_t>(sent);
  }
}

Options parse(int argc, char** argv) {
  Options options;
  const std::string_view mode = argc > 1 ? argv[1] : "";
  options.source = mode == "source";
  if ((mode != "source" || argc != 9) && (mode != "counter" || argc != 8)) {
    fail("usage: source|counter ADDRESS PORT AS ROUTER_ID ipv4|ipv6 ROUTES [PER_SET]");
  }
  options.address = argv[2];
  options.port = static_cast<std::uint16_t>(std::atoi(argv[3]));
  options.as_number = static_cast<std::uint32_t>(std::strtoul(argv[4], nullptr, 10));
  if (inet_pton(AF_INET, argv[5], &options.router_id) != 1) fail("bad router id");
  options.ipv6 = std::string_view(argv[6]) == "ipv6";
  options.routes = static_cast<std::uint32_t>(std::strtoul(argv[7], nullptr, 10));
  if (options.source) options.per_set = static_cast<std::uint32_t>(std::strtoul(argv[8], nullptr, 10));
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  Bytes own_address;
  const int fd = connect_to(options, own_address);
  Receiver receiver(options);
  Bytes keepalive;
  append_message(keepalive, kKeepalive, {});
  const Bytes announce = options.source ? announcements(options, own_address) : Bytes{};
  const Bytes withdraw = options.source ? withdrawals(options) : Bytes{};

  send_all(fd, open_message(options));
  while (!receiver.open_seen()) {
    if (!receiver.read(fd)) fail("no OPEN came");
  }
  send_all(fd, keepalive);
  while (!receiver.keepalive_seen()) {
    if (!receiver.read(fd)) fail("no KEEPALIVE came");
  }
  say("ready");

  for (time_t kept_alive = time(nullptr);;) {
    pollfd fds[2] = {{fd, POLLIN, 0}, {0, POLLIN, 0}};
    poll(fds, 2, kKeepaliveSeconds * 1000);
    if (time(nullptr) - kept_alive >= kKeepaliveSeconds) {
      send_all(fd, keepalive);
      kept_alive = time(nullptr);
    }
    if (fds[0].revents != 0 && !receiver.read(fd)) {
      say("closed");
      return 0;
    }
    if (fds[1].revents != 0) {
      char line[64];
      const ssize_t got = read(0, line, sizeof line);
      if (got <= 0) return 0;
      say("begin");
      send_reading(fd, line[0] == 'a' ? announce : withdraw, receiver);
      say("sent");
    }
  }
}
