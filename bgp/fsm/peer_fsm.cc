#include "bgp/fsm/peer_fsm.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace towpath::bgp {
namespace {

// After so many failures in a row, where the first one costs `first`.
Duration doubled(Duration first, unsigned failures) {
  return first * (1U << std::min(failures - 1, 6U));
}

Duration hold_off_time(unsigned failures) {
  return std::min<Duration>(doubled(PeerFsm::kFirstHoldOff, failures), PeerFsm::kLongestHoldOff);
}

bool received(const SessionEnd& end, NotificationCode code) {
  return end.cause == EndCause::kNotificationReceived && end.notification->code == code;
}

// A connection that lost a collision says nothing against the peer. Nor does one that was refused: two
// speakers that held each other off for it would never meet.
bool is_failure(const SessionEnd& end) {
  if (end.cause == EndCause::kProtocolError) return true;
  return end.cause == EndCause::kNotificationReceived && !received(end, kCollisionResolution) &&
         !received(end, kConnectionRejected);
}

}  // namespace

Slot surviving_connection(const CollisionSide& local, const CollisionSide& peer) {
  const bool peer_dominates =
      peer.router_id != local.router_id ? peer.router_id > local.router_id : peer.as > local.as;
  return peer_dominates ? Slot::kIncoming : Slot::kOutgoing;
}

PeerFsm::PeerFsm(SessionSettings settings, bool passive, std::uint64_t jitter_seed)
    : settings_(std::move(settings)),
      passive_(passive),
      jitter_(jitter_seed),
      slots_{SessionFsm(settings_, jitter_seed + 1), SessionFsm(settings_, jitter_seed + 2)} {}

PeerActions PeerFsm::start(TimePoint now) {
  started_ = true;
  failures_ = 0;
  hold_off_.reset();
  connect_at_.reset();
  connect_delay_ = {};
  plan_connect(now);
  return expire(now);
}

PeerActions PeerFsm::stop(const std::optional<NotificationMessage>& notification, TimePoint now) {
  PeerActions actions;
  started_ = false;
  for (Slot slot : kAllSlots) {
    if (state(slot) != SessionState::kIdle) run(slot, Stop{notification}, now, actions);
  }
  connect_at_.reset();
  return actions;
}

PeerActions PeerFsm::hold_off(const Stop& stop, std::optional<std::chrono::seconds> pause, TimePoint now) {
  PeerActions actions;
  started_ = false;  // nothing is planned as long as connections end
  for (Slot slot : kAllSlots) {
    if (state(slot) != SessionState::kIdle) run(slot, stop, now, actions);
  }
  if (!pause) return actions;
  started_ = true;
  ++failures_;
  hold_off_ = now + jitter_.apply(doubled(*pause, failures_));
  plan_connect(now);
  return actions;
}

IncomingVerdict PeerFsm::accept(TimePoint now) {
  const auto refuse = [](NotificationCode code) { return IncomingVerdict{false, {code, {}}, {}}; };
  if (!started_ || (hold_off_ && now < *hold_off_)) return refuse(kConnectionRejected);

  IncomingVerdict verdict{true, {}, {}};
  for (Slot slot : kAllSlots) {
    if (state(slot) != SessionState::kEstablished) continue;
    const bool restarted =
        fsm(slot).session()->graceful_restart && now - *fsm(slot).established_at() >= kSimultaneousOpen;
    if (!restarted) return refuse(kCollisionResolution);
    run(slot, Superseded{}, now, verdict.actions);
  }
  // A speaker has one connect at a time under way: the older one that it left behind is dead.
  if (state(Slot::kIncoming) >= SessionState::kOpenSent)
    run(Slot::kIncoming, Superseded{}, now, verdict.actions);
  run(Slot::kIncoming, StartPassive{}, now, verdict.actions);  // nothing new where it is Active already
  return verdict;
}

PeerActions PeerFsm::step(Slot slot, const SessionEvent& event, TimePoint now) {
  PeerActions actions;
  run(slot, event, now, actions);
  return actions;
}

void PeerFsm::run(Slot slot, const SessionEvent& event, TimePoint now, PeerActions& actions) {
  const auto established_at = fsm(slot).established_at();
  SessionActions own;
  if (const auto* open = std::get_if<OpenReceived>(&event);
      open != nullptr && loses_collision(slot, open->open, now, actions)) {
    own = fsm(slot).step(OpenCollisionDump{}, now);
  } else {
    own = fsm(slot).step(event, now);
  }
  for (SessionAction& action : own) {
    if (const auto* disconnect = std::get_if<Disconnect>(&action))
      on_end(disconnect->end, established_at, now);
    actions.push_back({slot, std::move(action)});
  }
  give_up_attempt(slot, now, actions);
  plan_connect(now);
}

