#include "bgp/rib/rib.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "bgp/rib/tables.h"
#include "bgp/rib/update_group.h"
#include "towpath/base/check.h"

namespace towpath::bgp {

// Something that goes over all prefixes of a family in slices.
struct Rib::Job {
  enum class Kind : std::uint8_t { kSweep, kImportRules };
  Kind kind = Kind::kSweep;
  PeerId peer;
  Family family = Family::kIpv4Unicast;
  std::optional<Prefix> next;  // from the start where empty
  std::uint8_t epoch = 0;      // kSweep: what is older goes
};

namespace {

std::uint32_t seconds(TimePoint t) {
  return static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count());
}

bool rules_accept(const ImportRules& rules, const Prefix& prefix) {
  for (const PrefixRule& rule : rules) {
    if (prefix.length() < rule.min_length || prefix.length() > rule.max_length) continue;
    if (rule.within.contains(prefix)) return rule.action == RuleAction::kAccept;
  }
  return false;
}

bool is_usable(const NextHop& next_hop, const RibIdentity& identity) {
  const IpAddress& a = next_hop.address;
  if (a.is_unspecified() || a.is_loopback() || a.is_multicast()) return false;
  return std::ranges::find(identity.addresses, a) == identity.addresses.end();
}

// What speaks against all routes with these attributes.
PathExclusion exclusion_of(const PathAttributes& attributes, const NextHop& next_hop,
                           const RibIdentity& identity) {
  if (attributes.as_path.contains(identity.as)) return PathExclusion::kAsLoop;
  if (attributes.originator_id == identity.router_id) return PathExclusion::kOriginatorLoop;
  if (std::ranges::find(attributes.cluster_list, identity.cluster_id) != attributes.cluster_list.end()) {
    return PathExclusion::kClusterLoop;
  }
  return is_usable(next_hop, identity) ? PathExclusion::kNone : PathExclusion::kNextHop;
}

}  // namespace

Rib::Rib(RibIdentity identity, RibLimits limits)
    : tables_(std::make_unique<RibTables>(std::move(identity), limits)) {
  tables_->peers.emplace_back();
  tables_->peers[kLocalPeer.value].peer.kind = PeerKind::kLocal;
  tables_->peers[kLocalPeer.value].in_use = true;
  fib_cursor_ = tables_->journal.add_cursor();
}

Rib::~Rib() = default;

void Rib::set_identity(RibIdentity identity) {
  tables_->identity = std::move(identity);
}

PeerEntry& Rib::peer_entry(PeerId peer) {
  TOWPATH_CHECK(peer.value < tables_->peers.size() && tables_->peers[peer.value].in_use);
  return tables_->peers[peer.value];
}

// --- peers

PeerId Rib::add_peer(RibPeer peer) {
  auto& peers = tables_->peers;
  auto unused = std::ranges::find_if(peers, [](const PeerEntry& p) { return !p.in_use; });
  if (unused == peers.end()) {
    TOWPATH_CHECK(peers.size() <= std::numeric_limits<std::uint16_t>::max());
    peers.emplace_back();
    unused = peers.end() - 1;
  }
  *unused = {};
  unused->peer = std::move(peer);
  unused->in_use = true;
  return {static_cast<std::uint16_t>(unused - peers.begin())};
}

void Rib::set_router_id(PeerId peer, RouterId router_id) {
  peer_entry(peer).peer.router_id = router_id;
}

void Rib::set_import_rules(PeerId peer, ImportRules rules) {
  PeerEntry& entry = peer_entry(peer);
  if (entry.peer.import_rules == rules) return;
  entry.peer.import_rules = std::move(rules);
  for (const Family family : kAllFamilies) start({Job::Kind::kImportRules, peer, family, {}, 0});
}

void Rib::remove_peer(PeerId peer) {
  TOWPATH_CHECK(peer != kLocalPeer);
  close_output(peer);
  for (const Family family : kAllFamilies) clear_peer(peer, family);
  peer_entry(peer).leaving = true;
  release_if_gone(peer);
}

void Rib::release_if_gone(PeerId peer) {
  PeerEntry& entry = peer_entry(peer);
  if (!entry.leaving) return;
  for (const auto& family : entry.families) {
    if (family.fresh + family.stale != 0) return;
  }
  std::erase_if(jobs_, [peer](const Job& job) { return job.peer == peer; });
  entry.in_use = false;
}

// --- adj-rib-in

void Rib::apply(PeerId peer, const UpdateMessage& update, TimePoint now) {
  for (const Unreach& part : update.unreach) withdraw(peer, part.family, part.nlri);
  for (const Reach& part : update.reach) {
    if (!part.nlri.empty()) announce(peer, part.family, part.next_hop, part.nlri, update.attributes, now);
  }
}

