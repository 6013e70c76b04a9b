#include "bgp/session/peer.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "bgp/session/interface_address.h"
#include "bgp/wire/decode.h"
#include "bgp/wire/encode.h"
#include "towpath/base/check.h"

namespace towpath::bgp {
namespace {

// With this much waiting for the socket a further KEEPALIVE tells the peer nothing new.
constexpr std::size_t kQueuedKeepalives = 4096;
// Of the octets of a wrong attribute that are shown.
constexpr std::size_t kShownOctets = 32;
// How long a peer that is back has for its End-of-RIB, unless it asked for more time itself.
constexpr std::chrono::seconds kEndOfRibTime{120};
// How long a peer may take from BoRR to EoRR.
constexpr std::chrono::minutes kRefreshTime{5};
constexpr unsigned kMessagesPerLookAtClock = 16;

TimePoint steady_now() {
  return std::chrono::steady_clock::now();
}

std::uint64_t random_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

bool any(const std::array<bool, kFamilyCount>& flags) {
  return std::ranges::find(flags, true) != flags.end();
}

std::string hex(std::span<const std::byte> octets) {
  std::string text;
  for (std::byte octet : octets.first(std::min(octets.size(), kShownOctets))) {
    text += fmt::format("{:02x}", std::to_integer<unsigned>(octet));
  }
  if (octets.size() > kShownOctets) text += fmt::format("... ({} octets)", octets.size());
  return text;
}

}  // namespace

Peer::Peer(PeerContext& context, const LocalSpeaker& local, PeerConfig config)
    : context_(context),
      local_(local),
      config_(std::move(config)),
      fsm_(session_settings(local_, config_, context.restart), config_.passive, random_seed()),
      id_(context.rib.add_peer({config_.address,
                                peer_kind(local_, config_),
                                {},
                                config_.import_policy,
                                config_.authorisation,
                                rib_role()})),
      timer_(context.executor),
      restart_timer_(context.executor),
      refresh_timer_(context.executor),
      since_(steady_now()) {}

Peer::~Peer() {
  for (auto& connection : connections_) {
    if (connection != nullptr) connection->close();
  }
}

void Peer::start() {
  active_ = true;
  if (config_.shutdown) {
    last_error_ = "shut down by configuration";
    if (!config_.shutdown->empty()) last_error_ += ": " + *config_.shutdown;
    return;
  }
  if (drained()) {
    say_drained();
    return;
  }
  if (kept_down()) {
    last_error_ = "no MD5 key: " + config_.md5->problem;
    context_.observer.session_ended(config_.name, last_error_);
    return;
  }
  carry_out(fsm_.start(steady_now()));
}

void Peer::remove(const std::optional<NotificationMessage>& notification) {
  carry_out(fsm_.stop(notification, steady_now()));
  active_ = false;
  timer_.cancel();
  restart_timer_.cancel();
  refresh_timer_.cancel();
  context_.rib.remove_peer(id_);
  context_.schedule();
}

void Peer::abandon(const std::optional<NotificationMessage>& notification) {
  active_ = false;
  carry_out(fsm_.stop(notification, steady_now()));
  timer_.cancel();
  restart_timer_.cancel();
  refresh_timer_.cancel();
}

void Peer::update(const PeerConfig& config) {
  const bool new_limits = config.maximum_prefixes != config_.maximum_prefixes;
  const bool new_key = config.md5 && config.md5->secret != config_.md5->secret;
  config_ = config;
  for (const auto& connection : connections_) {
    if (new_key && config.md5_rekey == Md5Rekey::kLive && connection != nullptr) {
      connection->change_md5_key(config.md5->secret);
    }
  }
  refresh_settings();
  if (new_limits && over_limit_ && !drained()) carry_out(fsm_.start(steady_now()));
  if (new_limits) keep_to_limits();
  on_timer();  // other times may be due at once
  set_import_policy();
  context_.schedule();
  if (!up_) return;
  change_output();
}

void Peer::say_drained() {
  last_error_ = "this host is drained";
  if (!context_.drain_reason.empty()) last_error_ += ": " + context_.drain_reason;
}

void Peer::drain_changed(Drain before) {
  if (drained()) {
    const NotificationMessage farewell{kAdministrativeShutdown,
                                       shutdown_communication(context_.drain_reason)};
    carry_out(fsm_.stop(farewell, steady_now()));
    if (!config_.shutdown) say_drained();
  } else if (before == Drain::kClosed) {
    start();
  } else if (up_) {
    change_output();
  }
}

bool Peer::told() const {
  return !up_ || (!context_.rib.has_output(id_) && connections_[index(*up_)]->all_sent());
}

void Peer::path_lost(bool control_plane_independent) {
  if (up_) return step(*up_, Stop{NotificationMessage{kBfdDown, {}}}, steady_now());
  if (!control_plane_independent) return;
  for (Family family : kAllFamilies) {
    if (stale_[index(family)]) sweep(family);
  }
}

std::optional<NotificationMessage> Peer::accept(boost::asio::ip::tcp::socket& socket) {
  const TimePoint now = steady_now();
  refresh_settings();
  const IncomingVerdict verdict = fsm_.accept(now);
  if (!verdict.accepted) return verdict.refusal;
  perform(verdict.actions);
  auto connection = std::make_shared<Connection>(context_.executor, Slot::kIncoming, this);
  connections_[index(Slot::kIncoming)] = connection;
  connection->take(std::move(socket), segment_options());
  step(Slot::kIncoming, TcpConnected{}, now);
  return std::nullopt;
}

// --- from the connections

void Peer::on_connected(Slot slot) {
  step(slot, TcpConnected{}, steady_now());
}

void Peer::on_closed(Slot slot, const std::string& reason) {
  io_reasons_[index(slot)] = reason;
  step(slot, TcpConnectionFails{}, steady_now());
  io_reasons_[index(slot)].clear();
}

bool Peer::on_input(Slot slot) {
  const std::shared_ptr<Connection> connection = connections_[index(slot)];
  const TimePoint until = steady_now() + kSlice;
  // Whatever a message leads to may end the connection; it then is no longer in its slot.
  for (unsigned count = 1; connections_[index(slot)] == connection; ++count) {
    const auto next = connection->framer().next();
    if (!next) {
      step(slot, MessageError{next.error()}, connection->received_at());
      return true;
    }
    if (!*next) return true;
    on_message(slot, **next, connection->received_at());
    if (count % kMessagesPerLookAtClock == 0 && steady_now() >= until) return false;
  }
  return true;
}

bool Peer::pull_output(Slot slot, std::size_t max_bytes, std::vector<OutputSlice>& out) {
  return up_ == slot && context_.rib.pull(id_, max_bytes, out);
}

void Peer::on_message(Slot slot, const FramedMessage& message, TimePoint now) {
  ++messages_received_;
  switch (message.type) {
    case MessageType::kOpen: {
      auto open = decode_open(message.body());
      step(slot, open ? SessionEvent(OpenReceived{*std::move(open)}) : MessageError{std::move(open).error()},
           now);
      return;
    }
    case MessageType::kUpdate: return on_update(slot, message, now);
    case MessageType::kNotification: {
      auto notification = decode_notification(message.body());
      step(slot,
           notification ? SessionEvent(NotificationReceived{*std::move(notification)})
                        : MessageError{std::move(notification).error()},
           now);
      return;
    }
    case MessageType::kKeepalive: return step(slot, KeepaliveReceived{}, now);
    case MessageType::kRouteRefresh: return on_refresh(slot, message, now);
  }
}

void Peer::on_update(Slot slot, const FramedMessage& message, TimePoint now) {
  // Before Established there is nothing to read it by, and the state machine does not want it.
  if (up_ == slot) {
    if (auto status = decode_update(message.body(), session_.parameters, update_); !status) {
      return step(slot, MessageError{std::move(status).error()}, now);
    }
  }
  message_time_ = now;
  refresh_.reset();
  step(slot, UpdateReceived{}, now);
}

void Peer::on_refresh(Slot slot, const FramedMessage& message, TimePoint now) {
  auto refresh = decode_route_refresh(message);
  if (!refresh) return step(slot, MessageError{std::move(refresh).error()}, now);
  refresh_ = *refresh;
  step(slot, RouteRefreshReceived{}, now);
}

void Peer::step(Slot slot, const SessionEvent& event, TimePoint now) {
  carry_out(fsm_.step(slot, event, now));
}

// --- the actions of the state machine

void Peer::carry_out(const PeerActions& actions) {
  perform(actions);
  arm_timer();
  report_state();
}

void Peer::perform(const PeerActions& actions) {
  for (const PeerAction& each : actions) {
    std::visit([&](const auto& action) { carry_out(each.slot, action); }, each.action);
  }
}

void Peer::carry_out(Slot slot, const Connect&) {
  refresh_settings();
  auto connection = std::make_shared<Connection>(context_.executor, slot, this);
  connections_[index(slot)] = connection;
  connection->connect({config_.address, config_.port, config_.local_address, segment_options()});
}

SegmentOptions Peer::segment_options() const {
  return {hop_limits(local_, config_), config_.md5 ? config_.md5->secret : std::string()};
}

void Peer::carry_out(Slot slot, const Disconnect& action) {
  if (const auto connection = std::exchange(connections_[index(slot)], nullptr)) {
    messages_sent_before_ += connection->messages_sent();
    const bool told = action.end.notification && action.end.cause != EndCause::kNotificationReceived;
    told ? connection->finish() : connection->close();
  }
  report_end(slot, action.end);
}

void Peer::carry_out(Slot slot, const SendOpen& action) {
  send(slot, action.open);
}

void Peer::carry_out(Slot slot, const SendKeepalive&) {
  const auto& connection = connections_[index(slot)];
  if (connection != nullptr && connection->queued() < kQueuedKeepalives) send(slot, KeepaliveMessage{});
}

void Peer::carry_out(Slot slot, const SendNotification& action) {
  send(slot, action.notification);
}

void Peer::carry_out(Slot slot, const SessionUp& action) {
  over_limit_ = false;
  up_ = slot;
  session_ = action.session;
  ++established_count_;
  connections_[index(slot)]->framer().set_max_length(session_.parameters.max_receive);
  for (Family family : kAllFamilies) {
    awaits_end_of_rib_[index(family)] = session_.parameters.of(family).enabled;
  }
  settle_stale_routes(session_);
  context_.rib.set_peer_identity(id_, session_.peer_id, session_.peer_as);
  set_import_policy();
  open_output();
}

void Peer::carry_out(Slot, const SessionDown& action) {
  up_.reset();
  in_sync_ = sync_pending_ = false;
  refreshing_ = {};
  refresh_timer_.cancel();
  context_.rib.close_output(id_);
  keep_or_flush(action.fate);
  context_.schedule();
}

void Peer::carry_out(Slot, const DeliverMessage&) {
  refresh_ ? deliver_refresh() : deliver_update();
}

void Peer::deliver_refresh() {
  const auto family = refresh_->family();
  if (!family || !session_.parameters.of(*family).enabled) return;
  const auto subtype = static_cast<RouteRefreshSubtype>(refresh_->subtype);
  if (subtype == RouteRefreshSubtype::kRequest) {
    context_.rib.refresh_output(id_, *family, session_.enhanced_route_refresh);
    return wake_output();
  }
  // RFC 7313 section 5: what was not agreed on, and subtypes that nobody knows, are ignored.
  if (!session_.enhanced_route_refresh) return;
  if (subtype == RouteRefreshSubtype::kBegin) on_refresh_begin(*family);
  if (subtype == RouteRefreshSubtype::kEnd) on_refresh_end(*family);
}

void Peer::send(Slot slot, const Message& message) {
  const auto& connection = connections_[index(slot)];
  if (connection == nullptr) return;
  scratch_.clear();
  // What an earlier session agreed on says nothing about a new connection.
  const SessionParameters parameters = up_ == slot ? session_.parameters : SessionParameters{};
  // An OPEN of ours always fits: it has a dozen short capabilities.
  TOWPATH_CHECK(encode(message, parameters, scratch_).has_value());
  connection->send(scratch_);
}

void Peer::deliver_update() {
  if (!update_.problems.empty()) report_problems();
  if (update_.end_of_rib) return on_end_of_rib(*update_.end_of_rib);
  if (update_.announces()) complete(update_.attributes);
  ask_for_next_hops();
  if (const std::size_t not_taken = context_.rib.apply(id_, update_, message_time_); not_taken != 0) {
    report_problem(fmt::format("routes not taken: {}; a peer may have {} paths of a prefix", not_taken,
                               Rib::kMaxPathsOfPeer));
  }
  context_.schedule();
  keep_to_limits();
}

void Peer::ask_for_next_hops() {
  for (const Reach& part : update_.reach) {
    const IpAddress& hop = part.next_hop.address;
    if (part.nlri.empty() || context_.rib.knows_next_hop(hop)) continue;
    context_.rib.set_next_hop(hop, context_.observer.next_hop_state(hop));
  }
}

// What this end adds to the attributes of the peer before they are looked at.
void Peer::complete(PathAttributes& attributes) const {
  if (config_.local_as && !config_.local_as->no_prepend) {
    attributes.as_path.prepend(config_.local_as->as);  // RFC 7705 section 3
  }
  // RFC 9234 section 5, for a peer that does not mark its routes itself.
  if (rib_role() && is_served_by_peer(*rib_role()) && !attributes.only_to_customer) {
    attributes.only_to_customer = peer_as();
  }
}

void Peer::keep_to_limits() {
  const MaximumPrefixes& maximum = config_.maximum_prefixes;
  for (Family family : kAllFamilies) {
    const std::uint32_t limit = maximum.limits[index(family)];
    if (limit == 0 || !up_) continue;
    const PeerCounters counters = context_.rib.counters(id_, family);
    // What is stale it may just be about to replace by others.
    if (counters.received - counters.stale <= limit) continue;
    over_limit_ = true;
    const auto pause = maximum.restart.count() == 0 ? std::nullopt : std::optional(maximum.restart);
    const std::string reason = fmt::format("more than {} {} prefixes", limit, format(family));
    carry_out(fsm_.hold_off({maximum_prefixes_reached(family, limit), reason}, pause, steady_now()));
  }
}

void Peer::set_import_policy() {
  context_.rib.set_import_policy(id_, config_.import_policy, config_.authorisation,
                                 path_start(local_, config_, session_.peer_as));
}

std::optional<Role> Peer::rib_role() const {
  return peer_kind(local_, config_) == PeerKind::kExternal ? config_.role : std::nullopt;
}

void Peer::on_end_of_rib(Family family) {
  if (stale_[index(family)]) sweep(family);
  if (!std::exchange(awaits_end_of_rib_[index(family)], false)) return;
  if (any(awaits_end_of_rib_)) return;
  sync_pending_ = true;
  context_.schedule();
}

void Peer::on_refresh_begin(Family family) {
  // RFC 7313 section 4: none may come before the End-of-RIB, which is still to settle what is stale.
  const bool initial = session_.graceful_restart && awaits_end_of_rib_[index(family)];
  if (initial || stale_[index(family)]) return;
  context_.rib.mark_stale(id_, family);
  refreshing_[index(family)] = true;
  refresh_timer_.expires_after(kRefreshTime);
  refresh_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || self == nullptr || !self->active_) return;
    for (Family each : kAllFamilies) self->on_refresh_end(each);
  });
}

