#include "towpath/bfd/service.h"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "bfd/authentication.h"
#include "bfd/session.h"
#include "bfd/sockets.h"
#include "towpath/base/check.h"

namespace towpath::bfd {
namespace {

constexpr Duration kRetry = std::chrono::seconds(1);
constexpr int kGtsmTtl = 255;
// Packets of one socket before the timers are looked at again: a flood must not stop the clock.
constexpr int kPacketsInTurn = 4096;
// UDP loses packets, and the last one is not repeated later.
constexpr int kLastWords = 3;

struct Key {
  IpAddress remote;
  bool multihop = false;
  friend auto operator<=>(const Key&, const Key&) = default;
};

Key key_of(const SessionConfig& config) {
  return {config.remote, config.multihop};
}

SocketKind kind_of(const SessionConfig& config) {
  return {config.remote.family(), config.multihop};
}

struct Entry {
  SessionConfig config;
  Session session;
  std::optional<Authenticator> authenticator;
  std::optional<SendingSocket> socket;
  TimePoint indexed_at = TimePoint::max();  // its place in the order of deadlines
  TimePoint state_since;
  std::uint64_t ups = 0;
  std::uint64_t packets_sent = 0;
  std::uint64_t packets_received = 0;
  std::uint64_t packets_discarded = 0;
  std::string discarded_because;
  std::string cannot_send;
};

// It must be authenticated, and there is no key to do so.
bool is_kept_down(const SessionConfig& config) {
  return config.authentication && !config.authentication->usable();
}

// Whether a session can go from one to the other and stay. Another key of the same type is in force at once.
bool same_kind(const std::optional<Authentication>& a, const std::optional<Authentication>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return a->type == b->type && a->usable() == b->usable();
}

// Ahead of everything that is not as urgent, where the kernel lets us.
void raise_priority() {
  const sched_param parameters{.sched_priority = 1};
  ::pthread_setschedparam(::pthread_self(), SCHED_FIFO, &parameters);  // else at the normal priority
}

timespec to_timespec(Duration wait) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(wait);
  return {.tv_sec = seconds.count(), .tv_nsec = std::chrono::nanoseconds(wait - seconds).count()};
}

}  // namespace

// All members are guarded by mutex_, which the thread holds except while it waits.
class Service::Thread {
 public:
  Thread(Post post, OnChange on_change)
      : post_(std::move(post)),
        on_change_(std::make_shared<OnChange>(std::move(on_change))),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        random_(std::random_device{}()) {
    TOWPATH_CHECK(wake_);
    // Signals are the loop's: the thread inherits a mask in which all are blocked.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  ~Thread() {
    {
      const std::lock_guard lock(mutex_);
      for (auto& [key, entry] : entries_) shut_down(entry);
      stop_ = true;
    }
    wake();
    thread_.join();
  }

  void configure(const std::vector<SessionConfig>& sessions) {
    {
      const std::lock_guard lock(mutex_);
      const TimePoint now = std::chrono::steady_clock::now();
      order_.clear();
      for (const SessionConfig& config : sessions) {
        order_.push_back(key_of(config));
        adopt(config, now);
      }
      for (auto item = entries_.begin(); item != entries_.end();) {
        item = std::ranges::find(order_, item->first) != order_.end() ? std::next(item) : remove(item);
      }
      open_sockets(now);
    }
    wake();
  }

  std::vector<SessionStatus> sessions() const {
    const std::lock_guard lock(mutex_);
    const TimePoint now = std::chrono::steady_clock::now();
    std::vector<SessionStatus> out;
    for (const Key& key : order_) out.push_back(status(entries_.at(key), now));
    return out;
  }

 private:
  void run() {
    raise_priority();
    std::unique_lock lock(mutex_);
    while (!stop_) {
      std::vector<pollfd> waited{{.fd = wake_.get(), .events = POLLIN, .revents = 0}};
      for (const auto& [kind, socket] : sockets_) {
        waited.push_back({.fd = socket.fd(), .events = POLLIN, .revents = 0});
      }
      const auto wait = time_to_wait(std::chrono::steady_clock::now());
      lock.unlock();
      const timespec limit = to_timespec(wait.value_or(Duration::zero()));
      ::ppoll(waited.data(), waited.size(), wait ? &limit : nullptr, nullptr);
      lock.lock();
      take_turn();
    }
  }

  // Nothing: until something comes.
  std::optional<Duration> time_to_wait(TimePoint now) const {
    TimePoint next = open_again_at_.value_or(TimePoint::max());
    if (!deadlines_.empty()) next = std::min(next, deadlines_.begin()->first);
    if (next == TimePoint::max()) return std::nullopt;
    return std::max(next - now, Duration::zero());
  }