void Rib::announce(PeerId peer, Family family, const NextHop& next_hop, std::span<const NlriEntry> nlri,
                   const PathAttributes& attributes, TimePoint now) {
  PeerEntry& entry = peer_entry(peer);
  const AttributeId id = tables_->attributes.intern(attributes, next_hop);
  const PathExclusion exclusion = exclusion_of(attributes, next_hop, tables_->identity);
  PathEntry path;
  path.attributes = id;
  path.peer = peer;
  path.since = seconds(now);
  path.epoch = entry.families[index(family)].epoch;
  for (const NlriEntry& route : nlri) {
    TOWPATH_CHECK(unicast(route.prefix.family()) == family);
    path.path_id = route.path_id;
    path.exclusion = exclusion;
    if (exclusion == PathExclusion::kNone && !rules_accept(entry.peer.import_rules, route.prefix)) {
      path.exclusion = PathExclusion::kImportRules;
    }
    put(family, route.prefix, path);
  }
  tables_->attributes.unref(id);
}

void Rib::withdraw(PeerId peer, Family family, std::span<const NlriEntry> nlri) {
  peer_entry(peer);
  const PrefixTable& table = tables_->prefixes[index(family)];
  for (const NlriEntry& route : nlri) {
    const std::uint32_t number = table.find(route.prefix);
    if (number == kNoIndex) continue;
    const PrefixRef prefix = PrefixRef::make(family, number);
    const std::uint32_t path = find_path(prefix, peer, route.path_id);
    if (path != kNoIndex) remove(prefix, path);
  }
}

void Rib::originate(const Prefix& prefix, const PathAttributes& attributes, TimePoint now) {
  PathEntry path;
  path.attributes = tables_->attributes.intern(attributes, {IpAddress::any(prefix.family()), {}});
  path.peer = kLocalPeer;
  path.since = seconds(now);
  put(unicast(prefix.family()), prefix, path);
  tables_->attributes.unref(path.attributes);
}

void Rib::unoriginate(const Prefix& prefix) {
  const NlriEntry route{prefix, 0};
  withdraw(kLocalPeer, unicast(prefix.family()), {&route, 1});
}

// --- paths

std::uint32_t Rib::find_path(PrefixRef prefix, PeerId peer, std::uint32_t path_id) const {
  std::uint32_t i = tables_->prefixes[index(prefix.family())].paths(prefix.number());
  while (i != kNoIndex && (tables_->paths[i].peer != peer || tables_->paths[i].path_id != path_id)) {
    i = tables_->paths[i].next;
  }
  return i;
}

// Adds the path or replaces the one of this peer with this path id.
void Rib::put(Family family, const Prefix& prefix, const PathEntry& path) {
  PrefixTable& table = tables_->prefixes[index(family)];
  const PrefixRef ref = PrefixRef::make(family, table.insert(prefix));
  std::uint32_t& first = table.paths(ref.number());
  const Best before = best(ref);
  const std::uint32_t known = find_path(ref, path.peer, path.path_id);
  if (known != kNoIndex) {
    PathEntry& old = tables_->paths[known];
    if (old.epoch != path.epoch) {
      count(old, family, -1);
      old.epoch = path.epoch;
      count(old, family, 1);
    }
    if (old.attributes == path.attributes && old.exclusion == path.exclusion) return;
    tables_->attributes.ref(path.attributes);
    tables_->attributes.unref(old.attributes);
    count(old, family, -1);
    old.attributes = path.attributes;
    old.exclusion = path.exclusion;
    old.since = path.since;
    count(old, family, 1);
    select(ref, before);
    return;
  }
  tables_->attributes.ref(path.attributes);
  const std::uint32_t added = tables_->paths.allocate(path);
  count(path, family, 1);
  if (first == kNoIndex) {
    first = added;
  } else {
    tables_->paths[added].next = tables_->paths[first].next;
    tables_->paths[first].next = added;
  }
  select(ref, before);
}

void Rib::remove(PrefixRef prefix, std::uint32_t path) {
  PrefixTable& table = tables_->prefixes[index(prefix.family())];
  const Best before = best(prefix);
  std::uint32_t* link = &table.paths(prefix.number());
  while (*link != path) link = &tables_->paths[*link].next;
  const PathEntry& entry = tables_->paths[path];
  *link = entry.next;
  count(entry, prefix.family(), -1);
  const AttributeId attributes = entry.attributes;
  tables_->paths.release(path);
  select(prefix, before);
  tables_->attributes.unref(attributes);
  // Where no reader has to learn of it, the number is free at once.
  if (table.paths(prefix.number()) == kNoIndex && !tables_->journal.contains(prefix))
    table.erase(prefix.number());
}