// Where `slot` has come far, the other one needs not be tried any more: a connect that is only planned ends
// at OpenConfirm, one that is under way at Established. One that has its TCP connection is judged by its
// OPEN.
void PeerFsm::give_up_attempt(Slot slot, TimePoint now, PeerActions& actions) {
  const SessionState own = state(slot);
  const SessionState rival = state(other(slot));
  const bool planned = rival == SessionState::kActive && own >= SessionState::kOpenConfirm;
  const bool under_way = rival == SessionState::kConnect && own == SessionState::kEstablished;
  if (planned || under_way) run(other(slot), Stop{}, now, actions);
}

// RFC 4271 section 6.8, at the OPEN that arrived on `slot`. Where the other connection loses it is dumped
// here.
bool PeerFsm::loses_collision(Slot slot, const OpenMessage& open, TimePoint now, PeerActions& actions) {
  if (state(slot) != SessionState::kOpenSent) return false;
  const SessionFsm& rival = fsm(other(slot));
  const bool confirmed = rival.state() == SessionState::kOpenConfirm;
  const bool established = rival.state() == SessionState::kEstablished;
  if (!confirmed && !established) return false;
  // An OPEN that is refused anyway takes no other connection with it.
  if (!negotiate_session(settings_, open)) return false;
  if (established && fsm(slot).began_at() > *rival.established_at()) return true;
  const Slot survivor =
      surviving_connection({settings_.open.router_id, settings_.open.as}, {open.router_id, open.as});
  if (survivor != slot) return true;
  run(other(slot), OpenCollisionDump{}, now, actions);
  return false;
}

void PeerFsm::on_end(const SessionEnd& end, std::optional<TimePoint> established_at, TimePoint now) {
  const bool stable = established_at && now - *established_at >= kStableSession;
  if (stable) failures_ = 0;
  connect_delay_ = {};
  // Established for a moment only, perhaps again and again, is no better than not connected at all.
  const bool brief = !established_at || now - *established_at < settings_.connect_retry;
  if (is_failure(end)) {
    ++failures_;
    hold_off_ = now + jitter_.apply(hold_off_time(failures_));
  } else if (received(end, kCollisionResolution)) {
    connect_delay_ = jitter_.apply(kFirstHoldOff);
  } else if (end.cause == EndCause::kConnectFailed || received(end, kConnectionRejected) ||
             (end.cause == EndCause::kConnectionLost && brief)) {
    connect_delay_ = jitter_.apply(settings_.connect_retry);
  }
}

bool PeerFsm::may_connect() const {
  return started_ && !passive_ && state(Slot::kOutgoing) == SessionState::kIdle &&
         state(Slot::kIncoming) < SessionState::kOpenConfirm;
}

void PeerFsm::plan_connect(TimePoint now) {
  if (!may_connect()) {
    connect_at_.reset();
    return;
  }
  if (connect_at_) return;
  connect_at_ = now + connect_delay_;
  if (hold_off_) connect_at_ = std::max(*connect_at_, *hold_off_);
  connect_delay_ = {};
}

PeerActions PeerFsm::expire(TimePoint now) {
  PeerActions actions;
  // One expiry can make another one due, as when a session dies and is tried again at once.
  for (auto next = next_deadline(); next && *next <= now; next = next_deadline()) {
    if (connect_at_ && *connect_at_ <= now) {
      connect_at_.reset();
      run(Slot::kOutgoing, Start{}, now, actions);
    }
    for (Slot slot : kAllSlots) {
      if (const auto event = fsm(slot).due(now)) run(slot, *event, now, actions);
    }
  }
  return actions;
}

std::optional<TimePoint> PeerFsm::next_deadline() const {
  std::optional<TimePoint> next = connect_at_;
  for (const SessionFsm& slot : slots_) {
    const auto deadline = slot.next_deadline();
    if (deadline && (!next || *deadline < *next)) next = deadline;
  }
  return next;
}

void PeerFsm::set_settings(SessionSettings settings) {
  settings_ = std::move(settings);
  for (SessionFsm& slot : slots_) slot.set_settings(settings_);
}

SessionState PeerFsm::state() const {
  const SessionState furthest = std::max(state(Slot::kOutgoing), state(Slot::kIncoming));
  return furthest == SessionState::kIdle && started_ && passive_ ? SessionState::kActive : furthest;
}

const NegotiatedSession* PeerFsm::session() const {
  const SessionFsm* best = nullptr;
  for (const SessionFsm& slot : slots_) {
    if (slot.session() && (best == nullptr || slot.state() > best->state())) best = &slot;
  }
  return best == nullptr ? nullptr : &*best->session();
}

}  // namespace towpath::bgp
