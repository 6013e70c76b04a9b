// Many BGP speakers in one program: what a route reflector has around it. Each session has an address of its
// own; the first SOURCES of them announce ROUTES prefixes each, PER_SET with the same attributes, and all of
// them count what comes.
//
// usage: bgp_crowd ADDRESS PORT AS FAMILY FIRST_ADDRESS SESSIONS SOURCES ROUTES PER_SET [at-once]
//
// All speak internal BGP in AS, to ADDRESS, from FIRST_ADDRESS on. One line for each thing that happened,
// with CLOCK_MONOTONIC in nanoseconds:
//   "connect NS"    the first connection is asked for
//   "ready NS"      all sessions are up
// then a line on standard input is a command:
//   a(nnounce)      -> "begin NS", and "announced NS" when each session has the routes of all others
//   w(ithdraw)      -> "begin NS", and "withdrawn NS" when no session has a route any more
//   c RATE SECONDS  -> one route after the other is announced with another community, RATE times a second;
//   "churned NS" with
//                      the changes sent, the deliveries seen, and the delay from the one to the other in
//                      microseconds
// A connection that is refused or reset before its session is up is tried again after a while, as speakers
// do; "ready" says how often. "announced" and "withdrawn" carry the number of UPDATEs and octets that came.
// With `at-once` each source announces as soon as its session is up, without a command. Ends when standard
// input is closed; the end of any session is an error.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bgp_messages.h"

namespace towpath::bench {
namespace {

constexpr std::uint16_t kHoldTime = 90;
constexpr std::int64_t kKeepaliveEvery = 20'000'000'000;
constexpr std::size_t kBuffer = 64 << 10;
// The device's listen queue and its time for each are its own; a crowd that comes one by one measures only
// round trips.
constexpr std::size_t kHandshakesInFlight = 32;
constexpr std::int64_t kRetryAfter = 100'000'000;
constexpr std::uint32_t kFirstRouterId = 0x0ac80001;  // 10.200.0.1
constexpr std::uint32_t kFirstMark = 0x80000000;      // above every community of the feeds

struct Options {
  std::string address;
  std::uint16_t port = 0;
  std::uint32_t as_number = 0;
  bool ipv6 = false;
  std::string first_address;
  std::uint32_t sessions = 0;
  std::uint32_t sources = 0;
  std::uint32_t routes = 0;
  std::uint32_t per_set = 1;
  bool at_once = false;
};

struct Session {
  std::uint32_t number = 0;
  int fd = -1;
  MessageReader reader{kBuffer};
  Feed feed;
  std::size_t expected = 0;  // prefixes of the others
  HeldRoutes held;
  bool open_seen = false;
  bool established = false;
  Bytes out;  // not yet taken by the kernel
  std::size_t out_at = 0;
  std::uint32_t events = 0;
  std::int64_t retry_at = 0;  // of a connection that was refused
};

// Changes that are on their way at a fixed pace.
struct Churn {
  std::int64_t interval = 0;
  std::int64_t end = 0;
  std::int64_t next = 0;
  std::vector<std::int64_t> sent;    // by mark
  std::vector<std::int64_t> delays;  // of each delivery
};

class Crowd {
 public:
  explicit Crowd(Options options) : options_(std::move(options)), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    for (std::uint32_t number = 0; number < options_.sessions; ++number) add_session(number);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;  // standard input
    epoll_ctl(epoll_, EPOLL_CTL_ADD, 0, &event);
  }

  void run() {
    say("connect");
    connect_more();
    std::int64_t kept_alive = now_ns();
    for (std::vector<epoll_event> events(1024); !done_;) {
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                                   churn_             ? 1
                                   : refused_.empty() ? 1000
                                                      : 10);
      for (int i = 0; i < count; ++i) {
        if (auto* session = static_cast<Session*>(events[static_cast<std::size_t>(i)].data.ptr)) {
          serve(*session, events[static_cast<std::size_t>(i)].events);
        } else {
          take_command();
        }
      }
      const std::int64_t now = now_ns();
      if (now - kept_alive >= kKeepaliveEvery) {
        for (auto& session : sessions_) {
          if (session->established) send(*session, keepalive_message());
        }
        kept_alive = now;
      }
      if (churn_) go_on_churning();
      if (!refused_.empty()) retry(now);
    }
  }

 private:
  void add_session(std::uint32_t number) {
    auto session = std::make_unique<Session>();
    session->number = number;
    session->feed = {.as_number = options_.as_number,
                     .router_id = kFirstRouterId + number,
                     .ipv6 = options_.ipv6,
                     .internal = true,
                     .next_hop = socket_address(options_.first_address, 0, number).octets(),
                     .first_route = number * options_.routes,
                     .routes = number < options_.sources ? options_.routes : 0,
                     .per_set = options_.per_set};
    session->expected = static_cast<std::size_t>(options_.sources) * options_.routes - session->feed.routes;
    expecting_ += session->expected != 0 ? 1 : 0;
    sessions_.push_back(std::move(session));
  }

