// One configured peer: its state machine, its connections, and what the RIB knows of it.
//
// Model
//   Whatever happens becomes an event of PeerFsm; the actions that it answers are carried out here. An UPDATE
//   goes into the RIB only when the machine says so. The sending side belongs to the RIB: while a session is
//   up the connection pulls from it.
//
// Graceful restart (RFC 4724 section 4.2)
//   When a session goes away the machine says whether the routes are kept. Kept routes are swept when the
//   peer's End-of-RIB comes, when its new session shows that it lost its forwarding state, or when its
//   restart time is over. A peer that restarts once more meanwhile gets no more time than it had
//   (docs/decisions/0011-a-second-restart-within-the-first.md).
//
// Refresh (RFC 2918, RFC 7313)
//   A request of the peer is answered with all routes, marked by BoRR and EoRR where both sides know them.
//   What the peer does not repeat between its own marks has left its table, and is swept at EoRR or when the
//   time for it is over.
//
// Ownership: shared_ptr because timers look back at it; the speaker holds the only lasting reference.
// `context` must outlive it. Threading: owned by the loop. Failure: none; what goes wrong is reported to the
// observer.
#pragma once

#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bgp/fsm/peer_fsm.h"
#include "bgp/rib/rib.h"
#include "bgp/session/connection.h"
#include "bgp/session/peer_config.h"
#include "bgp/wire/message.h"
#include "bgp/wire/message_framer.h"
#include "towpath/bgp/drain.h"
#include "towpath/bgp/speaker.h"

namespace towpath::bgp {

// What all peers share.
struct PeerContext {
  boost::asio::any_io_executor executor;
  Rib& rib;
  SpeakerObserver& observer;
  // The RIB has changed or has work to do: let the speaker take a turn.
  std::function<void()> schedule;
  // What the next OPEN says of our own restart.
  RestartFlags restart;
  Drain drain = Drain::kNone;
  std::string drain_reason{};
};

class Peer final : public ConnectionOwner, public std::enable_shared_from_this<Peer> {
 public:
  // Messages are taken for this long before the loop gets a turn.
  static constexpr std::chrono::milliseconds kSlice{2};

  Peer(PeerContext& context, const LocalSpeaker& local, PeerConfig config);
  ~Peer() override;

  void start();
  // For good: ends all connections, with a NOTIFICATION where one is given, and removes the peer from the
  // RIB.
  void remove(const std::optional<NotificationMessage>& notification);
  // Ends all connections; the RIB stays as it is, and nothing is reported.
  void abandon(const std::optional<NotificationMessage>& notification);
  // A change for which needs_new_session() is false.
  void update(const PeerConfig& config);

  // The peer connected. A NOTIFICATION means that the connection was not taken, and why; `socket` is left
  // alone then.
  std::optional<NotificationMessage> accept(boost::asio::ip::tcp::socket& socket);

  // PeerContext::drain is another one than `before`.
  void drain_changed(Drain before);
  // To be called now and then, with whether the host has other addresses than at the last call. Only what had
  // no next hop of our own gets one: an address that is gone may come back, and withdrawn routes would cost
  // more.
  void look_at_next_hops(bool addresses_changed);
  // The RIB has nothing for it that its connection has not taken.
  bool told() const;

  // Speaker::path_lost().
  void path_lost(bool control_plane_independent);

  // The RIB may have something to tell this peer.
  void wake_output();
  // The last End-of-RIB came, and the RIB has been read since: report it, once for each session.
  void confirm_sync();

  const PeerConfig& config() const { return config_; }
  PeerId id() const { return id_; }
  // After our own restart: whether what we tell others is not complete without this peer's routes. `patient`:
  // one that is not there may still come.
  bool is_awaited(bool patient) const;
  // Nothing is to be waited for: it was in sync once, or is not meant to be up.
  bool ever_in_sync() const { return ever_in_sync_ || config_.shutdown || drained(); }
  // Since when it has had no connection; nothing while it has one, or routes that are kept for it.
  std::optional<TimePoint> idle_since() const;
  PeerStatus status() const;
  // Speaker::try_import() and try_export().
  ImportTrial try_import(const Prefix& prefix, PathAttributes attributes) const;
  ExportTrial try_export(const Prefix& prefix) const;
  // It is kept down: by the configuration, because it lacks its key, or because this host is drained.
  bool kept_down() const { return config_.shutdown || (config_.md5 && !config_.md5->usable()) || drained(); }

