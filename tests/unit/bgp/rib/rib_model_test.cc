// Random histories against a naive model: a map of all routes, the rules of selection and export spelled out
// once more in the plainest way, and receivers that pull at very different speeds. Whatever happened on the
// way, in the end the RIB, the FIB and every receiver must be in the state that the routes alone demand.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "bgp/rib/export.h"
#include "rib_fixture.h"

namespace towpath::bgp {
namespace {

struct Route {
  PathAttributes attributes;  // with the next hop
  bool stale = false;
};
using RouteKey = std::tuple<Prefix, std::uint16_t, std::uint32_t>;  // prefix, peer, path id

struct ModelPeer {
  RibPeer peer;
  ExportTarget target;
  std::unique_ptr<Receiver> receiver;  // while the output is open
  unsigned pull_percent = 50;
};

constexpr Community kAdded{65000U << 16 | 77};

struct Chosen {
  PeerId peer;
  std::uint32_t path_id = 0;
  PathAttributes attributes;
};

class Model {
 public:
  Model(unsigned seed, RibLimits limits, unsigned prefixes)
      : random_(seed), rib_(identity(), limits), prefix_count_(prefixes) {
    const PeerKind kinds[] = {PeerKind::kExternal, PeerKind::kExternal, PeerKind::kExternal,
                              PeerKind::kInternal, PeerKind::kInternal, PeerKind::kClient,
                              PeerKind::kClient,   PeerKind::kClient};
    const unsigned speeds[] = {90, 30, 2, 60, 1, 90, 10, 1};
    peers_[0].peer.kind = PeerKind::kLocal;
    for (std::size_t i = 0; i < std::size(kinds); ++i) {
      ModelPeer p;
      p.peer = rib_peer(i % 2 == 0 ? "10.9.0." + std::to_string(9 - i) : "fd00::" + std::to_string(9 - i),
                        kinds[i]);
      p.target = target(kinds[i], i == 1 || i == 4 ? ExportScope::kOwn : ExportScope::kAll);
      // Two peers get several paths of a prefix: one all that there are, one the best two.
      if (i == 2 || i == 5) {
        for (auto& family : p.target.session.families) family.add_path_send = true;
        p.target.path_limit = i == 5 ? 2 : 0;
      }
      p.pull_percent = speeds[i];
      const PeerId id = rib_.add_peer(p.peer);
      peers_[id.value] = std::move(p);
    }
  }

  void step() {
    const unsigned what = pick(100);
    if (what < 45) {
      announce();
    } else if (what < 65) {
      withdraw();
    } else if (what < 68) {
      own();
    } else if (what < 71) {
      session_end();
    } else if (what < 72) {
      pick(2) == 0 ? change_import() : change_export();
    } else if (what < 76) {
      open_or_close();
    } else if (what < 78) {
      refresh();
    } else if (what < 80) {
      change_next_hop();
    } else if (what < 85) {
      rib_.work(1 + pick(10));
    } else if (what < 90) {
      read_changes(1 + pick(5));
    } else {
      for (auto& [id, p] : peers_) {
        if (p.receiver && pick(100) < p.pull_percent) p.receiver->pull(rib_, {id}, 1 + pick(400));
      }
    }
  }

  // Until the second check.
  void hold_end_of_rib() {
    rib_.hold_end_of_rib();
    held_for_ = 2;
  }

  void settle_and_check() {
    if (held_for_ > 0 && --held_for_ == 0) {
      EXPECT_TRUE(rib_.release_end_of_rib());
    }
    run_to_end(rib_);
    while (rib_.has_changes()) read_changes(100);
    // Round about, so that the slow ones find a queue that moved on.
    for (bool more = true; more;) {
      more = false;
      for (auto& [id, p] : peers_) {
        if (p.receiver && p.receiver->pull(rib_, {id}, 300)) more = true;
      }
    }
    check_tables();
    check_walk();
    for (auto& [id, p] : peers_) {
      if (p.receiver) check_receiver({id}, p);
    }
  }