void Peer::on_refresh_end(Family family) {
  if (!std::exchange(refreshing_[index(family)], false)) return;
  context_.rib.sweep_stale(id_, family);
  if (!any(refreshing_)) refresh_timer_.cancel();
  context_.schedule();
}

bool Peer::is_awaited(bool patient) const {
  if (ever_in_sync()) return false;
  // RFC 4724 section 4.1 excludes who restarts himself, and would wait for us, and who will send no
  // End-of-RIB; but even those get the time that others have to come.
  if (!up_ || !session_.graceful_restart) return patient;
  return !session_.graceful_restart->restarting;
}

void Peer::confirm_sync() {
  if (!std::exchange(sync_pending_, false)) return;
  in_sync_ = ever_in_sync_ = true;
  context_.observer.peer_in_sync(config_.name);
}

// --- routes of a session that is over

void Peer::keep_or_flush(RouteFate fate) {
  for (Family family : kAllFamilies) {
    if (!session_.parameters.of(family).enabled) continue;
    const auto& restart = session_.graceful_restart;
    if (fate == RouteFate::kKeepStale && restart && restart->families[index(family)]) {
      if (!has_stale()) {
        const std::chrono::seconds time = restart->restart_time;
        stale_until_ = std::chrono::steady_clock::now() + time + std::max(time, kEndOfRibTime);
      }
      context_.rib.mark_stale(id_, family);
      stale_[index(family)] = true;
    } else {
      context_.rib.clear_peer(id_, family);
      stale_[index(family)] = false;
    }
  }
  if (has_stale()) arm_restart_timer(session_.graceful_restart->restart_time);
}