  void connect_more() {
    for (; in_flight_ < kHandshakesInFlight && next_to_connect_ < sessions_.size();
         ++next_to_connect_, ++in_flight_) {
      connect(*sessions_[next_to_connect_]);
    }
  }

  void connect(Session& session) {
    const SocketAddress peer = socket_address(options_.address, options_.port);
    const SocketAddress own = socket_address(options_.first_address, 0, session.number);
    session.fd = socket(peer.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (session.fd < 0) fail_at(session, "socket");
    const int one = 1;
    setsockopt(session.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    // The addresses are a whole prefix that is local by a route, not each by itself.
    if (options_.ipv6) {
      setsockopt(session.fd, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof one);
    } else {
      setsockopt(session.fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof one);
    }
    if (bind(session.fd, own.get(), own.size) != 0) fail_at(session, "bind");
    if (::connect(session.fd, peer.get(), peer.size) != 0 && errno != EINPROGRESS)
      fail_at(session, "connect");
    session.out = open_message(session.feed, kHoldTime);
    session.events = EPOLLIN | EPOLLOUT;
    epoll_event event{};
    event.events = session.events;
    event.data.ptr = &session;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, session.fd, &event);
  }

  void serve(Session& session, std::uint32_t events) {
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(session.fd, SOL_SOCKET, SO_ERROR, &error, &size);
      errno = error;
      return lost(session, "connection");
    }
    if ((events & EPOLLOUT) != 0) flush(session);
    if ((events & EPOLLIN) != 0) {
      const bool open = session.reader.read(
          session.fd,
          [&](MessageType type, std::span<const std::uint8_t> body) { take(session, type, body); });
      if (!open) return lost(session, "the session ended");
    }
  }

  void lost(Session& session, const char* what) {
    if (session.established) fail_at(session, what);
    close(session.fd);
    // A keepalive of ours may have been on its way when the other side gave up; the handshake begins again.
    if (session.open_seen) ++in_flight_;
    session.open_seen = false;
    session.reader = MessageReader(kBuffer);
    session.out.clear();
    session.out_at = 0;
    session.retry_at = now_ns() + kRetryAfter;
    refused_.push_back(&session);
    ++refusals_;
  }

  void retry(std::int64_t now) {
    std::vector<Session*> due;
    std::erase_if(refused_, [&](Session* session) {
      if (session->retry_at > now) return false;
      due.push_back(session);
      return true;
    });
    for (Session* session : due) connect(*session);
  }

  void take(Session& session, MessageType type, std::span<const std::uint8_t> body) {
    switch (type) {
      case kOpen:
        session.open_seen = true;
        send(session, keepalive_message());
        --in_flight_;
        connect_more();
        break;
      case kKeepalive:
        if (session.open_seen && !session.established) establish(session);
        break;
      case kUpdate: count(session, body); break;
      case kNotification:
        if (!session.established) break;  // the connection ends, and is tried again
        errno = 0;
        fail_at(session, "NOTIFICATION " + std::to_string(body[0]) + "/" + std::to_string(body[1]));
    }
  }

  void establish(Session& session) {
    session.established = true;
    if (++established_ == sessions_.size()) say("ready", " refused " + std::to_string(refusals_));
    if (options_.at_once && session.feed.routes != 0) send(session, announcements(session.feed));
  }

  void count(Session& session, std::span<const std::uint8_t> body) {
    const std::size_t before = session.held.size();
    const std::optional<std::uint32_t> mark = session.held.apply_update(body);
    const std::size_t held = session.held.size();
    if (mark.value_or(0) >= kFirstMark) {
      const std::size_t index = *mark - kFirstMark;
      if (churn_ && index < churn_->sent.size()) churn_->delays.push_back(now_ns() - churn_->sent[index]);
      return;
    }
    ++updates_;
    if (session.expected == 0) return;
    if (before < session.expected && held == session.expected && ++complete_ == expecting_)
      milestone("announced");
    if (before == session.expected && held < session.expected) --complete_;
    if (before == 0 && held != 0) ++holding_;
    if (before != 0 && held == 0 && --holding_ == 0) milestone("withdrawn");
  }

  void milestone(const char* what) {
    std::size_t bytes = 0;
    for (const auto& session : sessions_) bytes += session->reader.bytes();
    say(what, " updates " + std::to_string(updates_) + " bytes " + std::to_string(bytes - bytes_told_));
    updates_ = 0;
    bytes_told_ = bytes;
  }

  void take_command() {
    char line[64]{};
    if (read(0, line, sizeof line - 1) <= 0) {
      done_ = true;
      return;
    }
    unsigned rate = 0;
    unsigned seconds = 0;
    if (std::sscanf(line, "c %u %u", &rate, &seconds) == 2 && rate != 0) {
      const std::int64_t now = now_ns();
      churn_ = Churn{.interval = 1'000'000'000 / rate,
                     .end = now + std::int64_t{seconds} * 1'000'000'000,
                     .next = now,
                     .sent = {},
                     .delays = {}};
      return;
    }
    // Serialised before the clock runs.
    std::vector<Bytes> blobs;
    blobs.reserve(options_.sources);
    for (std::uint32_t i = 0; i < options_.sources; ++i) {
      blobs.push_back(line[0] == 'a' ? announcements(sessions_[i]->feed) : withdrawals(sessions_[i]->feed));
    }
    say("begin");
    for (std::uint32_t i = 0; i < options_.sources; ++i) send(*sessions_[i], blobs[i]);
  }

