// The routing information base of the speaker: what peers told us, which path of each prefix is best, and
// what each peer is to be told. Pure: no socket, no clock, no kernel.
//
// Model
//   Each prefix has a number and a list of paths, best first. A path is a pooled entry that names an interned
//   attribute set. Adj-rib-in and loc-rib are two views of these entries, there are no copies.
//
//       announce, withdraw ──> paths of the prefix ──> select ──> journal ──┬──> read_changes()      the FIB
//                                                                           └──> pull(peer)          each
//                                                                           update group
//
//   The journal lists the prefixes whose best path changed, each at its last change only. Readers take from
//   it at their own pace and look up the state of the prefix at that moment: a slow reader skips what was
//   overtaken, and it costs nobody memory beyond one entry per prefix.
//
//   Peers with equal ExportTarget form an update group, for which messages are formatted once
//   (update_group.h).
//
// Long work
//   clear_peer(), sweep_stale(), set_import_policy(), set_next_hop() and remove_peer() take effect in slices:
//   they note the job, and work() goes on with it. Whoever calls them has work() called until it returns
//   false. Routes that the peer announces in the meantime are not touched by an older clear or sweep.
//
// Ownership: owns everything; slices from pull() keep their bytes alive by themselves. Not copyable.
// Threading: owned by the loop; no locks.
// Failure: none. An unknown PeerId is a bug of the caller and ends the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "bgp/rib/output.h"
#include "bgp/rib/route.h"
#include "bgp/rib/tables.h"
#include "bgp/rib/trial.h"
#include "bgp/wire/message.h"
#include "towpath/base/clock.h"

namespace towpath::bgp {

class UpdateGroup;
struct PeerOutput;

class Rib {
 public:
  explicit Rib(RibIdentity identity, RibLimits limits = {});
  ~Rib();
  Rib(const Rib&) = delete;
  Rib& operator=(const Rib&) = delete;

  // Holds for what is announced from now on. A change of AS, router id or cluster id also needs new sessions
  // and outputs; that is the caller's part.
  void set_identity(RibIdentity identity);

  // --- peers

  // Once per configured peer; it may stay over many sessions.
  PeerId add_peer(RibPeer peer);
  // From the OPEN of a new session. Paths kept from an earlier one count under the new identifier at their
  // next change.
  void set_peer_identity(PeerId peer, RouterId router_id, AsNumber as);
  // Accepted and rejected paths are looked at again, in slices.
  void set_import_policy(PeerId peer, PolicyPtr policy, PolicyPtr authorisation,
                         std::vector<AsNumber> path_start = {});
  // Closes the output, forgets the peer's routes in slices. The id must not be used any more; it is reused
  // when the last route is gone.
  void remove_peer(PeerId peer);

  // --- adj-rib-in

  // Of one prefix from one peer (RFC 7911 section 8: whoever may send several could send any number). The
  // paths of a prefix are a list, so many of them cost time, too.
  static constexpr std::size_t kMaxPathsOfPeer = 255;

  // Routes of one UPDATE that share attributes and next hop; attributes.next_hop is not looked at. A route
  // that is already there with the same attributes stops being stale and keeps its age. Returns how many
  // were not taken, because the peer has kMaxPathsOfPeer paths of their prefix already.
  std::size_t announce(PeerId peer, Family family, const NextHop& next_hop, std::span<const NlriEntry> nlri,
                       const PathAttributes& attributes, TimePoint now);
  // What is not there is passed over.
  void withdraw(PeerId peer, Family family, std::span<const NlriEntry> nlri);
  // The whole message in its right order: withdrawals first (RFC 4271 section 4.3). Returns what announce()
  // does.
  std::size_t apply(PeerId peer, const UpdateMessage& update, TimePoint now);

  // RFC 4724: the session is gone, the routes stay and are used. At once, whatever their number.
  void mark_stale(PeerId peer, Family family);
  // Removes what has not been announced since mark_stale(). In slices.
  void sweep_stale(PeerId peer, Family family);
  // Removes all routes of the peer. In slices.
  void clear_peer(PeerId peer, Family family);
  // Goes on with what was begun; looks at about `budget` prefixes. False when nothing is left to do.
  bool work(std::size_t budget);

  // --- next hops (RFC 4271 section 9.1.2.1)

  // Of one that nothing was said of, all is well: its routes are used. So who wants none to be used too early
  // says what he knows before the first announce() with it; that costs no look at the table. Later news lets
  // its prefixes be decided anew, in slices.
  void set_next_hop(const IpAddress& address, const NextHopState& state);
  bool knows_next_hop(const IpAddress& address) const;
  // Those that routes in the RIB have and of which nothing is known (a rule can set any), each once.
  std::vector<IpAddress> take_untold_next_hops();
  // Of all routes that were taken from peers.
  std::vector<NextHopRow> next_hops() const;

  // --- own routes

  // The next hop of what we originate is the sender's own at each session; attributes.next_hop is not looked
  // at.
  void originate(const Prefix& prefix, const PathAttributes& attributes, TimePoint now);
  void unoriginate(const Prefix& prefix);

  // --- the FIB

  // Prefixes with several paths are looked at again, in slices.
  void set_multipath(const MultipathLimits& limits);
  // Appends at most `budget` changes of best paths since the last call, each prefix once with its present
  // state. True when more are waiting. Has to be called now and then, or the journal keeps one entry per
  // prefix.
  bool read_changes(std::size_t budget, std::vector<RibDelta>& out);
  bool has_changes() const;

  // --- what peers are told

