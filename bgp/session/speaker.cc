#include "towpath/bgp/speaker.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "bgp/rib/rib.h"
#include "bgp/session/endpoint.h"
#include "bgp/session/interface_address.h"
#include "bgp/session/listener.h"
#include "bgp/session/peer.h"
#include "bgp/session/peer_set.h"
#include "bgp/wire/encode.h"
#include "towpath/base/check.h"

namespace towpath::bgp {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// How long the speaker keeps the loop in one turn.
constexpr std::chrono::milliseconds kSlice{5};
// Output that takes less is not worth a rest; and no delay of a change may be felt, however many peers there
// are.
constexpr std::chrono::milliseconds kShortOutput{1};
constexpr std::chrono::milliseconds kLongestRest{50};
// Between two looks for peers of ranges that are gone.
constexpr std::chrono::seconds kForgetInterval{1};
// Prefixes looked at between two looks at the clock.
constexpr std::size_t kStepBudget = 512;
// After a restart: how long a peer that does not come holds up the End-of-RIB of the others.
constexpr std::chrono::seconds kPatience{4};
// Connections of strangers that are being told so. Beyond it they are closed without a word.
constexpr std::size_t kMaxRefused = 64;

TimePoint steady_now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

class Speaker::Impl {
 public:
  Impl(asio::any_io_executor executor, SpeakerObserver& observer, SpeakerOptions options)
      : executor_(executor),
        observer_(observer),
        rib_(RibIdentity{}),
        context_{executor,
                 rib_,
                 observer,
                 [this] { schedule(); },
                 {.restarting = options.forwarding_preserved,
                  .forwarding_preserved = options.forwarding_preserved}},
        peers_(context_, options.forget_after),
        forget_(executor),
        deferral_(executor),
        patience_(executor),
        output_rest_(executor) {
    if (context_.restart.restarting) rib_.hold_end_of_rib();
  }
  ~Impl() { end({}); }

  Status configure(const SpeakerConfig& config);
  void set_originated(const std::vector<Prefix>& prefixes);
  void set_next_hops(std::span<const NextHopRow> news);
  void set_drain(Drain drain, std::string_view reason);
  void look_at_addresses();
  void end(const std::optional<NotificationMessage>& notification);

  bool in_sync() const { return in_sync_; }
  const std::vector<std::shared_ptr<Peer>>& peers() const { return peers_.all(); }
  std::shared_ptr<Peer> find(const IpAddress& address) const { return peers_.find(address); }
  // Of find_peer().
  const Peer& peer(PeerId id) const {
    const auto found = std::ranges::find_if(peers(), [&](const auto& peer) { return peer->id() == id; });
    TOWPATH_CHECK(found != peers().end());
    return **found;
  }
  const Rib& rib() const { return rib_; }
  std::vector<ListenAddress> listening() const;

 private:
  Status listen(const std::vector<ListenAddress>& wanted);
  void set_identity(const SpeakerConfig& config);
  void originate(const std::vector<Prefix>& wanted);
  void set_peers(const SpeakerConfig& config);
  void set_listening_hops(const LocalSpeaker& local);
  void set_listening_keys();
  void forget_later();
  void arm_deferral(std::chrono::seconds deferral);

  void on_accept(tcp::socket socket);
  void refuse(tcp::socket socket, const IpAddress& from, const NotificationMessage& notification,
              std::string_view reason);

  void schedule();
  void take_turn();
  bool work_until(TimePoint until);
  void wake_outputs();
  void rest_from_output(std::chrono::nanoseconds time);
  void end_rest();
  void report_in_sync();
  void release_end_of_rib();
  void set_in_sync();