  void on_connected(Slot slot) override;
  void on_closed(Slot slot, const std::string& reason) override;
  bool on_input(Slot slot) override;
  bool pull_output(Slot slot, std::size_t max_bytes, std::vector<OutputSlice>& out) override;

 private:
  void on_message(Slot slot, const FramedMessage& message, TimePoint now);
  void on_update(Slot slot, const FramedMessage& message, TimePoint now);
  void on_refresh(Slot slot, const FramedMessage& message, TimePoint now);
  void step(Slot slot, const SessionEvent& event, TimePoint now);

  void carry_out(const PeerActions& actions);
  void perform(const PeerActions& actions);
  void carry_out(Slot slot, const Connect& action);
  void carry_out(Slot slot, const Disconnect& action);
  void carry_out(Slot slot, const SendOpen& action);
  void carry_out(Slot slot, const SendKeepalive& action);
  void carry_out(Slot slot, const SendNotification& action);
  void carry_out(Slot slot, const SessionUp& action);
  void carry_out(Slot slot, const SessionDown& action);
  void carry_out(Slot slot, const DeliverMessage& action);

  void say_drained();
  bool drained() const { return context_.drain == Drain::kClosed; }
  void send(Slot slot, const Message& message);
  void set_import_policy();
  std::optional<Role> rib_role() const;  // where it counts
  AsNumber peer_as() const { return up_ ? session_.peer_as : config_.as.number; }
  void complete(PathAttributes& attributes) const;
  void deliver_update();
  void ask_for_next_hops();
  void deliver_refresh();
  void keep_to_limits();
  void on_end_of_rib(Family family);
  void on_refresh_begin(Family family);
  void on_refresh_end(Family family);
  void report_problems();
  void report_problem(const std::string& text);
  void report_end(Slot slot, const SessionEnd& end);
  void report_state();

  void open_output();
  SessionParameters session_parameters() const;
  ExportTarget export_target() const;
  std::optional<IpAddress> next_hop_self(Family family, const SessionParameters& session) const;
  void keep_or_flush(RouteFate fate);
  void settle_stale_routes(const NegotiatedSession& session);
  void sweep(Family family);
  bool has_stale() const;
  void change_output();
  void note_next_hops(const ExportTarget& target);
  void refresh_settings();
  SegmentOptions segment_options() const;
  void arm_timer();
  void on_timer();
  void arm_restart_timer(std::chrono::seconds time);

  PeerContext& context_;
  LocalSpeaker local_;
  PeerConfig config_;
  PeerFsm fsm_;
  PeerId id_;
  std::array<std::shared_ptr<Connection>, 2> connections_;  // by slot
  std::array<std::string, 2> io_reasons_;                   // what the system said of a lost connection
  std::optional<Slot> up_;                                  // the slot that is Established
  NegotiatedSession session_;                               // of it; the last one after it
  bool active_ = false;                                     // from start() to remove() or abandon()

  boost::asio::steady_timer timer_;
  std::optional<TimePoint> armed_;
  boost::asio::steady_timer restart_timer_;
  TimePoint stale_until_{};  // of what is stale, however often the peer restarts meanwhile
  boost::asio::steady_timer refresh_timer_;
  std::array<bool, kFamilyCount> refreshing_{};  // between BoRR and EoRR (RFC 7313)
  std::array<bool, kFamilyCount> stale_{};       // routes of an earlier session are kept
  std::array<bool, kFamilyCount> awaits_end_of_rib_{};
  // Of our own, in a family of the session: there is none, or one that leads nowhere beyond a link.
  bool lacks_next_hop_ = false;
  bool next_hops_unchecked_ = false;  // since the session came up
  bool sync_pending_ = false;
  bool in_sync_ = false;
  bool ever_in_sync_ = false;
  bool over_limit_ = false;  // the last session ended by maximum_prefixes, or is about to

  UpdateMessage update_;  // reused; what DeliverMessage means, unless refresh_ is set
  std::optional<RouteRefreshMessage> refresh_;
  TimePoint message_time_{};
  std::vector<std::byte> scratch_;

  SessionState reported_ = SessionState::kIdle;
  TimePoint since_;
  std::string last_error_;
  std::uint64_t established_count_ = 0;
  std::uint64_t messages_received_ = 0;
  std::uint64_t messages_sent_before_ = 0;  // by connections that are gone
};

}  // namespace towpath::bgp