 private:
  unsigned pick(unsigned n) { return static_cast<unsigned>(random_() % n); }
  PeerId pick_peer() { return {static_cast<std::uint16_t>(1 + pick(8))}; }

  Prefix pick_prefix() {
    const unsigned n = pick(prefix_count_);
    if (n % 2 == 0) return *Prefix::make(IpAddress::v4(0x0A000000 + (n << 12)), 20 + n % 13);
    return prefix("2001:db8:" + std::to_string(n) + "::/" + std::to_string(48 + n % 81));
  }

  PathAttributes pick_attributes(PeerKind kind) {
    static constexpr std::uint32_t kAs[] = {65001, 65002, 65003, 4200000001, 65000};
    PathAttributes a;
    const unsigned length = pick(4);
    if (length != 0) {
      a.as_path.segments.push_back({SegmentType::kSequence, {}});
      for (unsigned i = 0; i < length; ++i) {
        a.as_path.segments[0].numbers.push_back({kAs[pick(20) == 0 ? 4 : pick(4)]});
      }
    }
    a.origin = static_cast<Origin>(pick(8) == 0 ? 2 : 0);
    if (pick(2) == 0) a.med = pick(3);
    if (pick(8) == 0) a.communities = {pick(2) == 0 ? kNoExport : kNoAdvertise};
    if (pick(8) == 0) a.communities.push_back({65000U << 16 | pick(3)});
    if (pick(16) == 0) a.communities.push_back(kGracefulShutdown);
    if (pick(16) == 0) a.unknown.push_back({0xC0, 200, {std::byte{7}}});
    if (is_internal(kind)) {
      a.local_pref = pick(4) == 0 ? 200 : 100;
      if (pick(4) == 0) a.originator_id = RouterId{0x0A000000U + pick(5)};
      if (a.originator_id) a.cluster_list.assign(1 + pick(2), RouterId{0x0A000001U + pick(3)});
    }
    return a;
  }

  NextHop pick_next_hop(Family family) {
    const bool own = pick(30) == 0;
    if (family == Family::kIpv4Unicast)
      return next_hop(own ? "192.0.2.1" : "198.51.100." + std::to_string(1 + pick(3)));
    NextHop hop = next_hop(own ? "2001:db8::1" : "2001:db8:1::" + std::to_string(1 + pick(3)));
    if (pick(3) == 0) hop.link_local = address("fe80::1");
    return hop;
  }

  // --- what may happen
  void announce() {
    const PeerId peer = pick_peer();
    UpdateMessage update;
    Reach& reach = update.reach[UpdateMessage::kMpReach];
    const Prefix first = pick_prefix();
    reach.family = unicast(first.family());
    reach.next_hop = pick_next_hop(reach.family);
    update.attributes = pick_attributes(peers_[peer.value].peer.kind);
    for (unsigned i = 0; i < 1 + pick(4); ++i) {
      const Prefix p = i == 0 ? first : pick_prefix();
      if (p.family() != first.family()) continue;
      const std::uint32_t path_id = peer.value == 1 || peer.value == 6 ? pick(2) : 0;
      reach.nlri.push_back({p, path_id});
      Route& route = routes_[{p, peer.value, path_id}];
      route.attributes = update.attributes;
      route.attributes.next_hop = reach.next_hop;
      route.stale = false;
    }
    tell_next_hop(reach.next_hop.address);
    rib_.apply(peer, update, at_second(++now_));
  }

  void withdraw() {
    if (routes_.empty()) return;
    const auto near = routes_.lower_bound({pick_prefix(), static_cast<std::uint16_t>(pick(9)), 0});
    if (near == routes_.end()) return;
    const auto [p, peer, path_id] = near->first;
    routes_.erase(near);
    if (peer == 0) {
      rib_.unoriginate(p);
      return;
    }
    const NlriEntry route{p, path_id};
    rib_.withdraw({peer}, unicast(p.family()), {&route, 1});
  }