  asio::any_io_executor executor_;
  SpeakerObserver& observer_;
  Rib rib_;
  PeerContext context_;
  SpeakerConfig config_;
  std::set<Prefix> originated_;
  std::vector<IpAddress> addresses_;  // of this host, at the last look
  bool configured_ = false;
  bool ended_ = false;
  TimePoint started_{};
  std::vector<std::shared_ptr<Listener>> listeners_;
  PeerSet peers_;
  asio::steady_timer forget_;
  std::vector<std::weak_ptr<Connection>> refused_;
  asio::steady_timer deferral_;
  asio::steady_timer patience_;
  bool patient_ = true;   // with peers that are not there yet
  bool forgets_ = false;  // the timer runs
  bool in_sync_ = false;
  bool scheduled_ = false;
  asio::steady_timer output_rest_;
  bool outputs_woken_ = false;  // and at work, or at rest
  bool outputs_wake_again_ = false;
  std::vector<RibDelta> deltas_;  // reused
  // Handlers that the loop still holds look here before they touch us.
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

// --- configuration

Status Speaker::Impl::configure(const SpeakerConfig& config) {
  TOWPATH_TRY_STATUS(check_peers(config));
  TOWPATH_TRY_STATUS(listen(config.listen));
  const bool first = !std::exchange(configured_, true);
  if (first) started_ = steady_now();
  set_identity(config);
  rib_.set_multipath(config.multipath);
  originate(config.originate);
  set_peers(config);
  config_ = config;
  if (!in_sync_) arm_deferral(config.restart_deferral);
  schedule();
  return {};
}

void Speaker::Impl::set_originated(const std::vector<Prefix>& prefixes) {
  originate(prefixes);
  config_.originate = prefixes;
  schedule();
}

void Speaker::Impl::set_next_hops(std::span<const NextHopRow> news) {
  for (const NextHopRow& row : news) {
    if (rib_.knows_next_hop(row.address)) rib_.set_next_hop(row.address, row.state);
  }
  schedule();
}

void Speaker::Impl::set_drain(Drain drain, std::string_view reason) {
  context_.drain_reason = reason;
  const Drain before = std::exchange(context_.drain, drain);
  if (before == drain) return;
  for (const auto& peer : peers()) peer->drain_changed(before);
  schedule();
}

void Speaker::Impl::look_at_addresses() {
  auto now = local_addresses();
  const bool changed = addresses_ != now;
  addresses_ = std::move(now);
  for (const auto& peer : peers()) peer->look_at_next_hops(changed);
}

Status Speaker::Impl::listen(const std::vector<ListenAddress>& wanted) {
  std::vector<std::shared_ptr<Listener>> added;
  for (const ListenAddress& address : wanted) {
    const bool known =
        std::ranges::any_of(listeners_, [&](const auto& l) { return l->address() == address; });
    if (known) continue;
    TOWPATH_TRY(auto listener, Listener::bind(executor_, address));
    added.push_back(std::move(listener));
  }
  std::erase_if(listeners_, [&](const auto& listener) {
    const bool unwanted = std::ranges::find(wanted, listener->address()) == wanted.end();
    if (unwanted) listener->close();
    return unwanted;
  });
  for (auto& listener : added) {
    listener->run([this, alive = std::weak_ptr(alive_)](tcp::socket socket) {
      if (!alive.expired()) on_accept(std::move(socket));
    });
    listeners_.push_back(std::move(listener));
  }
  return {};
}

void Speaker::Impl::set_identity(const SpeakerConfig& config) {
  const LocalSpeaker local = local_speaker(config);
  rib_.set_identity({local.as, local.router_id, local.cluster_id, local_addresses()});
}

void Speaker::Impl::originate(const std::vector<Prefix>& wanted) {
  std::set<Prefix> next(wanted.begin(), wanted.end());
  for (const Prefix& prefix : originated_) {
    if (!next.contains(prefix)) rib_.unoriginate(prefix);
  }
  for (const Prefix& prefix : next) {
    if (!originated_.contains(prefix)) rib_.originate(prefix, {}, steady_now());
  }
  originated_ = std::move(next);
}

void Speaker::Impl::set_peers(const SpeakerConfig& config) {
  peers_.configure(config);
  set_listening_hops(local_speaker(config));
  set_listening_keys();
  peers_.start_added();
  forget_later();
}

// RFC 5082. Our answer to a connection must start with the greatest TTL for any peer that asks for it; but a
// listener can refuse what comes from far away only where every peer that may use it is near.
void Speaker::Impl::set_listening_hops(const LocalSpeaker& local) {
  for (const auto& listener : listeners_) {
    HopLimits hops{0, 255};
    const auto meet = [&](const PeerConfig& peer, AddressFamily family) {
      if (family != listener->address().address.family()) return;
      const HopLimits wanted = hop_limits(local, peer);
      if (wanted.least != 0) hops.sent = wanted.sent;
      hops.least = std::min(hops.least, wanted.least);
    };
    for (const auto& peer : peers()) meet(peer->config(), peer->config().address.family());
    for (const PeerRange& range : peers_.ranges()) meet(range.peer, range.prefix.family());
    if (hops.sent == 0) hops.least = 0;
    listener->set_hop_limits(hops);
  }
}

void Speaker::Impl::set_listening_keys() {
  for (const auto& listener : listeners_) {
    std::map<Prefix, std::string> secrets;
    std::map<Prefix, std::string> names;
    const auto sign = [&](const PeerConfig& peer, const Prefix& from) {
      if (from.family() != listener->address().address.family() || !peer.md5 || !peer.md5->usable()) return;
      secrets.emplace(from, peer.md5->secret);
      names.emplace(from, peer.name);
    };
    for (const auto& peer : peers()) {
      if (!peer->config().of_range) sign(peer->config(), Prefix::host(peer->config().address));
    }
    for (const PeerRange& range : peers_.ranges()) sign(range.peer, range.prefix);
    for (const auto& [from, error] : listener->set_md5_keys(secrets)) {
      observer_.session_ended(names[from], error.message);
    }
  }
}

void Speaker::Impl::arm_deferral(std::chrono::seconds deferral) {
  deferral_.expires_at(started_ + deferral);
  deferral_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (!error && !alive.expired()) set_in_sync();
  });
  if (!context_.restart.restarting) return;
  patience_.expires_at(started_ + kPatience);
  patience_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (error || alive.expired()) return;
    patient_ = false;
    schedule();
  });
}

