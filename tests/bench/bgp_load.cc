// The two ends of a BGP measurement: a source of routes and a counter of routes. Plain blocking sockets;
// UPDATEs are serialised before the clock runs, and received ones are only counted, so that neither end is
// what is measured.
//
// usage: bgp_load source  ADDRESS PORT AS ROUTER_ID FAMILY ROUTES PER_SET
//        bgp_load counter ADDRESS PORT AS ROUTER_ID FAMILY ROUTES
//
// Both connect to ADDRESS and print one line for each thing that happened, with CLOCK_MONOTONIC in
// nanoseconds:
//   source:  "ready" when the session is up; then a line on standard input is a command:
//            a(nnounce) -> "begin NS", "sent NS";  w(ithdraw) -> the same
//   counter: "ready"; "announced NS" when ROUTES prefixes are there, "withdrawn NS" when they are gone again,
//   each with the
//            number of UPDATEs and octets that it took
// They end when standard input is closed, or the session is.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>

#include "bgp_messages.h"

namespace towpath::bench {
namespace {

constexpr int kKeepaliveSeconds = 20;
constexpr std::uint16_t kHoldTime = 90;
constexpr std::size_t kBuffer = 1 << 20;

struct Options {
  bool source = false;
  std::string address;
  std::uint16_t port = 0;
  Feed feed;
};

int connect_to(Options& options) {
  const SocketAddress peer = socket_address(options.address, options.port);
  const int fd = socket(peer.storage.ss_family, SOCK_STREAM, 0);
  if (fd < 0) fail("bgp_load: socket: " + std::string(strerror(errno)));
  if (connect(fd, peer.get(), peer.size) != 0) fail("bgp_load: connect: " + std::string(strerror(errno)));
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  SocketAddress own;
  own.size = sizeof own.storage;
  getsockname(fd, reinterpret_cast<sockaddr*>(&own.storage), &own.size);
  options.feed.next_hop = own.octets();
  return fd;
}

class Session {
 public:
  Session(int fd, bool counts, std::size_t routes)
      : fd_(fd), counts_(counts), routes_(routes), reader_(kBuffer) {}

  // Reads once. False at the end of the session.
  bool read() {
    const bool open = reader_.read(fd_, [&](MessageType type, std::span<const std::uint8_t> body) {
      if (type == kOpen) open_seen_ = true;
      if (type == kKeepalive) keepalive_seen_ = true;
      if (type == kNotification) {
        fail("bgp_load: NOTIFICATION " + std::to_string(body[0]) + "/" + std::to_string(body[1]));
      }
      if (type == kUpdate && counts_) count(body);
    });
    return open;
  }

  void send(const Bytes& bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
      const ssize_t sent = ::send(fd_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) fail("bgp_load: send: " + std::string(strerror(errno)));
      at += static_cast<std::size_t>(sent);
    }
  }

  // A blob, while what the other side sends is read away: two full directions would wait for each other for
  // ever.
  void send_reading(const Bytes& bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
      pollfd poll_fd{fd_, POLLIN | POLLOUT, 0};
      poll(&poll_fd, 1, -1);
      if ((poll_fd.revents & POLLIN) != 0 && !read()) fail("bgp_load: the session ended");
      if ((poll_fd.revents & POLLOUT) == 0) continue;
      const ssize_t sent = ::send(fd_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) at += static_cast<std::size_t>(sent);
    }
  }

  void establish(const Feed& feed) {
    send(open_message(feed, kHoldTime));
    while (!open_seen_) {
      if (!read()) fail("bgp_load: no OPEN came");
    }
    send(keepalive_message());
    while (!keepalive_seen_) {
      if (!read()) fail("bgp_load: no KEEPALIVE came");
    }
  }

 private:
  void count(std::span<const std::uint8_t> body) {
    ++updates_;
    const std::size_t before = held_.size();
    held_.apply_update(body);
    if (before < routes_ && held_.size() == routes_) milestone("announced");
    if (before != 0 && held_.size() == 0) milestone("withdrawn");
  }

  void milestone(const char* what) {
    say(what,
        " updates " + std::to_string(updates_) + " bytes " + std::to_string(reader_.bytes() - bytes_told_));
    updates_ = 0;
    bytes_told_ = reader_.bytes();
  }

  int fd_;
  bool counts_;
  std::size_t routes_;
  MessageReader reader_;
  bool open_seen_ = false;
  bool keepalive_seen_ = false;
  HeldRoutes held_;
  std::size_t updates_ = 0;
  std::size_t bytes_told_ = 0;
};

Options parse(int argc, char** argv) {
  Options options;
  const std::string_view mode = argc > 1 ? argv[1] : "";
  options.source = mode == "source";
  if ((mode != "source" || argc != 9) && (mode != "counter" || argc != 8)) {
    fail("usage: bgp_load source|counter ADDRESS PORT AS ROUTER_ID ipv4|ipv6 ROUTES [PER_SET]");
  }
  options.address = argv[2];
  options.port = static_cast<std::uint16_t>(std::atoi(argv[3]));
  options.feed.as_number = static_cast<std::uint32_t>(std::strtoul(argv[4], nullptr, 10));
  in_addr router_id{};
  if (inet_pton(AF_INET, argv[5], &router_id) != 1) fail("bgp_load: bad router id");
  options.feed.router_id = ntohl(router_id.s_addr);
  options.feed.ipv6 = std::string_view(argv[6]) == "ipv6";
  options.feed.routes = static_cast<std::uint32_t>(std::strtoul(argv[7], nullptr, 10));
  if (options.source) options.feed.per_set = static_cast<std::uint32_t>(std::strtoul(argv[8], nullptr, 10));
  return options;
}

int run(int argc, char** argv) {
  Options options = parse(argc, argv);
  const int fd = connect_to(options);
  const Bytes announce = options.source ? announcements(options.feed) : Bytes{};
  const Bytes withdraw = options.source ? withdrawals(options.feed) : Bytes{};
  Session session(fd, !options.source, options.feed.routes);
  session.establish(options.feed);
  say("ready");

  for (time_t kept_alive = time(nullptr);;) {
    pollfd fds[2] = {{fd, POLLIN, 0}, {0, POLLIN, 0}};
    poll(fds, 2, kKeepaliveSeconds * 1000);
    if (time(nullptr) - kept_alive >= kKeepaliveSeconds) {
      session.send(keepalive_message());
      kept_alive = time(nullptr);
    }
    if (fds[0].revents != 0 && !session.read()) {
      say("closed");
      return 0;
    }
    if (fds[1].revents != 0) {
      char line[64];
      if (::read(0, line, sizeof line) <= 0) return 0;
      say("begin");
      session.send_reading(line[0] == 'a' ? announce : withdraw);
      say("sent");
    }
  }
}

}  // namespace
}  // namespace towpath::bench

int main(int argc, char** argv) {
  return towpath::bench::run(argc, argv);
}