  void own() {
    const Prefix p = pick_prefix();
    PathAttributes a;
    if (pick(2) == 0) a.med = 5;
    rib_.originate(p, a, at_second(++now_));
    a.next_hop = {IpAddress::any(p.family()), {}};
    routes_[{p, 0, 0}] = {a, false};
  }

  void session_end() {
    const PeerId peer = pick_peer();
    const Family family = kAllFamilies[pick(2)];
    const unsigned how = pick(3);
    const auto mine = [&](const RouteKey& key) {
      return std::get<1>(key) == peer.value && unicast(std::get<0>(key).family()) == family;
    };
    if (how == 0) {
      rib_.mark_stale(peer, family);
      for (auto& [key, route] : routes_) route.stale = route.stale || mine(key);
    } else if (how == 1) {
      rib_.sweep_stale(peer, family);
      std::erase_if(routes_, [&](const auto& r) { return mine(r.first) && r.second.stale; });
    } else {
      rib_.clear_peer(peer, family);
      std::erase_if(routes_, [&](const auto& r) { return mine(r.first); });
    }
  }

  // At most one of these rules stands in front of one that accepts all.
  struct Rules {
    std::optional<PrefixRange> rejected;
    std::optional<PrefixRange> changed;  // local preference 300, 65000:77 added, MED 9
    bool accepts_rest = true;
  };
  Rules pick_rules() {
    Rules rules;
    const PrefixRange range =
        pick(2) == 0 ? PrefixRange{prefix("10.0.0.0/11"), 0, static_cast<std::uint8_t>(20 + pick(13))}
                     : PrefixRange{prefix("2001:db8::/32"), 60, 100};
    if (pick(2) == 0) (pick(2) == 0 ? rules.rejected : rules.changed) = range;
    rules.accepts_rest = pick(5) != 0;
    return rules;
  }
  static PolicyPtr policy(const Rules& rules) {
    std::vector<RouteRule> list;
    if (rules.rejected) {
      list.push_back(accept_prefixes("rejected", {*rules.rejected}));
      list.back().verdict = Verdict::kReject;
    }
    if (rules.changed) {
      list.push_back(accept_prefixes("changed", {*rules.changed}));
      list.back().verdict.reset();
      list.back().changes.local_pref = 300;
      list.back().changes.med = 9;
      list.back().changes.add_communities = {CommunityPattern::of(kAdded)};
    }
    if (rules.accepts_rest) list.push_back(accept_prefixes("rest", {}));
    return PolicyPtr(list);
  }
  // The same in the plainest way. Nothing: no rule decides, or one rejects.
  static bool passes(const Rules& rules, const Prefix& p, PathAttributes& a) {
    if (rules.rejected && rules.rejected->contains(p)) return false;
    if (rules.changed && rules.changed->contains(p)) {
      a.local_pref = 300;
      a.med = 9;
      if (!a.has(kAdded)) a.communities.push_back(kAdded);
    }
    return rules.accepts_rest;
  }

  void change_import() {
    const PeerId peer = pick_peer();
    imports_[peer.value] = pick_rules();
    rib_.set_import_policy(peer, policy(imports_[peer.value]), {});
  }

  void change_export() {
    const PeerId peer = pick_peer();
    ModelPeer& p = peers_[peer.value];
    if (pick(3) == 0) {
      exports_.erase(peer.value);
      p.target.policy = {};
    } else {
      exports_[peer.value] = pick_rules();
      p.target.policy = policy(exports_[peer.value]);
    }
    rib_.change_output(peer, p.target);
  }

  void open_or_close() {
    const PeerId peer = pick_peer();
    ModelPeer& p = peers_[peer.value];
    if (p.receiver && pick(3) == 0) {
      rib_.close_output(peer);
      p.receiver.reset();
    } else if (!p.receiver) {
      p.receiver = std::make_unique<Receiver>(p.target);
      rib_.open_output(peer, p.target);
    }
  }