void Speaker::Impl::end(const std::optional<NotificationMessage>& notification) {
  if (std::exchange(ended_, true)) return;
  for (const auto& listener : listeners_) listener->close();
  listeners_.clear();
  for (const auto& peer : peers()) peer->abandon(notification);
  forget_.cancel();
  deferral_.cancel();
  patience_.cancel();
  output_rest_.cancel();
}

std::vector<ListenAddress> Speaker::Impl::listening() const {
  std::vector<ListenAddress> addresses;
  for (const auto& listener : listeners_) addresses.push_back(listener->bound());
  return addresses;
}

// --- incoming connections

void Speaker::Impl::on_accept(tcp::socket socket) {
  boost::system::error_code error;
  const auto remote = socket.remote_endpoint(error);
  if (error) return;  // gone already
  const auto local = socket.local_endpoint(error);
  if (error) return;
  const IpAddress from = to_address(remote.address());
  const NotificationMessage rejected{kConnectionRejected, {}};
  std::shared_ptr<Peer> peer = peers_.find(from);
  if (peer == nullptr) {
    auto admitted = peers_.admit(from);
    if (!admitted) return refuse(std::move(socket), from, rejected, admitted.error().message);
    peer = *std::move(admitted);
    forget_later();
  }
  const auto& expected = peer->config().local_address;
  if (expected && *expected != to_address(local.address())) {
    return refuse(std::move(socket), from, rejected,
                  fmt::format("peer {} connected to {}, its local_address is {}", peer->config().name,
                              to_address(local.address()).to_string(), expected->to_string()));
  }
  if (const auto refusal = peer->accept(socket)) {
    const std::string_view why = peer->kept_down()                       ? "it is kept down"
                                 : refusal->code == kCollisionResolution ? "its session is up"
                                                                         : "held off after an error";
    refuse(std::move(socket), from, *refusal, fmt::format("peer {}: {}", peer->config().name, why));
  }
}