// RFC 4724 section 4.2: a peer that is back, but without the family or its forwarding state, has lost these
// routes.
void Peer::settle_stale_routes(const NegotiatedSession& session) {
  for (Family family : kAllFamilies) {
    if (!stale_[index(family)]) continue;
    const auto& restart = session.graceful_restart;
    const bool preserved = restart && restart->families[index(family)] &&
                           restart->families[index(family)]->forwarding_preserved &&
                           session.parameters.of(family).enabled;
    if (!preserved) sweep(family);
  }
  // From now on its End-of-RIB is waited for, no longer than it had for its restart.
  if (has_stale()) arm_restart_timer(std::max(session.graceful_restart->restart_time, kEndOfRibTime));
}

void Peer::sweep(Family family) {
  stale_[index(family)] = false;
  context_.rib.sweep_stale(id_, family);
  if (!has_stale()) restart_timer_.cancel();
  context_.schedule();
}

bool Peer::has_stale() const {
  return any(stale_);
}

void Peer::arm_restart_timer(std::chrono::seconds time) {
  restart_timer_.expires_at(std::min(std::chrono::steady_clock::now() + time, stale_until_));
  restart_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || self == nullptr || !self->active_) return;
    for (Family family : kAllFamilies) {
      if (self->stale_[index(family)]) self->sweep(family);
    }
  });
}

