// The state machine of one BFD session in asynchronous mode (RFC 5880 section 6.8).
//
// Model
//   Pure: packets and the time go in; advance() says what to send. deadline() is when it has to be asked
//   again. The names of the members are those of section 6.8.1. Never in demand mode itself, and without the
//   echo function; a peer in demand mode gets what section 6.6 asks for. Who a packet is from is decided
//   before (authentication.h).
//
// Timers
//   The transmit interval is the greater of what we desire and what the peer can receive, shortened by a
//   random part so that sessions do not fall into step (6.8.7). What a Poll Sequence has not confirmed yet is
//   announced, but not relied on (6.8.3).
//
// Ownership: a plain value. Threading: none of its own. Failure: none; what breaks the rules is discarded,
// with the reason.
#pragma once

#include <cstdint>
#include <optional>

#include "bfd/control_packet.h"
#include "towpath/base/clock.h"
#include "towpath/bfd/session_config.h"

namespace towpath::bfd {

class Session {
 public:
  // `discriminator` is not 0 and unique in this system. The seed drives the jitter.
  Session(const Timers& timers, bool passive, std::uint32_t discriminator, std::uint64_t seed, TimePoint now);

  // A packet that decode() took and that was selected for this session.
  void receive(const ControlPacket& packet, TimePoint now);
  // Call at deadline() or later, and after receive(), until it returns nothing: the packets to send.
  std::optional<ControlPacket> advance(TimePoint now);
  // TimePoint::max() when nothing will happen without a packet.
  TimePoint deadline() const;

  // Confirmed with the peer by a Poll Sequence while the session is up; the session stays.
  void set_timers(const Timers& timers, TimePoint now);
  // Tells the peer that the session ends by decision (section 6.8.16); the last packet is due at once.
  void shut_down(TimePoint now);

  State state() const { return state_; }
  State remote_state() const { return remote_state_; }
  // Why the session left Up or Init the last time.
  Diagnostic diagnostic() const { return diagnostic_; }
  Diagnostic remote_diagnostic() const { return remote_diagnostic_; }
  // What the peer's C bit said (RFC 5882 section 4.3).
  bool remote_control_plane_independent() const { return remote_control_plane_independent_; }
  std::uint32_t local_discriminator() const { return local_discriminator_; }
  std::uint32_t remote_discriminator() const { return remote_discriminator_; }
  Duration transmit_interval() const;
  // 0 until the peer was heard.
  Duration detection_time() const;

 private:
  void on_state(State received);
  void enter(State next, Diagnostic reason);
  void expire();
  void begin_poll();
  void end_poll();
  bool sends_periodically() const;
  // The desired interval as announced: at least a second while the session is not up (6.8.3).
  Duration announced_min_tx() const;
  ControlPacket packet() const;
  void schedule(TimePoint now);
  Duration jittered(Duration interval);

  Timers timers_;
  bool passive_;
  std::uint32_t local_discriminator_;
  std::uint64_t random_;

  State state_ = State::kDown;
  State remote_state_ = State::kDown;
  Diagnostic diagnostic_ = Diagnostic::kNone;
  Diagnostic remote_diagnostic_ = Diagnostic::kNone;
  std::uint32_t remote_discriminator_ = 0;
  Duration remote_min_rx_ = std::chrono::microseconds(1);
  Duration remote_min_tx_{0};
  std::uint8_t remote_detect_multiplier_ = 0;
  bool remote_demand_ = false;
  bool remote_control_plane_independent_ = false;

  // What the peer has confirmed.
  Duration min_tx_;
  Duration min_rx_;
  bool polling_ = false;
  bool poll_again_ = false;  // the timers changed after the Poll Sequence had begun

  bool final_due_ = false;                // the peer polls
  std::optional<ControlPacket> sent_;     // the last one, without its Poll and Final bits
  std::optional<TimePoint> transmitted_;  // when that was
  TimePoint transmit_at_;
  TimePoint detect_at_ = TimePoint::max();
};

}  // namespace towpath::bfd