  void refresh() {
    const PeerId peer = pick_peer();
    if (peers_[peer.value].receiver) rib_.refresh_output(peer, kAllFamilies[pick(2)]);
  }

  void read_changes(std::size_t budget) {
    std::vector<RibDelta> deltas;
    rib_.read_changes(budget, deltas);
    for (const RibDelta& delta : deltas) {
      if (delta.best) {
        fib_[delta.prefix] = *delta.best;
      } else {
        fib_.erase(delta.prefix);
      }
    }
  }

  // What the owner of the RIB does: he says what he knows before the first route, and each change.
  void tell_next_hop(const IpAddress& hop) {
    if (rib_.knows_next_hop(hop)) return;
    const auto known = ways_.find(hop);
    rib_.set_next_hop(hop, known == ways_.end() ? NextHopState{} : known->second);
  }
  void change_next_hop() {
    const IpAddress hop = pick_next_hop(kAllFamilies[pick(2)]).address;
    if (identity().addresses[0] == hop || identity().addresses[1] == hop) return;
    ways_[hop] = {.reachable = pick(3) != 0, .cost = pick(3)};
    if (rib_.knows_next_hop(hop)) rib_.set_next_hop(hop, ways_[hop]);
  }

  // --- the rules, in the plainest way
  bool usable(const RouteKey& key, const Route& route) const {
    if (std::get<1>(key) == 0) return true;
    return taken(key, route) && way_to(imported(key, route.attributes)).reachable;
  }

  NextHopState way_to(const PathAttributes& a) const {
    const auto known = ways_.find(a.next_hop.address);
    return known == ways_.end() ? NextHopState{} : known->second;
  }

  bool taken(const RouteKey& key, const Route& route) const {
    const auto& [p, peer, path_id] = key;
    if (peer == 0) return true;
    const PathAttributes& a = route.attributes;
    if (a.as_path.contains({65000}) || a.originator_id == RouterId{0x0A000001}) return false;
    if (std::count(a.cluster_list.begin(), a.cluster_list.end(), RouterId{0x0A000001}) != 0) return false;
    if (a.next_hop.address == address("192.0.2.1") || a.next_hop.address == address("2001:db8::1"))
      return false;
    PathAttributes changed = a;
    return passes(imports(peer), p, changed);
  }

  Rules imports(std::uint16_t peer) const {
    const auto rules = imports_.find(peer);
    return rules == imports_.end() ? Rules{} : rules->second;
  }

  // As the import policy makes it.
  PathAttributes imported(const RouteKey& key, PathAttributes a) const {
    const std::uint16_t peer = std::get<1>(key);
    if (peer == 0) return a;
    passes(imports(peer), std::get<0>(key), a);
    if (peers_.at(peer).peer.kind == PeerKind::kExternal && a.has(kGracefulShutdown)) a.local_pref = 0;
    return a;
  }

  template <class F>
  static void keep_lowest(std::vector<Chosen>& paths, F&& rank) {
    if (paths.empty()) return;
    auto lowest = rank(paths[0]);
    for (const Chosen& c : paths) lowest = std::min(lowest, rank(c));
    std::erase_if(paths, [&](const Chosen& c) { return rank(c) != lowest; });
  }

  std::vector<Chosen> usable_paths(const Prefix& p) const {
    std::vector<Chosen> paths;
    for (auto it = routes_.lower_bound({p, 0, 0}); it != routes_.end() && std::get<0>(it->first) == p; ++it) {
      if (usable(it->first, it->second)) {
        paths.push_back(
            {{std::get<1>(it->first)}, std::get<2>(it->first), imported(it->first, it->second.attributes)});
      }
    }
    return paths;
  }

  std::optional<Chosen> best(const Prefix& p) const { return best_of(usable_paths(p)); }