// --- what the peer is told

void Peer::open_output() {
  const ExportTarget target = export_target();
  note_next_hops(target);
  next_hops_unchecked_ = true;
  context_.rib.open_output(id_, target);
  wake_output();
}

void Peer::change_output() {
  const ExportTarget target = export_target();
  note_next_hops(target);
  context_.rib.change_output(id_, target);
  wake_output();
}

void Peer::note_next_hops(const ExportTarget& target) {
  lacks_next_hop_ = std::ranges::any_of(kAllFamilies, [&target](Family family) {
    const auto& hop = target.next_hop_self[index(family)];
    return target.session.of(family).enabled && (!hop || hop->address.is_link_local());
  });
}

void Peer::look_at_next_hops(bool addresses_changed) {
  // An address may have come between the start of the session and the first look, which sees no change then.
  const bool is_due = std::exchange(next_hops_unchecked_, false) || addresses_changed;
  if (up_ && lacks_next_hop_ && is_due) change_output();
}

void Peer::wake_output() {
  if (up_ && context_.rib.has_output(id_)) connections_[index(*up_)]->wake();
}

// What the session is, or would be with a peer that can all that we can.
SessionParameters Peer::session_parameters() const {
  if (up_) return session_.parameters;
  SessionParameters parameters;
  parameters.extended_next_hop = config_.extended_next_hop;
  for (Family family : kAllFamilies) {
    parameters.families[index(family)].enabled = config_.families[index(family)];
    parameters.families[index(family)].add_path_send = sends(config_.add_path);
  }
  return parameters;
}