  void go_on_churning() {
    const std::int64_t now = now_ns();
    for (; churn_->next <= now && churn_->next < churn_->end; churn_->next += churn_->interval) {
      const auto index = static_cast<std::uint32_t>(churn_->sent.size());
      Session& source = *sessions_[index % options_.sources];
      const std::uint32_t route = source.feed.first_route + index / options_.sources % options_.routes;
      churn_->sent.push_back(now_ns());
      send(source, change(source.feed, route, kFirstMark + index));
    }
    // What is still on its way gets a second.
    if (now >= churn_->end + 1'000'000'000) {
      std::vector<std::int64_t>& delays = churn_->delays;
      std::sort(delays.begin(), delays.end());
      const auto part = [&](double fraction) {
        if (delays.empty()) return std::string("0");
        const auto index = static_cast<std::size_t>(fraction * static_cast<double>(delays.size() - 1));
        return std::to_string(delays[index] / 1000);
      };
      say("churned", " sent " + std::to_string(churn_->sent.size()) + " seen " +
                         std::to_string(delays.size()) + " p50_us " + part(0.5) + " p99_us " + part(0.99) +
                         " max_us " + part(1.0));
      churn_.reset();
    }
  }

  void send(Session& session, const Bytes& bytes) {
    session.out.insert(session.out.end(), bytes.begin(), bytes.end());
    flush(session);
  }

  void flush(Session& session) {
    while (session.out_at < session.out.size()) {
      const ssize_t sent = ::send(session.fd, session.out.data() + session.out_at,
                                  session.out.size() - session.out_at, MSG_NOSIGNAL);
      if (sent < 0 && errno == EAGAIN) break;
      if (sent <= 0) {
        if (session.established) fail_at(session, "send");
        return;  // the connection is lost, as its events will say
      }
      session.out_at += static_cast<std::size_t>(sent);
    }
    const bool waits = session.out_at < session.out.size();
    if (!waits) {
      session.out.clear();
      session.out_at = 0;
    }
    const std::uint32_t wanted = waits ? EPOLLIN | EPOLLOUT : EPOLLIN;
    if (wanted != session.events) {
      epoll_event event{};
      event.events = session.events = wanted;
      event.data.ptr = &session;
      epoll_ctl(epoll_, EPOLL_CTL_MOD, session.fd, &event);
    }
  }

  [[noreturn]] static void fail_at(const Session& session, const std::string& what) {
    fail("bgp_crowd: speaker " + std::to_string(session.number) + ": " + what +
         (errno != 0 ? std::string(": ") + std::strerror(errno) : ""));
  }

  const Options options_;
  const int epoll_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::size_t next_to_connect_ = 0;
  std::size_t in_flight_ = 0;
  std::size_t established_ = 0;
  std::size_t expecting_ = 0;  // sessions that will get routes,
  std::size_t complete_ = 0;   // of them: have all,
  std::size_t holding_ = 0;    // and have any
  std::size_t updates_ = 0;
  std::size_t bytes_told_ = 0;
  std::vector<Session*> refused_;
  std::size_t refusals_ = 0;
  std::optional<Churn> churn_;
  bool done_ = false;
};

Options parse(int argc, char** argv) {
  if (argc != 10 && !(argc == 11 && std::string_view(argv[10]) == "at-once")) {
    fail(
        "usage: bgp_crowd ADDRESS PORT AS ipv4|ipv6 FIRST_ADDRESS SESSIONS SOURCES ROUTES PER_SET [at-once]");
  }
  const auto number = [&](int i) { return static_cast<std::uint32_t>(std::strtoul(argv[i], nullptr, 10)); };
  Options options{.address = argv[1],
                  .port = static_cast<std::uint16_t>(number(2)),
                  .as_number = number(3),
                  .ipv6 = std::string_view(argv[4]) == "ipv6",
                  .first_address = argv[5],
                  .sessions = number(6),
                  .sources = number(7),
                  .routes = number(8),
                  .per_set = number(9),
                  .at_once = argc == 11};
  if (options.sources == 0 || options.sources > options.sessions || options.routes == 0 ||
      options.per_set == 0) {
    fail("bgp_crowd: there must be sources among the sessions, with routes");
  }
  return options;
}

int run(int argc, char** argv) {
  const rlimit many{65536, 65536};
  setrlimit(RLIMIT_NOFILE, &many);
  Crowd(parse(argc, argv)).run();
  return 0;
}

}  // namespace
}  // namespace towpath::bench

int main(int argc, char** argv) {
  return towpath::bench::run(argc, argv);
}