  std::optional<Chosen> best_of(std::vector<Chosen> paths) const {
    const auto kind = [this](const Chosen& c) { return peers_.at(c.peer.value).peer.kind; };
    keep_lowest(paths, [&](const Chosen& c) { return c.peer == kLocalPeer ? 0 : 1; });
    keep_lowest(paths, [](const Chosen& c) { return -std::int64_t{c.attributes.local_pref.value_or(100)}; });
    keep_lowest(paths, [](const Chosen& c) { return c.attributes.as_path.length(); });
    keep_lowest(paths, [](const Chosen& c) { return c.attributes.origin; });
    const std::vector<Chosen> all = paths;
    std::erase_if(paths, [&](const Chosen& m) {
      return std::any_of(all.begin(), all.end(), [&](const Chosen& n) {
        return n.attributes.as_path.first_as() == m.attributes.as_path.first_as() &&
               n.attributes.med.value_or(0) < m.attributes.med.value_or(0);
      });
    });
    keep_lowest(paths, [&](const Chosen& c) { return is_internal(kind(c)) ? 1 : 0; });
    keep_lowest(paths, [&](const Chosen& c) { return way_to(c.attributes).cost; });
    keep_lowest(paths, [&](const Chosen& c) {
      return c.attributes.originator_id.value_or(peers_.at(c.peer.value).peer.router_id);
    });
    keep_lowest(paths, [](const Chosen& c) { return c.attributes.cluster_list.size(); });
    keep_lowest(paths, [&](const Chosen& c) { return peers_.at(c.peer.value).peer.address; });
    keep_lowest(paths, [](const Chosen& c) { return c.path_id; });
    if (paths.empty()) return std::nullopt;
    return paths[0];
  }

  // All paths that the peer is told of the prefix, in no order.
  std::vector<PathAttributes> told_paths(PeerId peer, const Prefix& p, bool also_own = false) const {
    const ExportTarget& to = peers_.at(peer.value).target;
    std::size_t limit = to.session.of(unicast(p.family())).add_path_send ? to.path_limit : 1;
    if (limit == 0) limit = routes_.size();
    std::vector<PathAttributes> all;
    std::vector<Chosen> left = usable_paths(p);
    const bool only_best = !to.session.of(unicast(p.family())).add_path_send;
    while (!left.empty() && limit != 0) {
      const Chosen chosen = *best_of(left);
      std::erase_if(left,
                    [&](const Chosen& c) { return c.peer == chosen.peer && c.path_id == chosen.path_id; });
      const auto a = told(peer, chosen, p);
      if (a || only_best) --limit;  // a path that may not be told takes nobody's place
      if (a && (chosen.peer != peer || also_own)) all.push_back(*a);
    }
    std::ranges::sort(all);
    return all;
  }

  std::optional<PathAttributes> told(PeerId peer, const std::optional<Chosen>& chosen,
                                     const Prefix& p) const {
    const ModelPeer& to = peers_.at(peer.value);
    const PeerKind from = peers_.at(chosen->peer.value).peer.kind;
    PathAttributes a = chosen->attributes;
    const auto has = [&a](Community c) {
      return std::count(a.communities.begin(), a.communities.end(), c) != 0;
    };
    if (has(kNoAdvertise) || (has(kNoExport) && to.peer.kind == PeerKind::kExternal)) return std::nullopt;
    const bool inside = is_internal(from) && is_internal(to.peer.kind);
    const bool reflected = inside && (from == PeerKind::kClient || to.peer.kind == PeerKind::kClient);
    if (inside && !reflected) return std::nullopt;
    const auto rules = exports_.find(peer.value);
    bool med_set = false;
    if (rules != exports_.end()) {
      if (rules->second.rejected && rules->second.rejected->contains(p)) return std::nullopt;
      med_set = rules->second.changed && rules->second.changed->contains(p);
    }
    const bool accepted = rules != exports_.end() && passes(rules->second, p, a);
    const bool by_default = from == PeerKind::kLocal || reflected || to.target.scope == ExportScope::kAll;
    if (!accepted && !by_default) return std::nullopt;
    const bool v4 = p.family() == AddressFamily::kIpv4;
    if (from == PeerKind::kLocal || to.peer.kind == PeerKind::kExternal) {
      a.next_hop = next_hop(v4 ? "192.0.2.1" : "2001:db8::1");
    }
    for (UnknownAttribute& u : a.unknown) u.flags = 0xE0;
    if (to.peer.kind == PeerKind::kExternal) {
      if (a.as_path.segments.empty()) a.as_path.segments.push_back({SegmentType::kSequence, {}});
      auto& numbers = a.as_path.segments[0].numbers;
      numbers.insert(numbers.begin(), AsNumber{65000});
      a.local_pref.reset();
      if (from != PeerKind::kLocal && !med_set) a.med.reset();
      a.originator_id.reset();
      a.cluster_list.clear();
    } else {
      a.local_pref = a.local_pref.value_or(100);
      if (reflected) {
        a.originator_id = a.originator_id.value_or(peers_.at(chosen->peer.value).peer.router_id);
        a.cluster_list.insert(a.cluster_list.begin(), RouterId{0x0A000001});
      }
    }
    return a;
  }

