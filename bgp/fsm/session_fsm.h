// The state machine of one BGP connection, RFC 4271 section 8.2.2: state + event -> state + actions.
//
// Model
//   A plain value without socket, clock or callback. Timers are deadlines in the state: due() names the timer
//   event whose time has come, next_deadline() says when to look again. A connection is one that we open
//   (Start) or one that the peer opened (StartPassive, then TcpConnected); PeerFsm holds one of each and
//   settles collisions between them.
//
// Where it differs from the RFC's text, on purpose
//   - A NOTIFICATION in OpenSent ends the connection without an answer. The RFC asks for an FSM error, but
//   its section
//     6.4 forbids to answer a NOTIFICATION, and peers do refuse an OPEN in this state.
//   - A second OPEN on one connection is an FSM error (RFC 6608): it cannot collide with itself.
//   - A passive connection has no connect retry timer: the other slot does the connecting.
//   - ConnectRetryCounter is kept by PeerFsm, which alone acts on it.
//
// Failure: none; every event is good in every state. After Stop or an error the machine is Idle and can be
// started again.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>

#include "bgp/fsm/jitter.h"
#include "bgp/fsm/session_action.h"
#include "bgp/fsm/session_event.h"
#include "bgp/fsm/session_state.h"
#include "towpath/base/clock.h"
#include "towpath/bgp/peer_as.h"

namespace towpath::bgp {

// RFC 4271 section 8.2.2: "a HoldTimer value of 4 minutes is suggested" while no OPEN has come.
inline constexpr std::chrono::seconds kLargeHoldTime{240};

struct SessionSettings {
  OpenMessage open;  // what we announce
  PeerAs peer_as;
  std::chrono::seconds connect_retry{5};
  // How long the peer may take nothing of what we send (RFC 9687); 0: for ever.
  std::chrono::seconds send_hold_time{480};
  bool role_required = false;  // RFC 9234 section 4.2: without a role of the peer there is no session
  friend bool operator==(const SessionSettings&, const SessionSettings&) = default;
};

// RFC 4271 sections 4.2, 6.2 and 10, RFC 6286, RFC 5492: what follows from both OPENs, or the error that ends
// the connection.
std::expected<NegotiatedSession, DecodeError> negotiate_session(const SessionSettings& settings,
                                                                const OpenMessage& received);

class SessionFsm {
 public:
  SessionFsm(SessionSettings settings, std::uint64_t jitter_seed);

  // `now` is when it happened: for a message, when its last byte was received.
  SessionActions step(const SessionEvent& event, TimePoint now);

  // The expired timer that was due first; step() with it restarts or stops that timer.
  std::optional<SessionEvent> due(TimePoint now) const;
  std::optional<TimePoint> next_deadline() const;

  // Messages that were received at `when` wait to be stepped: the peer was not silent, however busy we are.
  void heard(TimePoint when);
  // Until `when` nothing that we sent was waiting for the peer to take it, or some of it was taken.
  void sent(TimePoint when);

  // Counts from the next OPEN on.
  void set_settings(SessionSettings settings) { settings_ = std::move(settings); }

  SessionState state() const { return state_; }
  // From OpenConfirm on.
  const std::optional<NegotiatedSession>& session() const { return session_; }
  // When Established was reached, while it lasts.
  std::optional<TimePoint> established_at() const { return established_at_; }
  // When the TCP connection of OpenSent and beyond began: was connected, or asked for where we asked.
  TimePoint began_at() const { return began_at_; }

 private:
  void connect(TimePoint now, SessionActions& actions);
  void send_open(TimePoint now, SessionActions& actions);
  void on_open(const OpenMessage& open, TimePoint now, SessionActions& actions);
  void on_message_error(const DecodeError& error, SessionActions& actions);
  // The FSM error of the current state (RFC 6608).
  void unexpected(EventKind kind, SessionActions& actions);
  // Every way back to Idle: tells the peer where `end` has a NOTIFICATION for it; leaves no timer and no
  // connection.
  void end(SessionEnd end, SessionActions& actions);
  void restart_hold_timer(TimePoint now);
  void restart_keepalive_timer(TimePoint now);
  void restart_send_hold_timer(TimePoint now);
  void clear_timers();

  SessionSettings settings_;
  Jitter jitter_;
  SessionState state_ = SessionState::kIdle;
  bool passive_ = false;
  std::optional<TimePoint> connect_retry_timer_;
  std::optional<TimePoint> hold_timer_;
  std::optional<TimePoint> keepalive_timer_;
  std::optional<TimePoint> send_hold_timer_;
  std::optional<NegotiatedSession> session_;
  std::optional<TimePoint> established_at_;
  TimePoint began_at_{};
};

}  // namespace towpath::bgp