void Rib::count(const PathEntry& path, Family family, std::ptrdiff_t change) {
  auto& counters = tables_->peers[path.peer.value].families[index(family)];
  const auto step = static_cast<std::size_t>(change);
  (path.epoch == counters.epoch ? counters.fresh : counters.stale) += step;
  if (path.exclusion == PathExclusion::kNone) counters.accepted += step;
}

Rib::Best Rib::best(PrefixRef prefix) const {
  const std::uint32_t first = tables_->prefixes[index(prefix.family())].paths(prefix.number());
  if (first == kNoIndex || tables_->paths[first].exclusion != PathExclusion::kNone) return {};
  return {first, tables_->paths[first].attributes};
}

// Puts the best path in front, and notes the prefix in the journal where that, or its attributes, are new.
void Rib::select(PrefixRef prefix, const Best& before) {
  std::uint32_t& first = tables_->prefixes[index(prefix.family())].paths(prefix.number());
  if (first != kNoIndex && tables_->paths[first].next != kNoIndex) {
    tables_->candidates(prefix, candidates_);
    if (!candidates_.empty()) {
      const std::uint32_t chosen = select_best(candidates_).path;
      if (chosen != first) {
        std::uint32_t* link = &first;
        while (*link != chosen) link = &tables_->paths[*link].next;
        *link = tables_->paths[chosen].next;
        tables_->paths[chosen].next = first;
        first = chosen;
      }
    }
  }
  if (best(prefix) != before) tables_->journal.record(prefix);
}

// --- long work

void Rib::mark_stale(PeerId peer, Family family) {
  auto& counters = peer_entry(peer).families[index(family)];
  // Epochs count to 256. A peer that was marked stale that often without one sweep coming to its end has its
  // oldest routes removed now, or they would look fresh again.
  if (static_cast<std::uint8_t>(counters.epoch - counters.swept) == 0xFE) {
    Job job{Job::Kind::kSweep, peer, family, {}, counters.epoch};
    std::size_t budget = std::numeric_limits<std::size_t>::max();
    while (!run(job, budget)) {
    }
  }
  ++counters.epoch;
  counters.stale += std::exchange(counters.fresh, 0);
}

void Rib::sweep_stale(PeerId peer, Family family) {
  const auto& counters = peer_entry(peer).families[index(family)];
  start({Job::Kind::kSweep, peer, family, {}, counters.epoch});
}

void Rib::clear_peer(PeerId peer, Family family) {
  mark_stale(peer, family);
  sweep_stale(peer, family);
}

// A job of the same kind that is under way starts anew.
void Rib::start(Job job) {
  const auto same = std::ranges::find_if(jobs_, [&](const Job& other) {
    return other.kind == job.kind && other.peer == job.peer && other.family == job.family;
  });
  if (same == jobs_.end()) {
    jobs_.push_back(job);
  } else {
    *same = job;
  }
}

bool Rib::work(std::size_t budget) {
  while (budget != 0 && !jobs_.empty()) {
    if (!run(jobs_.front(), budget)) continue;
    const PeerId peer = jobs_.front().peer;
    jobs_.erase(jobs_.begin());
    release_if_gone(peer);
  }
  return !jobs_.empty();
}

// One slice; takes what it looked at off the budget. True when the job is done.
bool Rib::run(Job& job, std::size_t& budget) {
  auto& counters = peer_entry(job.peer).families[index(job.family)];
  const auto nothing_left = [&] {
    return job.kind == Job::Kind::kSweep ? counters.stale == 0 : counters.stale + counters.fresh == 0;
  };
  bool through = nothing_left();
  if (!through) {
    // Removing paths can remove prefixes, so the slice is collected first.
    constexpr std::size_t kSlice = 1024;
    const std::size_t slice = std::min(budget, kSlice);
    slice_.clear();
    const Prefix from = job.next.value_or(Prefix::default_route(address_family(job.family)));
    through =
        tables_->prefixes[index(job.family)].walk(from, [&](const Prefix& prefix, std::uint32_t number) {
          if (slice_.size() == slice) {
            job.next = prefix;
            return false;
          }
          slice_.push_back(PrefixRef::make(job.family, number));
          return true;
        });
    budget -= slice_.size();
    for (const PrefixRef prefix : slice_) run_on(job, prefix);
    through = through || nothing_left();
  }
  if (through && job.kind == Job::Kind::kSweep) counters.swept = job.epoch;
  return through;
}