  std::set<Prefix> prefixes() const {
    std::set<Prefix> all;
    for (const auto& [key, route] : routes_) all.insert(std::get<0>(key));
    return all;
  }

  // --- checks
  void check_tables() {
    EXPECT_EQ(rib_.path_count(), routes_.size());
    const std::set<Prefix> all = prefixes();
    EXPECT_EQ(rib_.prefix_count(Family::kIpv4Unicast) + rib_.prefix_count(Family::kIpv6Unicast), all.size());
    std::set<PathAttributes> sets;
    for (const auto& [key, route] : routes_) {
      sets.insert(route.attributes);
      if (taken(key, route)) sets.insert(imported(key, route.attributes));
    }
    // What an adj-rib-out holds as it is sent.
    for (const auto& [id, peer] : peers_) {
      if (!peer.receiver || !holds_sets_as_sent(peer.target)) continue;
      for (const Prefix& p : all) {
        for (const PathAttributes& a : told_paths({id}, p, true)) sets.insert(a);
      }
    }
    EXPECT_EQ(rib_.attribute_set_count(), sets.size()) << "a reference was lost or kept";
    std::map<Prefix, FibPath> expected;
    for (const Prefix& p : all) {
      if (const auto chosen = best(p)) expected[p] = {chosen->peer, chosen->attributes.next_hop};
    }
    EXPECT_EQ(fib_.size(), expected.size());
    for (const auto& [p, path] : expected) {
      ASSERT_TRUE(fib_.contains(p)) << p.to_string();
      EXPECT_EQ(fib_[p], path) << p.to_string();
    }
    for (const auto& [id, peer] : peers_) {
      for (const Family family : kAllFamilies) {
        PeerCounters counters;
        for (const auto& [key, route] : routes_) {
          if (std::get<1>(key) != id || unicast(std::get<0>(key).family()) != family) continue;
          ++counters.received;
          if (usable(key, route)) ++counters.accepted;
          if (route.stale) ++counters.stale;
        }
        const PeerCounters actual = rib_.counters({id}, family);
        EXPECT_EQ(actual.received, counters.received);
        EXPECT_EQ(actual.accepted, counters.accepted);
        EXPECT_EQ(actual.stale, counters.stale);
      }
    }
  }

