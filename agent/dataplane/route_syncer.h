// Keeps one kernel routing table equal to the routes the agent wants.
//
// Model
//   want() and unwant() change the desired state only. take_writes() hands out what would move the kernel
//   towards it, and on_written() takes in what came of it; resync is on_dumped(), which replaces what we
//   believe is there. A route that could not be written stays pending, with the reason. There is no other
//   retry state: retry() puts every failed route back in the line, and doing so again is always right. A
//   change of a route's next hops is a replacement in place, for IPv4 and IPv6, never a removal and an
//   addition: packets find a route at every moment.
//
// What counts as ours
//   A route with our protocol number. A route of another owner is never changed,
//   also when it covers the same prefix: a new route of ours is written so that the kernel refuses it if
//   prefix and metric are taken, and only what is known to be ours is replaced or removed.
//
// After a restart
//   The desired state is empty and yesterday's routes are still in the kernel. The first on_dumped() adopts
//   them. Until allow_deletes() was called nothing is removed, so that a restart interrupts no traffic. An
//   adopted route that is wanted with the same next hops is not written again. One that is wanted with others
//   keeps its own until allow_replacements(): the first peer that speaks need not be the one with the best
//   path (the selection that RFC 4724 section 4.1 defers).
//
// Memory: 12 bytes for each prefix beyond its key; next hops are kept once for all prefixes that use them.
//
// Threading: owned by the loop; no locks. Blocks on nothing; who writes is the caller's business (Dataplane).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/dataplane/forwarding.h"
#include "agent/dataplane/route_kernel.h"
#include "towpath/base/prefix_map.h"

namespace towpath::agent {

enum class RouteRole : std::uint8_t {
  kLearned,   // from BGP, towards another host
  kOwnBlock,  // a block of this host: a blackhole behind the routes to its containers (docs/architecture.md,
              // "Datapath")
};

struct RouteCounters {
  // Now
  std::size_t wanted = 0;
  std::size_t in_kernel = 0;
  std::size_t pending = 0;  // desired and kernel differ, for whatever reason
  std::size_t failed = 0;   // of these: the kernel refused
  std::size_t in_flight = 0;
  // Since the start
  std::uint64_t added = 0;
  std::uint64_t replaced = 0;
  std::uint64_t deleted = 0;
  std::uint64_t adopted = 0;
  std::uint64_t refused = 0;
  std::uint64_t resyncs = 0;
};

// One prefix in all its states, for towpathctl.
struct RouteRow {
  Prefix prefix{};
  RouteRole role = RouteRole::kLearned;
  std::uint32_t metric = 0;
  ForwardingPtr wanted{};
  ForwardingPtr kernel{};
  bool pending = false;
  std::string reason{};  // why it is pending, when that is known
};

class RouteSyncer {
 public:
  struct Metrics {
    std::uint32_t learned = 32;
    std::uint32_t own_block = 4096;
  };

  explicit RouteSyncer(Metrics metrics) : metrics_{metrics.learned, metrics.own_block} {}

  // Desired state.
  void want(const Prefix& prefix, std::vector<netlink::NextHop> next_hops);
  // Its packets end here.
  void want_blackhole(const Prefix& prefix) {
    set_desired(RouteRole::kLearned, prefix, forwardings_.acquire(make_blackhole()));
  }
  void unwant(const Prefix& prefix) { set_desired(RouteRole::kLearned, prefix, 0); }
  void want_own_block(const Prefix& prefix);
  void unwant_own_block(const Prefix& prefix) { set_desired(RouteRole::kOwnBlock, prefix, 0); }

  // What is wanted is complete enough: adopted routes that others are wanted for are replaced.
  void allow_replacements();
  // What is wanted is complete: from now on routes of ours that nobody wants are removed too.
  void allow_deletes();
  bool deletes_allowed() const { return deletes_allowed_; }