void Rib::run_on(const Job& job, PrefixRef prefix) {
  // Each change may put the list in another order, so the peer's paths are collected first.
  peer_paths_.clear();
  std::uint32_t i = tables_->prefixes[index(job.family)].paths(prefix.number());
  for (; i != kNoIndex; i = tables_->paths[i].next) {
    if (tables_->paths[i].peer == job.peer) peer_paths_.push_back(i);
  }
  for (const std::uint32_t path : peer_paths_) {
    if (job.kind == Job::Kind::kSweep) {
      sweep(job, prefix, path);
    } else {
      apply_rules(prefix, path);
    }
  }
}

void Rib::sweep(const Job& job, PrefixRef prefix, std::uint32_t path) {
  const std::uint8_t epoch = tables_->peers[job.peer.value].families[index(job.family)].epoch;
  const auto age = [epoch](std::uint8_t e) { return static_cast<std::uint8_t>(epoch - e); };
  if (age(tables_->paths[path].epoch) > age(job.epoch)) remove(prefix, path);
}

void Rib::apply_rules(PrefixRef prefix, std::uint32_t path) {
  PathEntry& entry = tables_->paths[path];
  if (entry.exclusion != PathExclusion::kNone && entry.exclusion != PathExclusion::kImportRules) return;
  const ImportRules& rules = tables_->peers[entry.peer.value].peer.import_rules;
  const bool accepted = rules_accept(rules, tables_->prefix(prefix));
  const PathExclusion exclusion = accepted ? PathExclusion::kNone : PathExclusion::kImportRules;
  if (exclusion == entry.exclusion) return;
  const Best before = best(prefix);
  count(entry, prefix.family(), -1);
  entry.exclusion = exclusion;
  count(entry, prefix.family(), 1);
  select(prefix, before);
}

// --- the FIB

bool Rib::has_changes() const {
  return !tables_->journal.at_end(fib_cursor_);
}

bool Rib::read_changes(std::size_t budget, std::vector<RibDelta>& out) {
  slice_.clear();
  tables_->journal.read(fib_cursor_, budget, slice_);
  for (const PrefixRef prefix : slice_) {
    RibDelta delta{tables_->prefix(prefix), {}};
    if (const PathEntry* path = tables_->best(prefix)) {
      delta.best = FibPath{path->peer, tables_->attributes.next_hop(path->attributes)};
    }
    out.push_back(std::move(delta));
  }
  tables_->trim_journal();
  return has_changes();
}

// --- what peers are told

void Rib::open_output(PeerId peer, const ExportTarget& target) {
  peer_entry(peer);
  close_output(peer);
  if (outputs_.size() <= peer.value) outputs_.resize(peer.value + 1U);
  auto output = std::make_unique<PeerOutput>();
  output->peer = peer;
  group_for(target).join(*output);
  outputs_[peer.value] = std::move(output);
}

UpdateGroup& Rib::group_for(const ExportTarget& target) {
  ExportTarget key = target;
  // What only concerns receiving makes no difference to what is sent.
  key.session.max_receive = kMaxMessageSize;
  for (const Family family : kAllFamilies) key.session.families[index(family)].add_path_receive = false;
  for (const auto& group : groups_) {
    if (group->target() == key) return *group;
  }
  return *groups_.emplace_back(std::make_unique<UpdateGroup>(*tables_, key));
}

void Rib::close_output(PeerId peer) {
  if (peer.value >= outputs_.size() || outputs_[peer.value] == nullptr) return;
  UpdateGroup* group = outputs_[peer.value]->group;
  group->leave(*outputs_[peer.value]);
  outputs_[peer.value].reset();
  if (group->empty()) std::erase_if(groups_, [group](const auto& g) { return g.get() == group; });
  tables_->trim_journal();
}

void Rib::refresh_output(PeerId peer, Family family) {
  if (PeerOutput* output = output_of(peer)) output->group->refresh(*output, family);
}

bool Rib::pull(PeerId peer, std::size_t max_bytes, std::vector<OutputSlice>& out) {
  PeerOutput* output = output_of(peer);
  return output != nullptr && output->group->pull(*output, max_bytes, out);
}

bool Rib::has_output(PeerId peer) const {
  const PeerOutput* output = output_of(peer);
  return output != nullptr && output->group->has_output(*output);
}

PeerOutput* Rib::output_of(PeerId peer) const {
  return peer.value < outputs_.size() ? outputs_[peer.value].get() : nullptr;
}

}  // namespace towpath::bgp