  void check_walk() {
    WalkCursor cursor;
    std::vector<RouteRow> rows;
    while (!cursor.done) rib_.walk_loc_rib(cursor, 3, at_second(now_), rows);
    ASSERT_EQ(rows.size(), routes_.size());
    for (const RouteRow& row : rows) {
      const auto it = routes_.find({row.prefix, row.peer.value, row.path_id});
      ASSERT_NE(it, routes_.end());
      EXPECT_EQ(row.attributes, taken(it->first, it->second) ? imported(it->first, it->second.attributes)
                                                             : it->second.attributes);
      EXPECT_EQ(row.stale, it->second.stale);
      EXPECT_EQ(row.exclusion == PathExclusion::kNone, usable(it->first, it->second));
      const auto chosen = best(row.prefix);
      EXPECT_EQ(row.best, chosen && chosen->peer == row.peer && chosen->path_id == row.path_id);
    }
    EXPECT_TRUE(std::ranges::is_sorted(rows, {}, &RouteRow::prefix));
  }

  void check_receiver(PeerId peer, const ModelPeer& p) {
    SCOPED_TRACE("peer " + std::to_string(peer.value));
    std::map<Prefix, std::vector<PathAttributes>> expected;
    std::size_t count = 0;
    for (const Prefix& at : prefixes()) {
      auto told = told_paths(peer, at);
      count += told.size();
      if (!told.empty()) expected[at] = std::move(told);
    }
    EXPECT_FALSE(rib_.has_output(peer));
    std::map<Prefix, std::vector<PathAttributes>> received;
    for (const auto& [at, paths] : p.receiver->paths) {
      for (const auto& [path_id, a] : paths) received[at].push_back(a);
      std::ranges::sort(received[at]);
    }
    EXPECT_EQ(received, expected);
    for (const Family family : kAllFamilies) {
      const int told = p.receiver->end_of_ribs[family];
      // Held: of those that heard own routes alone before, some have had it.
      EXPECT_TRUE(told == 1 || (told == 0 && held_for_ > 0)) << told;
    }
    WalkCursor cursor;
    std::vector<RouteRow> rows;
    while (!cursor.done) rib_.walk_adj_rib_out(peer, cursor, 5, at_second(now_), rows);
    EXPECT_EQ(rows.size(), count);
    EXPECT_EQ(rib_.sent(peer, Family::kIpv4Unicast) + rib_.sent(peer, Family::kIpv6Unicast), count);
    for (const RouteRow& row : rows) {
      EXPECT_EQ(row.attributes, p.receiver->paths[row.prefix][row.path_id]) << row.prefix.to_string();
    }
  }

  std::mt19937 random_;
  Rib rib_;
  unsigned prefix_count_;
  int held_for_ = 0;
  int now_ = 1000;
  std::map<std::uint16_t, ModelPeer> peers_;
  std::map<RouteKey, Route> routes_;
  std::map<Prefix, FibPath> fib_;
  std::map<IpAddress, NextHopState> ways_;  // absent: on a link
  std::map<std::uint16_t, Rules> imports_;  // absent: all is accepted
  std::map<std::uint16_t, Rules> exports_;  // absent: no policy
};

struct Case {
  const char* reason;
  unsigned seeds;
  unsigned steps;
  unsigned prefixes;
  RibLimits limits;
};

class RibModel : public testing::TestWithParam<Case> {};

TEST_P(RibModel, EveryHistoryEndsInTheStateThatTheRoutesDemand) {
  const Case& c = GetParam();
  for (unsigned seed = 1; seed <= c.seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + c.reason);
    Model model(seed, c.limits, c.prefixes);
    // Every second host has restarted, and its End-of-RIB is held for a while.
    if (seed % 2 == 0) model.hold_end_of_rib();
    for (unsigned step = 1; step <= c.steps; ++step) {
      model.step();
      if (step % (c.steps / 4) == 0) model.settle_and_check();
      if (testing::Test::HasFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Histories, RibModel,
    testing::Values(
        Case{"few prefixes, tiny batches and queue: peers fall behind all the time", 60, 1200, 12, {2, 100}},
        Case{"a queue with room for some batches", 40, 1200, 40, {3, 1500}},
        Case{"as in service", 20, 2000, 300, {}}),
    [](const auto& c) { return "Case" + std::to_string(c.index); });

}  // namespace
}  // namespace towpath::bgp
