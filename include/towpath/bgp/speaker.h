// The BGP speaker of one host: what the agent uses of bgp/.
//
// Model
//   configure() says what should be: addresses to listen on, peers, own prefixes. The speaker keeps the
//   sessions, the RIB, and tells its observer what becomes of them. It never touches the kernel's routes:
//   routes_changed() carries the best paths to whoever does.
//
// Reconfiguration
//   Only what differs is touched. Own prefixes, multipath and restart deferral take effect while sessions
//   stay. What a change of a peer costs is the table in docs/configuration.md; at most it ends and restarts
//   this peer's session alone. A change of AS, router id or cluster id restarts all.
//
// Long work (a million routes, a session that goes away) is cut into slices of a few milliseconds on the
// loop, so that keepalives and the owner's own work are not late. A peer that does not read holds up nobody
// and costs no memory.
//
// Ownership: the executor's context and the observer must outlive the speaker. When the destructor returns no
// callback comes any more; connections that are open then are closed without a NOTIFICATION.
// Threading: all calls from the loop's thread; so come the callbacks.
// Failure: configure() alone can fail, and then nothing has changed. What peers and networks do goes to the
// observer.
#pragma once

#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bgp/fsm/session_state.h"
#include "bgp/rib/route.h"
#include "bgp/rib/trial.h"
#include "towpath/base/address.h"
#include "towpath/base/error.h"
#include "towpath/base/ids.h"
#include "towpath/bgp/config.h"
#include "towpath/bgp/drain.h"
#include "towpath/bgp/family.h"

namespace towpath::bgp {

struct PeerStateChange {
  std::string_view peer;  // its name
  SessionState from = SessionState::kIdle;
  SessionState to = SessionState::kIdle;
};

// Callbacks of the speaker. They must not call configure(), stop() or shutdown(), nor destroy the speaker;
// reading it is fine. Views are valid during the call only. Texts are one line and printable whatever the
// peer sent.
class SpeakerObserver {
 public:
  virtual ~SpeakerObserver() = default;

  // Best paths of prefixes, in slices; each says what holds from now on, applying it twice changes nothing.
  virtual void routes_changed(std::span<const RibDelta> changes) = 0;
  // How this host reaches a next hop. Asked before the first route with it is looked at; what changes later
  // comes by Speaker::set_next_hops().
  virtual NextHopState next_hop_state(const IpAddress& /*next_hop*/) { return {}; }
  virtual void peer_state_changed(const PeerStateChange& change) = 0;
  // A connection or session ended or could not be made, and why: "hold time expired; sent NOTIFICATION 4/0
  // ...".
  virtual void session_ended(std::string_view peer, std::string_view reason) = 0;
  // A message had an error that the session survives (RFC 7606); with the offending octets in hex, bounded.
  virtual void message_problem(std::string_view peer, std::string_view problem) = 0;
  // Someone connected who may not: no such peer, or not now.
  virtual void connection_refused(const IpAddress& from, std::string_view reason) = 0;
  // The End-of-RIB of every family of the session has come (RFC 4724 section 2), and all that it stands for
  // has gone through routes_changed(). Once for each session.
  virtual void peer_in_sync(std::string_view peer) = 0;
  // Once: every configured peer was in sync at some time, or restart_deferral is over. From now on the
  // picture is complete: what the kernel has beyond it may go. Who is still to come out of a range nobody
  // knows: after a restart with ranges it is restart_deferral alone.
  virtual void speaker_in_sync() = 0;
};

struct SpeakerOptions {
  // The kernel still has the routes of our predecessor, so forwarding went on while we were away: announced
  // in the graceful restart capability (R and F bits, RFC 4724 section 3).
  bool forwarding_preserved = false;
  // How long a peer of a range is remembered that has no connection and no routes.
  std::chrono::seconds forget_after{60};
};

// One row of `towpathctl peers`.
struct PeerStatus {
  std::string name;
  IpAddress address;
  AsNumber as;
  SessionState state = SessionState::kIdle;
  std::chrono::seconds since{0};      // in this state
  std::vector<Family> families;       // of the session; before it those that are configured
  std::optional<RouterId> router_id;  // of the session, as the next two
  std::chrono::seconds hold_time{0};  // agreed on; before the session the configured one
  bool in_sync = false;
  std::size_t prefixes_received = 0;  // all families together
  std::size_t prefixes_accepted = 0;
  std::size_t prefixes_stale = 0;
  std::size_t prefixes_sent = 0;
  std::string last_error;         // empty: none yet
  std::uint64_t connections = 0;  // how often Established was reached
  std::uint64_t messages_received = 0;
  std::uint64_t messages_sent = 0;
};

// Whose routes a walk shows.
enum class RibView : std::uint8_t { kLocRib, kAdjRibIn, kAdjRibOut };

class Speaker {
 public:
  Speaker(boost::asio::any_io_executor executor, SpeakerObserver& observer, SpeakerOptions options = {});
  ~Speaker();
  Speaker(const Speaker&) = delete;
  Speaker& operator=(const Speaker&) = delete;

