// The BGP state of one configured peer: its connections, which of them survives, and when to try again.
//
// Model
//   Two slots, each with the SessionFsm of one connection: the one that we open and the one that the peer
//   opened. At most one of them is Established. Both may come up at the same time; the OPEN that arrives on
//   the second of them settles which one lives (RFC 4271 section 6.8). That both ends always come to the same
//   answer rests on this:
//   - only connections on which the peer has sent its OPEN are compared, so one that the peer gave up cannot
//   win;
//   - a connection that was under way before the other one became Established is still compared by
//   identifiers
//     (CollisionDetectEstablishedState for the time of the handshake), a later one is refused;
//   - no connection is opened while the peer's own one has got as far as OpenConfirm.
//
//   A new connection of a peer whose session is Established means that it restarted, if it knows graceful
//   restart: the old one is then given up without a NOTIFICATION and its routes are kept (RFC 4724
//   section 4.2).
//
// Trying again
//   A lost session is tried again at once, a failed connect after the connect retry time. A protocol error on
//   either side holds the peer off, in both directions, for 1 s, then 2 s and so on up to 60 s (RFC 4271
//   section 8.1.1, DampPeerOscillations); a session that lasted a minute starts the count anew. All times
//   have the jitter of section 10.
//
// A plain value: no socket, no clock. Failure: none.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bgp/fsm/jitter.h"
#include "bgp/fsm/session_action.h"
#include "bgp/fsm/session_event.h"
#include "bgp/fsm/session_fsm.h"
#include "bgp/fsm/session_state.h"
#include "towpath/base/clock.h"

namespace towpath::bgp {

enum class Slot : std::uint8_t { kOutgoing, kIncoming };
inline constexpr std::array kAllSlots{Slot::kOutgoing, Slot::kIncoming};
constexpr std::size_t index(Slot slot) {
  return static_cast<std::size_t>(slot);
}
constexpr Slot other(Slot slot) {
  return slot == Slot::kOutgoing ? Slot::kIncoming : Slot::kOutgoing;
}

struct PeerAction {
  Slot slot = Slot::kOutgoing;
  SessionAction action;
  friend bool operator==(const PeerAction&, const PeerAction&) = default;
};
using PeerActions = std::vector<PeerAction>;

struct CollisionSide {  // what decides collisions
  RouterId router_id;
  AsNumber as;
};
// RFC 4271 section 6.8: the connection that the side with the higher identifier opened; equal ones occur
// between two ASes only, where the higher AS number decides (RFC 6286 section 2.3).
Slot surviving_connection(const CollisionSide& local, const CollisionSide& peer);

// The peer connected to us: what to do with the new TCP connection.
struct IncomingVerdict {
  // Carry out `actions`, put the connection into Slot::kIncoming and step it with TcpConnected. Otherwise
  // send `refusal` and close it.
  bool accepted = false;
  NotificationMessage refusal;
  PeerActions actions;
};

class PeerFsm {
 public:
  // A new connection within this time of Established is taken for one that was opened at the same time, not
  // for a restart of the peer.
  static constexpr std::chrono::seconds kSimultaneousOpen{5};
  static constexpr std::chrono::seconds kFirstHoldOff{1};
  static constexpr std::chrono::seconds kLongestHoldOff{60};
  static constexpr std::chrono::seconds kStableSession{60};

  // `passive`: never connect, only wait.
  PeerFsm(SessionSettings settings, bool passive, std::uint64_t jitter_seed);

  PeerActions start(TimePoint now);
  // Ends every connection; with a NOTIFICATION where one is given (Stop).
  PeerActions stop(const std::optional<NotificationMessage>& notification, TimePoint now);
  // The peer did what it must not do: ends every connection and holds the peer off, for `pause`, and twice as
  // long each time in a row; without one until start().
  PeerActions hold_off(const Stop& stop, std::optional<std::chrono::seconds> pause, TimePoint now);
  IncomingVerdict accept(TimePoint now);
  PeerActions step(Slot slot, const SessionEvent& event, TimePoint now);
  // Everything whose time has come.
  PeerActions expire(TimePoint now);
  std::optional<TimePoint> next_deadline() const;
  // SessionFsm::heard().
  void heard(Slot slot, TimePoint when) { fsm(slot).heard(when); }
  // SessionFsm::sent().
  void sent(Slot slot, TimePoint when) { fsm(slot).sent(when); }

  // Counts from the next OPEN on.
  void set_settings(SessionSettings settings);

  bool started() const { return started_; }
  SessionState state(Slot slot) const { return fsm(slot).state(); }
  // Of the peer as a whole: its connection that has come furthest. A peer that we wait for is Active.
  SessionState state() const;
  // What was agreed on, once a connection is in OpenConfirm or Established.
  const NegotiatedSession* session() const;
  unsigned failures() const { return failures_; }

 private:
  SessionFsm& fsm(Slot slot) { return slots_[index(slot)]; }
  const SessionFsm& fsm(Slot slot) const { return slots_[index(slot)]; }
  void run(Slot slot, const SessionEvent& event, TimePoint now, PeerActions& actions);
  bool loses_collision(Slot slot, const OpenMessage& open, TimePoint now, PeerActions& actions);
  void give_up_attempt(Slot slot, TimePoint now, PeerActions& actions);
  void on_end(const SessionEnd& end, std::optional<TimePoint> established_at, TimePoint now);
  void plan_connect(TimePoint now);
  bool may_connect() const;

  SessionSettings settings_;
  bool passive_;
  Jitter jitter_;
  std::array<SessionFsm, 2> slots_;
  bool started_ = false;
  unsigned failures_ = 0;              // in a row
  std::optional<TimePoint> hold_off_;  // until then nothing is begun and nothing accepted
  Duration connect_delay_{};           // before the next Start of the outgoing connection
  std::optional<TimePoint> connect_at_;
};

}  // namespace towpath::bgp
