#include "bgp/fsm/session_fsm.h"

#include <algorithm>
#include <array>
#include <utility>

#include "bgp/wire/decode.h"

namespace towpath::bgp {
namespace {

// RFC 5492 section 5: the capabilities that were missing, encoded as in the OPEN.
std::vector<std::byte> missing_multiprotocol(const Capabilities& ours) {
  std::vector<std::byte> data;
  for (Family family : kAllFamilies) {
    if (!ours.multiprotocol[index(family)]) continue;
    const unsigned afi_value = static_cast<std::uint16_t>(afi(family));
    const unsigned safi_value = static_cast<std::uint8_t>(safi(family));
    for (unsigned octet : {unsigned{static_cast<std::uint8_t>(CapabilityCode::kMultiprotocol)}, 4U,
                           afi_value >> 8, afi_value & 0xFF, 0U, safi_value}) {
      data.push_back(static_cast<std::byte>(octet));
    }
  }
  return data;
}

// The message behind an event, for the data of an FSM error; nothing for events that are no messages.
std::optional<MessageType> message_type(EventKind kind) {
  switch (kind) {
    case EventKind::kOpenReceived: return MessageType::kOpen;
    case EventKind::kKeepaliveReceived: return MessageType::kKeepalive;
    case EventKind::kUpdateReceived: return MessageType::kUpdate;
    case EventKind::kRouteRefreshReceived: return MessageType::kRouteRefresh;
    default: return std::nullopt;
  }
}

// RFC 4724 section 4.2: a peer that announced graceful restart for any family, and whose connection went away
// without a NOTIFICATION from either side, is taken to be restarting. RFC 8538 section 4: between speakers
// that agreed on it a NOTIFICATION makes no difference, unless it is a Hard Reset.
RouteFate fate_of_routes(const NegotiatedSession& session, const SessionEnd& end) {
  if (!session.graceful_restart) return RouteFate::kFlush;
  const bool keeps_state = std::ranges::any_of(session.graceful_restart->families,
                                               [](const auto& family) { return family.has_value(); });
  if (!keeps_state) return RouteFate::kFlush;
  if (end.cause == EndCause::kConnectionLost || end.cause == EndCause::kSuperseded)
    return RouteFate::kKeepStale;
  // Ended by us without a word: the owner goes away, and its routes with it.
  if (!end.notification) return RouteFate::kFlush;
  const bool kept = session.keeps_routes_over_notification && end.notification->code != kHardReset;
  return kept ? RouteFate::kKeepStale : RouteFate::kFlush;
}

SessionEnd because(EndCause cause, std::optional<NotificationMessage> notification = {},
                   std::string reason = {}) {
  return {cause, std::move(notification), std::move(reason)};
}

}  // namespace

std::expected<NegotiatedSession, DecodeError> negotiate_session(const SessionSettings& settings,
                                                                const OpenMessage& received) {
  const OpenMessage& sent = settings.open;
  const auto refuse = [](NotificationCode code, std::vector<std::byte> data, std::string reason) {
    return std::unexpected(DecodeError{Disposition::kReset, code, std::move(data), std::move(reason)});
  };
  const OpenExpectation expected{sent.as, sent.router_id, settings.peer_as, sent.capabilities.role,
                                 settings.role_required};
  if (auto checked = check_open(received, expected); !checked) {
    return std::unexpected(checked.error());
  }
  if (received.hold_time == 1 || received.hold_time == 2) {
    return refuse(kUnacceptableHoldTime, {}, "hold time of 1 or 2 seconds (RFC 4271 section 6.2)");
  }
  NegotiatedSession session;
  session.parameters = negotiate(sent, received);
  if (std::ranges::none_of(kAllFamilies,
                           [&](Family family) { return session.parameters.of(family).enabled; })) {
    return refuse(kUnsupportedCapability, missing_multiprotocol(sent.capabilities),
                  "no address family in common (RFC 5492 section 5)");
  }
  session.peer_as = received.as;
  session.peer_id = received.router_id;
  session.hold_time = std::chrono::seconds(std::min(sent.hold_time, received.hold_time));
  session.route_refresh = received.capabilities.route_refresh;
  session.enhanced_route_refresh =
      sent.capabilities.enhanced_route_refresh && received.capabilities.enhanced_route_refresh;
  const auto& own_restart = sent.capabilities.graceful_restart;
  session.graceful_restart = received.capabilities.graceful_restart;
  session.keeps_routes_over_notification = own_restart && own_restart->notification &&
                                           session.graceful_restart && session.graceful_restart->notification;
  // RFC 9494 section 4.1: means nothing without graceful restart.
  if (session.graceful_restart) {
    session.long_lived_graceful_restart = received.capabilities.long_lived_graceful_restart;
  }
  return session;
}

SessionFsm::SessionFsm(SessionSettings settings, std::uint64_t jitter_seed)
    : settings_(std::move(settings)), jitter_(jitter_seed) {}

// RFC 4271 section 8.2.2, state by state. "Any other event" is the RFC's own phrase; the numbers are its
// events.
SessionActions SessionFsm::step(const SessionEvent& event, TimePoint now) {
  SessionActions actions;
  const EventKind kind = kind_of(event);
  switch (state_) {
    case SessionState::kIdle:
      switch (kind) {
        case EventKind::kStart:  // 1, 3
          passive_ = false;
          connect(now, actions);
          break;
        case EventKind::kStartPassive:  // 4, 5
          passive_ = true;
          state_ = SessionState::kActive;
          break;
        default: break;  // any other event: no change
      }
      break;

    case SessionState::kConnect:
      switch (kind) {
        case EventKind::kStart:
        case EventKind::kStartPassive: break;
        case EventKind::kStop:  // 2; a NOTIFICATION needs a connection
          end(because(EndCause::kStopped), actions);
          break;
        case EventKind::kConnectRetryTimerExpires:  // 9: drop this attempt and make another one
          actions.push_back(Disconnect{because(EndCause::kConnectFailed, {}, "no answer")});
          connect(now, actions);
          break;
        case EventKind::kTcpConnected:  // 16, 17
          send_open(now, actions);
          break;
        default:  // 18, and any other event
          end(because(EndCause::kConnectFailed), actions);
          break;
      }
      break;

    case SessionState::kActive:
      switch (kind) {
        case EventKind::kStart:
        case EventKind::kStartPassive: break;
        case EventKind::kStop:  // 2
          end(because(EndCause::kStopped), actions);
          break;
        case EventKind::kConnectRetryTimerExpires:  // 9
          connect(now, actions);
          break;
        case EventKind::kTcpConnected:  // 16, 17
          began_at_ = now;
          send_open(now, actions);
          break;
        default:  // 18, and any other event
          end(because(EndCause::kConnectFailed), actions);
          break;
      }
      break;

    case SessionState::kOpenSent:
      switch (kind) {
        case EventKind::kStart:
        case EventKind::kStartPassive: break;
        case EventKind::kStop:  // 2, 8
          end(because(EndCause::kStopped, std::get<Stop>(event).notification), actions);
          break;
        case EventKind::kHoldTimerExpires:  // 10
          end(because(EndCause::kHoldTimeExpired, NotificationMessage{kHoldTimerExpired, {}}, "no OPEN came"),
              actions);
          break;
        case EventKind::kTcpConnectionFails:  // 18: not back to Idle, but wait and connect again
          actions.push_back(
              Disconnect{because(EndCause::kConnectionLost, {}, "before the OPEN of the peer")});
          clear_timers();
          if (!passive_) connect_retry_timer_ = now + jitter_.apply(settings_.connect_retry);
          state_ = SessionState::kActive;
          break;
        case EventKind::kOpenReceived:  // 19
          on_open(std::get<OpenReceived>(event).open, now, actions);
          break;
        case EventKind::kMessageError:  // 21, 22, 28
          on_message_error(std::get<MessageError>(event).error, actions);
          break;
        case EventKind::kOpenCollisionDump:  // 23
          end(because(EndCause::kCollision, NotificationMessage{kCollisionResolution, {}}), actions);
          break;
        case EventKind::kSuperseded: end(because(EndCause::kSuperseded), actions); break;
        case EventKind::kNotificationReceived:  // 24, 25
          end(because(EndCause::kNotificationReceived, std::get<NotificationReceived>(event).notification),
              actions);
          break;
        default:  // any other event: 9, 11, 26, 27
          unexpected(kind, actions);
          break;
      }
      break;

    case SessionState::kOpenConfirm:
      switch (kind) {
        case EventKind::kStart:
        case EventKind::kStartPassive: break;
        case EventKind::kStop:  // 2, 8
          end(because(EndCause::kStopped, std::get<Stop>(event).notification), actions);
          break;
        case EventKind::kHoldTimerExpires:  // 10
          end(because(EndCause::kHoldTimeExpired, NotificationMessage{kHoldTimerExpired, {}}), actions);
          break;
        case EventKind::kKeepaliveTimerExpires:  // 11
          actions.push_back(SendKeepalive{});
          restart_keepalive_timer(now);
          break;
        case EventKind::kTcpConnectionFails:  // 18
          end(because(EndCause::kConnectionLost), actions);
          break;
        case EventKind::kMessageError:  // 21, 22, 28
          on_message_error(std::get<MessageError>(event).error, actions);
          break;
        case EventKind::kOpenCollisionDump:  // 23
          end(because(EndCause::kCollision, NotificationMessage{kCollisionResolution, {}}), actions);
          break;
        case EventKind::kSuperseded: end(because(EndCause::kSuperseded), actions); break;
        case EventKind::kNotificationReceived:  // 24, 25
          end(because(EndCause::kNotificationReceived, std::get<NotificationReceived>(event).notification),
              actions);
          break;
        case EventKind::kKeepaliveReceived:  // 26
          restart_hold_timer(now);
          restart_send_hold_timer(now);
          established_at_ = now;
          state_ = SessionState::kEstablished;
          actions.push_back(SessionUp{*session_});
          break;
        default:  // any other event: 9, 16, 17, 19, 27
          unexpected(kind, actions);
          break;
      }
      break;

    case SessionState::kEstablished:
      switch (kind) {
        case EventKind::kStart:
        case EventKind::kStartPassive: break;
        case EventKind::kStop:  // 2, 8
          end(because(EndCause::kStopped, std::get<Stop>(event).notification, std::get<Stop>(event).reason),
              actions);
          break;
        case EventKind::kHoldTimerExpires:  // 10
          end(because(EndCause::kHoldTimeExpired, NotificationMessage{kHoldTimerExpired, {}}), actions);
          break;
        case EventKind::kKeepaliveTimerExpires:  // 11
          actions.push_back(SendKeepalive{});
          restart_keepalive_timer(now);
          break;
        case EventKind::kTcpConnectionFails:  // 18
          end(because(EndCause::kConnectionLost), actions);
          break;
        case EventKind::kMessageError:  // 21, 22, 28
          on_message_error(std::get<MessageError>(event).error, actions);
          break;
        case EventKind::kOpenCollisionDump:  // 23
          end(because(EndCause::kCollision, NotificationMessage{kCollisionResolution, {}}), actions);
          break;
        case EventKind::kSendHoldTimerExpires:  // 29; it may not get through any more
          end(because(EndCause::kSendHoldTimeExpired, NotificationMessage{kSendHoldTimerExpired, {}}),
              actions);
          break;
        case EventKind::kSuperseded:  // RFC 4724 section 4.2: no NOTIFICATION
          end(because(EndCause::kSuperseded), actions);
          break;
        case EventKind::kNotificationReceived:  // 24, 25
          end(because(EndCause::kNotificationReceived, std::get<NotificationReceived>(event).notification),
              actions);
          break;
        case EventKind::kKeepaliveReceived:  // 26
          restart_hold_timer(now);
          break;
        case EventKind::kUpdateReceived:        // 27
        case EventKind::kRouteRefreshReceived:  // shows that the peer lives, just as an UPDATE does
          restart_hold_timer(now);
          actions.push_back(DeliverMessage{});
          break;
        default:  // any other event: 9, 16, 17, 19
          unexpected(kind, actions);
          break;
      }
      break;
  }
  return actions;
}

void SessionFsm::connect(TimePoint now, SessionActions& actions) {
  connect_retry_timer_ = now + jitter_.apply(settings_.connect_retry);
  began_at_ = now;
  state_ = SessionState::kConnect;
  actions.push_back(Connect{});
}

void SessionFsm::send_open(TimePoint now, SessionActions& actions) {
  clear_timers();
  hold_timer_ = now + kLargeHoldTime;
  state_ = SessionState::kOpenSent;
  actions.push_back(SendOpen{settings_.open});
}

void SessionFsm::on_open(const OpenMessage& open, TimePoint now, SessionActions& actions) {
  auto negotiated = negotiate_session(settings_, open);
  if (!negotiated) return on_message_error(negotiated.error(), actions);
  session_ = *std::move(negotiated);
  clear_timers();
  restart_hold_timer(now);
  restart_keepalive_timer(now);
  state_ = SessionState::kOpenConfirm;
  actions.push_back(SendKeepalive{});
}

void SessionFsm::on_message_error(const DecodeError& error, SessionActions& actions) {
  // A damaged message of a kind that has no place in this state counts as that message: Event 28 before
  // Established and Event 22 in it are "any other event".
  const bool established = state_ == SessionState::kEstablished;
  if (error.code.code == kOpenMessageError && established)
    return unexpected(EventKind::kOpenReceived, actions);
  if (error.code.code == kUpdateMessageError && !established)
    return unexpected(EventKind::kUpdateReceived, actions);
  if (error.code.code == kRouteRefreshError && !established) {
    return unexpected(EventKind::kRouteRefreshReceived, actions);
  }
  end(because(EndCause::kProtocolError, error.notification(), error.reason), actions);
}

void SessionFsm::unexpected(EventKind kind, SessionActions& actions) {
  NotificationMessage notification{kFsmUnspecific, {}};
  if (const auto type = message_type(kind)) {
    notification.code = state_ == SessionState::kOpenSent      ? kUnexpectedInOpenSent
                        : state_ == SessionState::kOpenConfirm ? kUnexpectedInOpenConfirm
                                                               : kUnexpectedInEstablished;
    notification.data.push_back(static_cast<std::byte>(*type));
  }
  std::string reason =
      std::string(format(kind)) + " in state " + std::string(format(state_)) + " (RFC 4271 section 8)";
  end(because(EndCause::kProtocolError, std::move(notification), std::move(reason)), actions);
}

void SessionFsm::end(SessionEnd end, SessionActions& actions) {
  const bool established = state_ == SessionState::kEstablished;
  if (end.notification && end.cause != EndCause::kNotificationReceived) {
    const bool hard = established && session_->keeps_routes_over_notification &&
                      calls_for_hard_reset(end.notification->code);
    if (hard) end.notification = hard_reset(*end.notification);
    actions.push_back(SendNotification{*end.notification});
  }
  const RouteFate fate = established ? fate_of_routes(*session_, end) : RouteFate::kFlush;
  actions.push_back(Disconnect{std::move(end)});
  if (established) actions.push_back(SessionDown{fate});
  clear_timers();
  session_.reset();
  established_at_.reset();
  state_ = SessionState::kIdle;
}

void SessionFsm::heard(TimePoint when) {
  if (session_ && hold_timer_ && *hold_timer_ < when + session_->hold_time) restart_hold_timer(when);
}

void SessionFsm::sent(TimePoint when) {
  if (state_ != SessionState::kEstablished) return;
  if (!send_hold_timer_ || *send_hold_timer_ != when + settings_.send_hold_time)
    restart_send_hold_timer(when);
}

void SessionFsm::restart_hold_timer(TimePoint now) {
  if (session_->hold_time.count() != 0) hold_timer_ = now + session_->hold_time;
}

void SessionFsm::restart_keepalive_timer(TimePoint now) {
  if (session_->hold_time.count() != 0) keepalive_timer_ = now + jitter_.apply(session_->keepalive_time());
}

// RFC 9687 section 4: not where there are no keepalives either.
void SessionFsm::restart_send_hold_timer(TimePoint now) {
  const bool none = session_->hold_time.count() == 0 || settings_.send_hold_time.count() == 0;
  send_hold_timer_ = none ? std::nullopt : std::optional(now + settings_.send_hold_time);
}

void SessionFsm::clear_timers() {
  connect_retry_timer_.reset();
  hold_timer_.reset();
  keepalive_timer_.reset();
  send_hold_timer_.reset();
}

std::optional<SessionEvent> SessionFsm::due(TimePoint now) const {
  const auto next = next_deadline();
  if (!next || *next > now) return std::nullopt;
  // The hold timer first: a keepalive for a peer that is gone helps nobody.
  if (hold_timer_ == next) return HoldTimerExpires{};
  if (send_hold_timer_ == next) return SendHoldTimerExpires{};
  if (keepalive_timer_ == next) return KeepaliveTimerExpires{};
  return ConnectRetryTimerExpires{};
}

std::optional<TimePoint> SessionFsm::next_deadline() const {
  std::optional<TimePoint> next;
  for (const auto& timer : {connect_retry_timer_, hold_timer_, keepalive_timer_, send_hold_timer_}) {
    if (timer && (!next || *timer < *next)) next = timer;
  }
  return next;
}

}  // namespace towpath::bgp