  // A session is established: the peer gets every exportable route, End-of-RIB for each family that the
  // session has (RFC 4724 section 2), then changes. A peer whose output is open already starts anew.
  void open_output(PeerId peer, const ExportTarget& target);
  // The same session is to be told by another target from now on: the peer gets all that is exportable now,
  // and withdrawals of what it was told before and is not any more. An End-of-RIB follows only where the peer
  // has not had it.
  void change_output(PeerId peer, const ExportTarget& target);
  void close_output(PeerId peer);
  // ROUTE-REFRESH (RFC 2918): all routes of one family once more. No End-of-RIB follows; `marked` puts them
  // between BoRR and EoRR instead (RFC 7313).
  void refresh_output(PeerId peer, Family family, bool marked = false);
  // After a restart (RFC 4724 section 4.1): peers that are told routes of others get their End-of-RIB, which
  // ends what they keep of us, only after release_end_of_rib(). Routes go out all the same, and who is told
  // our own routes alone gets it at once.
  void hold_end_of_rib();
  // What is due is pending from here on. False: none was held.
  bool release_end_of_rib();
  // Appends slices for the socket until about `max_bytes` are there (the last message may go beyond), or
  // nothing is pending. Call it when the socket has room; what is not pulled costs no memory. True: call
  // again, now or after the next writable event, also when nothing was appended (each call looks at a bounded
  // number of prefixes). False: nothing pending until the RIB changes.
  bool pull(PeerId peer, std::size_t max_bytes, std::vector<OutputSlice>& out);
  // Whether pull() would find something to look at. Cheap.
  bool has_output(PeerId peer) const;

  // --- looking

  // Each looks at about `budget` prefixes from cursor.next on, appends rows in the order of prefixes, best
  // path first, and sets cursor.done at the end. A prefix is never split over two slices.
  void walk_loc_rib(WalkCursor& cursor, std::size_t budget, TimePoint now, std::vector<RouteRow>& out) const;
  void walk_adj_rib_in(PeerId peer, WalkCursor& cursor, std::size_t budget, TimePoint now,
                       std::vector<RouteRow>& out) const;
  // What the peer has been told, or is told as soon as it reads: nothing where its output is closed. best is
  // always true.
  void walk_adj_rib_out(PeerId peer, WalkCursor& cursor, std::size_t budget, TimePoint now,
                        std::vector<RouteRow>& out) const;
  // All paths of exactly this prefix, best first; empty where there is none.
  std::vector<RouteRow> find(const Prefix& prefix, TimePoint now) const;
  // Which rung put the best path of the prefix before the one of `peer` with `path_id`; nothing where either
  // is missing, or the path is excluded or is itself the best.
  std::optional<DecisionRung> explain(const Prefix& prefix, PeerId peer, std::uint32_t path_id) const;

  // What would become of a route with these attributes, next hop included, if the peer announced it.
  ImportTrial try_import(PeerId peer, const Prefix& prefix, const PathAttributes& attributes) const;
  // What a peer with this target is told of exactly this prefix, or would be if its output were open.
  ExportTrial try_export(PeerId peer, const Prefix& prefix, const ExportTarget& target) const;

  PeerCounters counters(PeerId peer, Family family) const;
  // Prefixes that the peer has been told, as walk_adj_rib_out() would list them.
  std::size_t sent(PeerId peer, Family family) const;
  std::size_t prefix_count(Family family) const;
  std::size_t path_count() const;
  std::size_t attribute_set_count() const;

 private:
  struct Job;
  // What the selection compares to tell whether it changed anything.
  struct Best {
    std::uint32_t path = kNoIndex;
    AttributeId attributes;
    friend bool operator==(const Best&, const Best&) = default;
  };

  PeerEntry& peer_entry(PeerId peer);
  void release_if_gone(PeerId peer);

  std::uint32_t find_path(PrefixRef prefix, PeerId peer, std::uint32_t path_id) const;
  bool put(const NlriEntry& route, const PathEntry& path, AttributeId received);
  bool is_full(PrefixRef prefix, PeerId peer) const;
  bool replace(PrefixRef prefix, std::uint32_t path, const PathEntry& by, AttributeId received);
  void remove(PrefixRef prefix, std::uint32_t path);
  void count(const PathEntry& path, Family family, std::ptrdiff_t change);
  Best best(PrefixRef prefix) const;
  void select(PrefixRef prefix, const Best& before);

  void start(Job job);
  bool run(Job& job, std::size_t& budget);
  void run_on(const Job& job, PrefixRef prefix);
  void look_at_next_hops(std::uint32_t since, PrefixRef prefix);
  void sweep(const Job& job, PrefixRef prefix, std::uint32_t path);
  void apply_rules(PrefixRef prefix, std::uint32_t path);
  std::vector<FibPath> equal_paths(PrefixRef prefix, const FibPath& best, std::size_t limit);

  void drop_if_empty(UpdateGroup& group);
  const std::shared_ptr<UpdateGroup>& group_for(const ExportTarget& target);
  PeerOutput* output_of(PeerId peer) const;  // null where closed

  std::unique_ptr<RibTables> tables_;
  std::vector<Job> jobs_;
  std::vector<std::shared_ptr<UpdateGroup>> groups_;
  std::vector<std::unique_ptr<PeerOutput>> outputs_;  // by PeerId
  Journal::CursorId fib_cursor_ = 0;

  // Scratch.
  std::vector<Candidate> candidates_;
  std::vector<PrefixRef> slice_;
  std::vector<std::uint32_t> peer_paths_;
};

}  // namespace towpath::bgp
