#include "bfd/session.h"

#include <algorithm>
#include <utility>

namespace towpath::bfd {
namespace {

// Section 6.8.3: the least Desired Min TX Interval while a session is not up.
constexpr Duration kSlowInterval = std::chrono::seconds(1);

// What a further packet would tell the peer; the Poll and Final bits do not count (6.8.7).
ControlPacket without_sequence_bits(ControlPacket packet) {
  packet.poll = packet.final = false;
  return packet;
}

}  // namespace

Session::Session(const Timers& timers, bool passive, std::uint32_t discriminator, std::uint64_t seed,
                 TimePoint now)
    : timers_(timers),
      passive_(passive),
      local_discriminator_(discriminator),
      random_(seed),
      min_tx_(announced_min_tx()),
      min_rx_(timers.required_min_rx),
      transmit_at_(passive ? TimePoint::max() : now) {}

// Section 6.8.6, from where the session is known.
void Session::receive(const ControlPacket& packet, TimePoint now) {
  remote_discriminator_ = packet.my_discriminator;
  remote_state_ = packet.state;
  remote_diagnostic_ = packet.diagnostic;
  remote_demand_ = packet.demand;
  remote_min_rx_ = packet.required_min_rx;
  remote_min_tx_ = packet.desired_min_tx;
  remote_detect_multiplier_ = packet.detect_multiplier;
  remote_control_plane_independent_ = packet.control_plane_independent;
  if (packet.final && polling_) end_poll();
  if (state_ == State::kAdminDown) return;
  detect_at_ = now + detection_time();
  on_state(packet.state);
  // Answered without regard to the transmit timer; a packet that has both bits set is no poll.
  if (packet.poll && !packet.final) final_due_ = true;
  // A peer that can take more, or that has come up, need not wait for the slow interval to end.
  schedule(now);
}

// The table of section 6.2, with the diagnostics of 6.8.6.
void Session::on_state(State received) {
  if (received == State::kAdminDown) {
    if (state_ != State::kDown) enter(State::kDown, Diagnostic::kNeighborSignaledDown);
    return;
  }
  switch (state_) {
    case State::kAdminDown: return;
    case State::kDown:
      if (received == State::kDown) enter(State::kInit, diagnostic_);
      if (received == State::kInit) enter(State::kUp, Diagnostic::kNone);
      return;
    case State::kInit:
      if (received == State::kInit || received == State::kUp) enter(State::kUp, Diagnostic::kNone);
      return;
    case State::kUp:
      if (received == State::kDown) enter(State::kDown, Diagnostic::kNeighborSignaledDown);
      return;
  }
}

void Session::enter(State next, Diagnostic reason) {
  const Duration announced = announced_min_tx();
  state_ = next;
  diagnostic_ = reason;
  if (announced_min_tx() == announced) return;
  // Shorter on the way up, and the session is not up on the way down: neither has to wait for the peer.
  min_tx_ = announced_min_tx();
  if (next == State::kUp) begin_poll();
}

// Section 6.8.4; and the peer's discriminator is forgotten after a Detection Time without a packet (6.8.1).
void Session::expire() {
  detect_at_ = TimePoint::max();
  remote_discriminator_ = 0;
  remote_demand_ = false;
  polling_ = poll_again_ = false;
  if (state_ == State::kInit || state_ == State::kUp) enter(State::kDown, Diagnostic::kDetectionTimeExpired);
}

void Session::begin_poll() {
  poll_again_ = polling_;
  polling_ = true;
}

void Session::end_poll() {
  if (std::exchange(poll_again_, false)) return;  // this Final may belong to what we announced before
  polling_ = false;
  min_tx_ = announced_min_tx();
  min_rx_ = timers_.required_min_rx;
}

void Session::set_timers(const Timers& timers, TimePoint now) {
  if (timers == std::exchange(timers_, timers)) return;
  // Section 6.8.3: what makes us slower, or the peer expected sooner, waits for the peer to know; the rest
  // holds at once.
  const bool up = state_ == State::kUp;
  min_tx_ = up ? std::min(min_tx_, announced_min_tx()) : announced_min_tx();
  min_rx_ = up ? std::max<Duration>(min_rx_, timers.required_min_rx) : Duration(timers.required_min_rx);
  if (up) begin_poll();
  schedule(now);
}

void Session::shut_down(TimePoint now) {
  enter(State::kAdminDown, Diagnostic::kAdministrativelyDown);
  detect_at_ = TimePoint::max();
  polling_ = poll_again_ = false;
  schedule(now);
}

std::optional<ControlPacket> Session::advance(TimePoint now) {
  if (now >= detect_at_) {
    expire();
    schedule(now);
  }
  if (now < transmit_at_) return std::nullopt;
  ControlPacket next = packet();
  next.final = std::exchange(final_due_, false);
  next.poll = polling_ && !next.final;
  sent_ = without_sequence_bits(next);
  transmitted_ = now;
  schedule(now);
  return next;
}

TimePoint Session::deadline() const {
  return std::min(transmit_at_, detect_at_);
}

// When the next packet is due, after anything that may have changed it.
void Session::schedule(TimePoint now) {
  const bool news = sent_ != without_sequence_bits(packet());
  const bool silent = passive_ && remote_discriminator_ == 0;
  if (final_due_ || (news && !silent)) {
    transmit_at_ = now;
  } else if (!sends_periodically()) {
    transmit_at_ = TimePoint::max();
  } else if (transmitted_) {
    // Anew only where it is not under way: each draw from the jitter must count.
    const TimePoint latest = *transmitted_ + transmit_interval();
    if (transmit_at_ <= *transmitted_ || transmit_at_ > latest) {
      transmit_at_ = *transmitted_ + jittered(transmit_interval());
    }
  }
}

// Section 6.8.7.
bool Session::sends_periodically() const {
  if (state_ == State::kAdminDown) return false;
  if (passive_ && remote_discriminator_ == 0) return false;
  if (remote_min_rx_ == Duration::zero()) return false;
  const bool demanded = remote_demand_ && state_ == State::kUp && remote_state_ == State::kUp;
  return !demanded || polling_;
}

Duration Session::announced_min_tx() const {
  const Duration wanted = timers_.desired_min_tx;
  return state_ == State::kUp ? wanted : std::max(wanted, kSlowInterval);
}

Duration Session::transmit_interval() const {
  return std::max(min_tx_, remote_min_rx_);
}

// Section 6.8.4.
Duration Session::detection_time() const {
  return remote_detect_multiplier_ * std::max(min_rx_, remote_min_tx_);
}

ControlPacket Session::packet() const {
  return {.diagnostic = diagnostic_,
          .state = state_,
          .detect_multiplier = timers_.detect_multiplier,
          .my_discriminator = local_discriminator_,
          .your_discriminator = remote_discriminator_,
          .desired_min_tx = std::chrono::duration_cast<std::chrono::microseconds>(announced_min_tx()),
          .required_min_rx = timers_.required_min_rx};
}

// Section 6.8.7: 75 to 100 percent, and at most 90 where one lost packet is the end.
Duration Session::jittered(Duration interval) {
  // splitmix64: every seed is a good one, also 0.
  random_ += 0x9E3779B97F4A7C15;
  std::uint64_t z = random_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  z ^= z >> 31;
  const std::uint64_t span = timers_.detect_multiplier == 1 ? 150 : 250;
  return interval / 1000 * static_cast<Duration::rep>(750 + z % (span + 1));
}

}  // namespace towpath::bfd