ExportTarget Peer::export_target() const {
  ExportTarget target;
  target.kind = peer_kind(local_, config_);
  target.local_as = as_toward(local_, config_);
  target.keeps_own_as = config_.local_as && !config_.local_as->replace_as;
  target.policy = config_.export_policy;
  target.role = rib_role();
  target.scope = config_.export_scope;
  target.path_limit = config_.add_path_limit;
  target.drain = context_.drain;
  target.session = session_parameters();
  for (Family family : kAllFamilies) {
    const auto address = next_hop_self(family, target.session);
    if (address) target.next_hop_self[index(family)] = NextHop{*address, {}};
  }
  return target;
}

// Of the routes' own family, or IPv6 where the session has IPv4 routes with IPv6 next hops (RFC 8950).
std::optional<IpAddress> Peer::next_hop_self(Family family, const SessionParameters& session) const {
  const auto suits = [&](const std::optional<IpAddress>& address) {
    return address &&
           (address->family() == address_family(family) || (address->is_v6() && session.extended_next_hop));
  };
  if (const auto& configured = config_.next_hop_self[index(family)]; suits(configured)) return configured;
  const auto local = up_ ? connections_[index(*up_)]->local_address() : config_.local_address;
  if (!local || suits(local)) return local;
  return address_beside(*local, address_family(family));
}

// --- trials

ImportTrial Peer::try_import(const Prefix& prefix, PathAttributes attributes) const {
  if (peer_kind(local_, config_) == PeerKind::kExternal) {
    attributes.local_pref.reset();  // the decoder drops it (RFC 4271 section 5.1.5)
  } else if (!attributes.local_pref) {
    attributes.local_pref = kDefaultLocalPref;  // an internal peer sends one
  }
  complete(attributes);
  return context_.rib.try_import(id_, prefix, attributes);
}