  // What anything wanted or in the kernel forwards like; see RouteKernel::tend(). Unless every route that
  // is in the kernel is as it should be (others may have been refused): then it is not known what is in use.
  std::optional<std::vector<ForwardingPtr>> forwardings_in_use() const;

  // At most `limit` writes; empty when there is nothing to do. A prefix whose write was handed out is not
  // handed out again before its outcome is known.
  std::vector<RouteWrite> take_writes(std::size_t limit);
  bool has_writes() const { return !line_.empty() || (deletes_allowed_ && !strays_.empty()); }
  void on_written(const std::vector<RouteWrite>& writes, const WriteOutcome& outcome);
  // What failed goes back in the line.
  void retry();

  // The kernel was read, after every write whose outcome is known.
  void on_dumped(const std::vector<KernelRoute>& routes);
  // Someone removed or replaced a route of ours; believed at once, put right by the next writes.
  void on_kernel_route(const KernelRoute& route, bool removed);
  // What we believe is in doubt (lost answers, a prefix that is taken although we know of nobody): read the
  // kernel.
  bool wants_resync() const { return wants_resync_; }

  // Everything that is wanted is in the kernel and, if deletes are allowed, nothing else of ours.
  bool in_sync() const { return counters_.pending == 0 && !(deletes_allowed_ && !strays_.empty()); }
  const RouteCounters& counters() const { return counters_; }

  // Calls f(RouteRow) in order from the first prefix at or behind `from`, until it returns false; then false.
  // First all learned routes, or all own blocks: the caller says which.
  template <class F>
  bool walk(RouteRole role, const Prefix& from, F&& f) const {
    return entries_[index(role)].walk(
        from, [&](const Prefix& prefix, const Entry& entry) { return f(row(role, prefix, entry)); });
  }
  std::optional<RouteRow> find(RouteRole role, const Prefix& prefix) const;

 private:
  struct Entry {
    ForwardingId desired = 0;
    ForwardingId actual = 0;
    bool in_line = false;    // in line_
    bool in_flight = false;  // handed out
    bool failed = false;     // in failures_; not in the line before retry()
    bool held = false;       // adopted, and never wanted as it is; until allow_replacements()
    bool seen = false;       // on_dumped() only
  };
  using Key = std::pair<RouteRole, Prefix>;

  static std::size_t index(RouteRole role) { return static_cast<std::size_t>(role); }
  // Both take over one use of `id`.
  void set_desired(RouteRole role, const Prefix& prefix, ForwardingId id);
  void assign(Entry& entry, ForwardingId Entry::* member, ForwardingId id);
  // The kernel has this now.
  void set_actual(Entry& entry, const Forwarding& forwarding);
  // After a change of an entry: into the line, or out of the books.
  void settle(RouteRole role, const Prefix& prefix, Entry& entry);
  bool is_pending(const Entry& entry) const {
    return entry.desired != entry.actual && (entry.desired != 0 || deletes_allowed_);
  }
  void forget_failure(const Key& key, Entry& entry);
  void on_refused(const Key& key, Entry& entry, const Error& error);
  std::optional<RouteRole> role_of(std::uint32_t metric) const;
  RouteRow row(RouteRole role, const Prefix& prefix, const Entry& entry) const;

  std::array<std::uint32_t, 2> metrics_;     // by role
  std::array<PrefixMap<Entry>, 2> entries_;  // by role; only what is wanted, there, or on its way
  ForwardingTable forwardings_;
  std::deque<Key> line_;             // to be handed out
  std::map<Key, Error> failures_;    // why, until it is written or no longer wanted so
  std::vector<KernelRoute> strays_;  // ours, with a metric that is none of ours
  RouteCounters counters_;
  std::size_t misplaced_ = 0;  // in the kernel, but not as wanted
  bool replacements_allowed_ = false;
  bool deletes_allowed_ = false;
  bool wants_resync_ = false;
};

}  // namespace towpath::agent