  // What came is read before anybody is judged by the clock.
  void take_turn() {
    std::uint64_t ignored = 0;
    [[maybe_unused]] const ssize_t drained = ::read(wake_.get(), &ignored, sizeof ignored);
    for (auto& [kind, socket] : sockets_) {
      for (int taken = 0; taken < kPacketsInTurn; ++taken) {
        const auto datagram = socket.receive();
        if (!datagram) break;
        on_datagram(kind, *datagram);
      }
    }
    const TimePoint now = std::chrono::steady_clock::now();
    if (open_again_at_ && *open_again_at_ <= now) open_sockets(now);
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) advance(*deadlines_.begin()->second, now);
  }

  void on_datagram(SocketKind kind, const Datagram& datagram) {
    const auto found = entries_.find(Key{datagram.from, kind.multihop});
    if (found == entries_.end()) return;  // not one of ours: no session to count it for
    Entry& entry = found->second;
    const auto discard = [&entry](std::string_view reason) {
      ++entry.packets_discarded;
      entry.discarded_because = reason;
    };
    // RFC 5881 section 5.
    if (!kind.multihop && datagram.ttl != kGtsmTtl) return discard("the TTL is not 255 (RFC 5881 section 5)");
    if (entry.config.local && datagram.to != *entry.config.local) return discard("not for the local address");
    if (is_kept_down(entry.config)) return discard("there is no key to check it with");
    const auto packet = decode(datagram.payload);
    if (!packet) return discard(packet.error());
    if (packet->your_discriminator != 0 &&
        packet->your_discriminator != entry.session.local_discriminator()) {
      return discard("Your Discriminator is not ours");
    }
    const TimePoint now = std::chrono::steady_clock::now();
    if (packet->authenticated && !entry.authenticator)
      return discard("is authenticated, and no authentication is in use");
    if (!packet->authenticated && entry.authenticator) return discard("is not authenticated");
    if (entry.authenticator) {
      const auto length = std::to_integer<std::size_t>(datagram.payload[3]);
      const auto good =
          entry.authenticator->check(datagram.payload.first(length), entry.session.detection_time(), now);
      if (!good) return discard(good.error());
    }
    ++entry.packets_received;
    const State before = entry.session.state();
    entry.session.receive(*packet, now);
    report(entry, before, now);
    advance(entry, now);
  }

  void advance(Entry& entry, TimePoint now) {
    const State before = entry.session.state();
    while (const auto packet = entry.session.advance(now)) send(entry, *packet);
    report(entry, before, now);
    index(entry);
  }

  void send(Entry& entry, const ControlPacket& packet) {
    if (is_kept_down(entry.config)) return;
    if (!entry.socket) {
      auto opened = SendingSocket::open(entry.config.remote.family(), entry.config.local, random_());
      if (!opened) {
        entry.cannot_send = std::move(opened.error().message);
        return;
      }
      entry.socket = *std::move(opened);
    }
    EncodedPacket bytes = encode(packet);
    if (entry.authenticator) entry.authenticator->sign(bytes);
    const auto sent = entry.socket->send(entry.config.remote, destination_port(entry.config.multihop), bytes);
    entry.cannot_send = sent ? std::string() : sent.error().message;
    if (sent) ++entry.packets_sent;
  }

  void report(Entry& entry, State before, TimePoint now) {
    const State state = entry.session.state();
    if (state == before) return;
    entry.state_since = now;
    if (state == State::kUp) {
      ++entry.ups;
      entry.discarded_because.clear();
    }
    const SessionChange change{
        .remote = entry.config.remote,
        .multihop = entry.config.multihop,
        .from = before,
        .to = state,
        .diagnostic = entry.session.diagnostic(),
        .remote_admin_down = entry.session.remote_state() == State::kAdminDown,
        .remote_control_plane_independent = entry.session.remote_control_plane_independent()};
    post_([on_change = on_change_, change] { (*on_change)(change); });
  }

  void adopt(const SessionConfig& config, TimePoint now) {
    if (const auto found = entries_.find(key_of(config)); found != entries_.end()) {
      Entry& entry = found->second;
      if (entry.config.local == config.local && entry.config.passive == config.passive &&
          same_kind(entry.config.authentication, config.authentication)) {
        entry.config = config;
        if (entry.authenticator) entry.authenticator->set_key(*config.authentication);
        entry.session.set_timers(config.timers, now);
        index(entry);
        return;
      }
      remove(found);
    }
    const auto [added, is_new] = entries_.emplace(
        key_of(config),
        Entry{.config = config,
              .session = Session(config.timers, config.passive, new_discriminator(), random_(), now),
              .authenticator = {},
              .socket = {},
              .state_since = now,
              .discarded_because = {},
              .cannot_send = {}});
    if (config.authentication && config.authentication->usable()) {
      added->second.authenticator.emplace(*config.authentication, static_cast<std::uint32_t>(random_()));
    }
    index(added->second);
  }

  void shut_down(Entry& entry) {
    const TimePoint now = std::chrono::steady_clock::now();
    entry.session.shut_down(now);
    while (const auto packet = entry.session.advance(now)) {
      for (int copy = 0; copy < kLastWords; ++copy) send(entry, *packet);
    }
  }

  std::map<Key, Entry>::iterator remove(std::map<Key, Entry>::iterator item) {
    shut_down(item->second);
    forget(item->second);
    return entries_.erase(item);
  }

  void forget(Entry& entry) { deadlines_.erase({entry.indexed_at, &entry}); }

  void index(Entry& entry) {
    forget(entry);
    entry.indexed_at = is_kept_down(entry.config) ? TimePoint::max() : entry.session.deadline();
    deadlines_.emplace(entry.indexed_at, &entry);
  }

  // RFC 5880 section 6.8.1: unique, not 0, and better random.
  std::uint32_t new_discriminator() {
    for (;;) {
      const auto candidate = static_cast<std::uint32_t>(random_());
      const bool taken = std::ranges::any_of(entries_, [candidate](const auto& item) {
        return item.second.session.local_discriminator() == candidate;
      });
      if (candidate != 0 && !taken) return candidate;
    }
  }

  // Those that the sessions need and no others; what could not be opened is tried again.
  void open_sockets(TimePoint now) {
    std::set<SocketKind> needed;
    for (const auto& [key, entry] : entries_) needed.insert(kind_of(entry.config));
    std::erase_if(sockets_, [&](const auto& item) { return !needed.contains(item.first); });
    socket_errors_.clear();
    for (const SocketKind kind : needed) {
      if (sockets_.contains(kind)) continue;
      auto opened = ReceivingSocket::open(kind);
      if (opened) {
        sockets_.emplace(kind, *std::move(opened));
      } else {
        socket_errors_[kind] = opened.error().message;
      }
    }
    open_again_at_ = socket_errors_.empty() ? std::nullopt : std::optional(now + kRetry);
  }

  SessionStatus status(const Entry& entry, TimePoint now) const {
    const Session& session = entry.session;
    std::string error = entry.cannot_send;
    if (const auto closed = socket_errors_.find(kind_of(entry.config)); closed != socket_errors_.end()) {
      error = closed->second;
    }
    if (is_kept_down(entry.config)) error = "no key: " + entry.config.authentication->problem;
    if (error.empty() && !entry.discarded_because.empty()) {
      error = fmt::format("discarded a packet: {}", entry.discarded_because);
    }
    return {.config = entry.config,
            .state = session.state(),
            .remote_state = session.remote_state(),
            .diagnostic = session.diagnostic(),
            .remote_diagnostic = session.remote_diagnostic(),
            .since = now - entry.state_since,
            .transmit_interval = session.transmit_interval(),
            .detection_time = session.detection_time(),
            .local_discriminator = session.local_discriminator(),
            .remote_discriminator = session.remote_discriminator(),
            .ups = entry.ups,
            .packets_sent = entry.packets_sent,
            .packets_received = entry.packets_received,
            .packets_discarded = entry.packets_discarded,
            .last_error = std::move(error)};
  }

  void wake() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
  }

  Post post_;
  std::shared_ptr<OnChange> on_change_;
  UniqueFd wake_;
  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  std::map<Key, Entry> entries_;
  std::vector<Key> order_;
  std::set<std::pair<TimePoint, Entry*>> deadlines_;
  std::map<SocketKind, ReceivingSocket> sockets_;
  std::map<SocketKind, std::string> socket_errors_;
  std::optional<TimePoint> open_again_at_;
  bool stop_ = false;
  std::thread thread_;
};

Service::Service(Post post, OnChange on_change)
    : thread_(std::make_unique<Thread>(std::move(post), std::move(on_change))) {}
Service::~Service() = default;

void Service::configure(const std::vector<SessionConfig>& sessions) {
  thread_->configure(sessions);
}

std::vector<SessionStatus> Service::sessions() const {
  return thread_->sessions();
}

}  // namespace towpath::bfd