ExportTrial Peer::try_export(const Prefix& prefix) const {
  ExportTarget target = export_target();
  for (Family family : kAllFamilies) {
    auto& self = target.next_hop_self[index(family)];
    // There will be one, and nobody knows which.
    if (!up_ && !self) self = NextHop{IpAddress::any(address_family(family)), {}};
  }
  return context_.rib.try_export(id_, prefix, target);
}

// --- reports

void Peer::report_problems() {
  const DecodeError& first = update_.problems.front();
  std::string text =
      fmt::format("{}: {} ({})", update_.treated_as_withdraw() ? "routes withdrawn" : "attribute dropped",
                  first.reason, format(first.code));
  if (!first.data.empty()) text += ", octets " + hex(first.data);
  if (update_.problems.size() > 1) text += fmt::format(", and {} more", update_.problems.size() - 1);
  report_problem(text);
}

void Peer::report_problem(const std::string& text) {
  last_error_ = text;
  if (active_) context_.observer.message_problem(config_.name, text);
}

void Peer::report_end(Slot slot, const SessionEnd& end) {
  // An attempt that was not needed, and connections that only lost against another one, are the ordinary
  // course.
  const bool ordinary = (end.cause == EndCause::kStopped && !end.notification) ||
                        end.cause == EndCause::kCollision ||
                        (end.notification && end.notification->code == kCollisionResolution);
  if (ordinary || !active_) return;
  std::string text = end.to_string();
  if (const std::string& system = io_reasons_[index(slot)]; !system.empty()) text += ": " + system;
  // A peer that is away is said to be so once.
  const bool repeated = end.cause == EndCause::kConnectFailed && text == last_error_;
  last_error_ = text;
  if (!repeated) context_.observer.session_ended(config_.name, text);
}

void Peer::report_state() {
  const SessionState state = fsm_.state();
  if (state == reported_) return;
  const SessionState before = std::exchange(reported_, state);
  since_ = steady_now();
  if (active_) context_.observer.peer_state_changed({config_.name, before, state});
}

std::optional<TimePoint> Peer::idle_since() const {
  const bool connected = connections_[0] != nullptr || connections_[1] != nullptr;
  if (connected || std::ranges::any_of(stale_, std::identity{})) return std::nullopt;
  return since_;
}

PeerStatus Peer::status() const {
  PeerStatus status;
  status.name = config_.name;
  status.address = config_.address;
  status.as = peer_as();
  status.state = reported_;
  status.since = std::chrono::duration_cast<std::chrono::seconds>(steady_now() - since_);
  status.hold_time = up_ ? session_.hold_time : config_.hold_time;
  if (up_) status.router_id = session_.peer_id;
  for (Family family : kAllFamilies) {
    const bool spoken = up_ ? session_.parameters.of(family).enabled : config_.families[index(family)];
    if (spoken) status.families.push_back(family);
    const PeerCounters counters = context_.rib.counters(id_, family);
    status.prefixes_received += counters.received;
    status.prefixes_accepted += counters.accepted;
    status.prefixes_stale += counters.stale;
    if (up_) status.prefixes_sent += context_.rib.sent(id_, family);
  }
  status.in_sync = in_sync_;
  status.last_error = last_error_;
  status.connections = established_count_;
  status.messages_received = messages_received_;
  status.messages_sent = messages_sent_before_;
  for (const auto& connection : connections_) {
    if (connection != nullptr) status.messages_sent += connection->messages_sent();
  }
  return status;
}

// --- timers

void Peer::refresh_settings() {
  RestartFlags restart = context_.restart;
  if (established_count_ != 0) {
    // The session went away, we did not: our forwarding went on all the time.
    restart = {.restarting = false, .forwarding_preserved = true};
  }
  fsm_.set_settings(session_settings(local_, config_, restart));
}

void Peer::arm_timer() {
  const auto next = fsm_.next_deadline();
  // A timer that is set too early does no harm, and most deadlines only move away: every message moves some.
  if (!next || (armed_ && *armed_ <= *next)) return;
  armed_ = next;
  timer_.expires_at(*next);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self != nullptr) self->on_timer();
  });
}

void Peer::on_timer() {
  armed_.reset();
  const TimePoint now = steady_now();
  for (Slot slot : kAllSlots) {
    const auto& connection = connections_[index(slot)];
    if (connection == nullptr) continue;
    // It spoke, we only have not come to listen: that is no silence.
    if (connection->has_unseen_input()) fsm_.heard(slot, now);
    fsm_.sent(slot, connection->sent_until(now));
  }
  carry_out(fsm_.expire(now));
}

}  // namespace towpath::bgp