// Peers of ranges are looked at now and then, as long as there are some.
void Speaker::Impl::forget_later() {
  if (ended_ || std::exchange(forgets_, true)) return;
  forget_.expires_after(kForgetInterval);
  forget_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (error || alive.expired()) return;
    forgets_ = false;
    if (peers_.forget_idle(steady_now())) forget_later();
  });
}

void Speaker::Impl::refuse(tcp::socket socket, const IpAddress& from, const NotificationMessage& notification,
                           std::string_view reason) {
  observer_.connection_refused(from, reason);
  std::erase_if(refused_, [](const auto& connection) { return connection.expired(); });
  if (refused_.size() >= kMaxRefused) return;
  std::vector<std::byte> bytes;
  encode_notification(notification, bytes);
  const auto connection = std::make_shared<Connection>(executor_, Slot::kIncoming, nullptr);
  connection->send(bytes);
  connection->take(std::move(socket), {});
  connection->finish();
  refused_.push_back(connection);
}

// --- the turns of long work

void Speaker::Impl::schedule() {
  if (ended_ || std::exchange(scheduled_, true)) return;
  asio::post(executor_, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    scheduled_ = false;
    if (!ended_) take_turn();
  });
}

void Speaker::Impl::take_turn() {
  const bool more = work_until(steady_now() + kSlice);
  wake_outputs();
  if (more) return schedule();
  report_in_sync();
}

// To tell many peers takes long, and with each of many changes by itself there would be time for nothing
// else. So output rests for twice as long as it took: input has most of the time, and what it brings goes out
// together.
void Speaker::Impl::wake_outputs() {
  if (outputs_woken_) {
    outputs_wake_again_ = true;
    return;
  }
  outputs_woken_ = true;
  const TimePoint begun = steady_now();
  for (const auto& peer : peers()) peer->wake_output();
  // The loop runs handlers in the order of their coming: this one behind all that have been woken.
  asio::post(executor_, [this, begun, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) rest_from_output(steady_now() - begun);
  });
}

void Speaker::Impl::rest_from_output(std::chrono::nanoseconds time) {
  if (time < kShortOutput) return end_rest();
  output_rest_.expires_after(std::min<std::chrono::nanoseconds>(2 * time, kLongestRest));
  output_rest_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (!error && !alive.expired()) end_rest();
  });
}

void Speaker::Impl::end_rest() {
  outputs_woken_ = false;
  if (std::exchange(outputs_wake_again_, false) && !ended_) wake_outputs();
}

// True where something is left to do.
bool Speaker::Impl::work_until(TimePoint until) {
  for (bool more = true; more;) {
    // Those that came with an UPDATE are known already; these were set by a rule.
    for (const IpAddress& hop : rib_.take_untold_next_hops())
      rib_.set_next_hop(hop, observer_.next_hop_state(hop));
    more = rib_.work(kStepBudget);
    deltas_.clear();
    more = rib_.read_changes(kStepBudget, deltas_) || more;
    if (!deltas_.empty()) observer_.routes_changed(deltas_);
    if (more && steady_now() >= until) return true;
  }
  return false;
}

// All that was received is in the RIB, and the observer has been told all that followed from it.
void Speaker::Impl::report_in_sync() {
  for (const auto& peer : peers()) peer->confirm_sync();
  const bool any_awaited =
      std::ranges::any_of(peers(), [this](const auto& peer) { return peer->is_awaited(patient_); });
  // Peers of a range may come for as long as we are patient.
  if (!any_awaited && (peers_.ranges().empty() || !patient_)) release_end_of_rib();
  if (context_.restart.restarting && !peers_.ranges().empty()) return;
  if (std::ranges::all_of(peers(), [](const auto& peer) { return peer->ever_in_sync(); })) set_in_sync();
}