  // The first call starts the speaker. Binds new listen addresses before anything else changes: where that
  // fails the error names the address, and the old configuration stays in force.
  Status configure(const SpeakerConfig& config);

  // Own prefixes from now on, in place of SpeakerConfig::originate, until the next configure().
  void originate(const std::vector<Prefix>& prefixes);

  // Takes all peers out of service, step by step, or puts them back: marks what they are told, withdraws it,
  // ends the sessions with Cease, Administrative Shutdown and `reason` (RFC 9003). Holds for peers that are
  // configured later, too. May be called before configure().
  void set_drain(Drain drain, std::string_view reason);
  // To be called now and then: where the host had no address for our next hop in a family when a session came
  // up, and has one now, the peer is told our routes.
  void look_at_addresses();
  // Every peer has been handed all that there is to tell.
  bool all_told() const;

  // For a restart or an upgrade: closes all connections without a NOTIFICATION, so that peers with graceful
  // restart keep our routes (RFC 4724 section 4.1). Nothing is reported any more.
  void stop();
  // For good: Cease, Administrative Shutdown with `text` (RFC 9003) to every peer; they drop our routes. The
  // loop has to run on for a second at most, so that the message gets out: until io_context::run() returns,
  // or a timer of the owner ends.
  void shutdown(std::string_view text);

  // BFD says that the path to the peer with this address is gone: its session ends with Cease, BFD Down (RFC
  // 9384), and its routes go at once. Where there is no session because the peer restarts, its routes stay
  // unless its BFD does not depend on its control plane (RFC 5882 section 4.3). A stranger is no error.
  void path_lost(const IpAddress& peer, bool control_plane_independent);

  // The next hops of all routes that were taken from peers.
  std::vector<NextHopRow> next_hops() const;
  // News of some of them: their routes are looked at again, in slices. Others than those in use are passed
  // over.
  void set_next_hops(std::span<const NextHopRow> news);

  // Whether speaker_in_sync() was reported.
  bool in_sync() const;

  // In the order of the configuration, then those of ranges.
  std::vector<PeerStatus> peers() const;
  // "local" for kLocalPeer; "?" for a peer that is being removed.
  std::string_view peer_name(PeerId peer) const;
  std::optional<PeerId> find_peer(std::string_view name) const;

  // Appends the rows of about `budget` prefixes from cursor.next on, in the order of prefixes, best path
  // first; sets cursor.done at the end. `peer` is not looked at for kLocRib.
  void walk(RibView view, PeerId peer, WalkCursor& cursor, std::size_t budget,
            std::vector<RouteRow>& out) const;
  std::size_t prefix_count(Family family) const;

  // What would become of a route with these attributes, next hop included, if the peer announced it, and what
  // the peer is told of exactly this prefix. Without a session, by the configuration alone: a peer of any
  // external AS is then in AS 0, and a next hop that only the session will tell is unspecified.
  ImportTrial try_import(PeerId peer, const Prefix& prefix, const PathAttributes& attributes) const;
  ExportTrial try_export(PeerId peer, const Prefix& prefix) const;

  // Where it listens, with the real port for a configured port 0. For tests and logs.
  std::vector<ListenAddress> listening() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace towpath::bgp
