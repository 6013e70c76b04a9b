// Two PeerFsms on a network that keeps the order within a connection but not between connections. Whatever
// the order of arrival, both ends must agree on one connection, and must not lose both of a colliding pair.
#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "fsm_fixture.h"

namespace towpath::bgp::test {
namespace {

using namespace std::chrono_literals;

class Network {
 public:
  Network(Identity a, Identity b, std::uint64_t seed)
      : random_(seed), ends_{End(a, b, seed * 2), End(b, a, seed * 2 + 1)} {}

  // The second speaker starts some deliveries after the first: from far apart to crossing on the wire.
  void start() {
    carry_out(0, ends_[0].fsm.start(now_));
    turns_before_second_start_ = random_() % 12;
  }

  // One delivery, or a jump towards the next timer where nothing is on the wire.
  void turn() {
    if (turns_before_second_start_ == 0 && !ends_[1].fsm.started()) carry_out(1, ends_[1].fsm.start(now_));
    if (turns_before_second_start_ > 0) --turns_before_second_start_;
    now_ += 100us;
    std::vector<std::pair<std::size_t, std::size_t>> ready;  // connection, receiving end
    for (std::size_t c = 0; c < wires_.size(); ++c) {
      for (std::size_t end : {0U, 1U}) {
        if (!wires_[c].towards[end].empty()) ready.emplace_back(c, end);
      }
    }
    if (ready.empty()) {
      if (ends_[1].fsm.started()) now_ += 100ms;
    } else {
      const auto [connection, end] = ready[random_() % ready.size()];
      const Item item = std::move(wires_[connection].towards[end].front());
      wires_[connection].towards[end].pop_front();
      deliver(connection, end, item);
    }
    for (std::size_t end : {0U, 1U}) carry_out(end, ends_[end].fsm.expire(now_));
  }

  // Both ends are Established, on one and the same connection, and nothing is left on the wire.
  bool settled() const {
    for (const auto& wire : wires_) {
      if (!wire.towards[0].empty() || !wire.towards[1].empty()) return false;
    }
    const auto up = [&](std::size_t end) -> std::optional<std::size_t> {
      for (Slot slot : kAllSlots) {
        if (ends_[end].fsm.state(slot) == SessionState::kEstablished) return ends_[end].wire[index(slot)];
      }
      return std::nullopt;
    };
    return up(0) && up(0) == up(1) && ends_[0].connections() == 1 && ends_[1].connections() == 1;
  }
  Duration elapsed() const { return now_ - kStart; }
  const std::string& story() const { return story_; }

 private:
  struct Syn {};
  struct SynAck {};
  struct Fin {};
  using Item = std::variant<Syn, SynAck, Fin, SessionEvent>;
  struct Wire {
    std::size_t opener = 0;
    std::array<std::deque<Item>, 2> towards;
    std::array<bool, 2> closed{};
  };
  struct End {
    End(Identity local, Identity remote, std::uint64_t seed) : fsm(settings(local, remote), false, seed) {}
    std::size_t connections() const {
      std::size_t count = 0;
      for (Slot slot : kAllSlots) {
        const SessionState state = fsm.state(slot);
        count += state == SessionState::kConnect || state >= SessionState::kOpenSent ? 1 : 0;
      }
      return count;
    }
    PeerFsm fsm;
    std::array<std::optional<std::size_t>, 2> wire;  // by slot
  };

  void deliver(std::size_t connection, std::size_t end, const Item& item) {
    if (wires_[connection].closed[end]) return;
    if (std::holds_alternative<Syn>(item)) {
      if (!ends_[end].fsm.started()) return close(connection, end);  // nobody listens yet
      // The kernel has completed the handshake before the speaker sees the connection.
      send(connection, end, SynAck{});
      auto verdict = ends_[end].fsm.accept(now_);
      if (!verdict.accepted) {
        send(connection, end, SessionEvent(NotificationReceived{verdict.refusal}));
        close(connection, end);
        return;
      }
      carry_out(end, verdict.actions);
      ends_[end].wire[index(Slot::kIncoming)] = connection;
      step(end, Slot::kIncoming, TcpConnected{});
      return;
    }
    const Slot slot = wires_[connection].opener == end ? Slot::kOutgoing : Slot::kIncoming;
    if (ends_[end].wire[index(slot)] != connection) return;
    if (std::holds_alternative<SynAck>(item)) step(end, slot, TcpConnected{});
    if (std::holds_alternative<Fin>(item)) step(end, slot, TcpConnectionFails{});
    if (const auto* event = std::get_if<SessionEvent>(&item)) step(end, slot, *event);
  }
  void step(std::size_t end, Slot slot, const SessionEvent& event) {
    carry_out(end, ends_[end].fsm.step(slot, event, now_));
  }
  void send(std::size_t connection, std::size_t from, Item item) {
    if (!wires_[connection].closed[from]) wires_[connection].towards[1 - from].push_back(std::move(item));
  }
  void close(std::size_t connection, std::size_t end) {
    send(connection, end, Fin{});
    wires_[connection].closed[end] = true;
  }
  void carry_out(std::size_t end, const PeerActions& actions) {
    if (!actions.empty()) story_ += (end == 0 ? "A " : "B ") + text(actions) + "\n";
    for (const auto& [slot, action] : actions) {
      auto& wire = ends_[end].wire[index(slot)];
      if (std::holds_alternative<Connect>(action)) {
        wires_.emplace_back().opener = end;
        wire = wires_.size() - 1;
        send(*wire, end, Syn{});
      } else if (!wire) {
        continue;
      } else if (std::holds_alternative<Disconnect>(action)) {
        close(*wire, end);
        wire.reset();
      } else if (const auto* open = std::get_if<SendOpen>(&action)) {
        send(*wire, end, SessionEvent(OpenReceived{open->open}));
      } else if (std::holds_alternative<SendKeepalive>(action)) {
        send(*wire, end, SessionEvent(KeepaliveReceived{}));
      } else if (const auto* notification = std::get_if<SendNotification>(&action)) {
        send(*wire, end, SessionEvent(NotificationReceived{notification->notification}));
      }
    }
  }

  std::mt19937_64 random_;
  TimePoint now_ = kStart;
  std::array<End, 2> ends_;
  std::deque<Wire> wires_;
  std::uint64_t turns_before_second_start_ = 0;
  std::string story_;
};

TEST(SimultaneousOpen, BothEndsAgreeInEveryOrderOfArrival) {
  const std::array<std::pair<Identity, Identity>, 4> pairs{{
      {{65001, 1}, {65002, 2}},
      {{65001, 2}, {65002, 1}},
      {{65001, 1}, {65001, 2}},
      {{65001, 7}, {65002, 7}},
  }};
  std::size_t collisions = 0;
  for (const auto& [a, b] : pairs) {
    for (std::uint64_t seed = 0; seed < 3000; ++seed) {
      Network network(a, b, seed);
      network.start();
      for (int turns = 0; turns < 2000 && !network.settled(); ++turns) network.turn();
      ASSERT_TRUE(network.settled()) << "seed " << seed << "\n" << network.story();
      // Well below the first retry: no pair of connections was lost on both sides.
      ASSERT_LT(network.elapsed(), 700ms) << "seed " << seed << "\n" << network.story();
      collisions += network.story().contains("connection collision") ? 1 : 0;
    }
  }
  EXPECT_GT(collisions, 500U) << "the orders of arrival are not varied enough to mean anything";
}

}  // namespace
}  // namespace towpath::bgp::test