void Speaker::Impl::release_end_of_rib() {
  if (!rib_.release_end_of_rib()) return;
  patience_.cancel();
  wake_outputs();
}

void Speaker::Impl::set_in_sync() {
  if (ended_ || std::exchange(in_sync_, true)) return;
  deferral_.cancel();
  release_end_of_rib();
  context_.restart.restarting = false;
  observer_.speaker_in_sync();
}

// --- the public face

Speaker::Speaker(asio::any_io_executor executor, SpeakerObserver& observer, SpeakerOptions options)
    : impl_(std::make_unique<Impl>(std::move(executor), observer, options)) {}
Speaker::~Speaker() = default;

Status Speaker::configure(const SpeakerConfig& config) {
  return impl_->configure(config);
}
void Speaker::originate(const std::vector<Prefix>& prefixes) {
  impl_->set_originated(prefixes);
}
void Speaker::set_drain(Drain drain, std::string_view reason) {
  impl_->set_drain(drain, reason);
}
void Speaker::look_at_addresses() {
  impl_->look_at_addresses();
}
bool Speaker::all_told() const {
  return std::ranges::all_of(impl_->peers(), [](const auto& peer) { return peer->told(); });
}
void Speaker::stop() {
  impl_->end({});
}
void Speaker::shutdown(std::string_view text) {
  impl_->end(NotificationMessage{kAdministrativeShutdown, shutdown_communication(text)});
}
void Speaker::path_lost(const IpAddress& address, bool control_plane_independent) {
  if (const auto peer = impl_->find(address)) peer->path_lost(control_plane_independent);
}
std::vector<NextHopRow> Speaker::next_hops() const {
  return impl_->rib().next_hops();
}
void Speaker::set_next_hops(std::span<const NextHopRow> news) {
  impl_->set_next_hops(news);
}
bool Speaker::in_sync() const {
  return impl_->in_sync();
}
std::vector<ListenAddress> Speaker::listening() const {
  return impl_->listening();
}

std::vector<PeerStatus> Speaker::peers() const {
  std::vector<PeerStatus> rows;
  for (const auto& peer : impl_->peers()) rows.push_back(peer->status());
  return rows;
}

std::string_view Speaker::peer_name(PeerId id) const {
  if (id == kLocalPeer) return "local";
  const auto found = std::ranges::find_if(impl_->peers(), [&](const auto& peer) { return peer->id() == id; });
  return found == impl_->peers().end() ? std::string_view("?") : (*found)->config().name;
}

std::optional<PeerId> Speaker::find_peer(std::string_view name) const {
  const auto found =
      std::ranges::find_if(impl_->peers(), [&](const auto& peer) { return peer->config().name == name; });
  return found == impl_->peers().end() ? std::nullopt : std::optional((*found)->id());
}

void Speaker::walk(RibView view, PeerId peer, WalkCursor& cursor, std::size_t budget,
                   std::vector<RouteRow>& out) const {
  switch (view) {
    case RibView::kLocRib: return impl_->rib().walk_loc_rib(cursor, budget, steady_now(), out);
    case RibView::kAdjRibIn: return impl_->rib().walk_adj_rib_in(peer, cursor, budget, steady_now(), out);
    case RibView::kAdjRibOut: return impl_->rib().walk_adj_rib_out(peer, cursor, budget, steady_now(), out);
  }
}

ImportTrial Speaker::try_import(PeerId peer, const Prefix& prefix, const PathAttributes& attributes) const {
  return impl_->peer(peer).try_import(prefix, attributes);
}

ExportTrial Speaker::try_export(PeerId peer, const Prefix& prefix) const {
  return impl_->peer(peer).try_export(prefix);
}

std::size_t Speaker::prefix_count(Family family) const {
  return impl_->rib().prefix_count(family);
}

}  // namespace towpath::bgp
