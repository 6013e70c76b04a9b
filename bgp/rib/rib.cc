#include "bgp/rib/rib.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "bgp/rib/import.h"
#include "bgp/rib/rib_job.h"
#include "bgp/rib/tables.h"
#include "bgp/rib/update_group.h"
#include "towpath/base/check.h"

namespace towpath::bgp {

namespace {

std::uint32_t seconds(TimePoint t) {
  return static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count());
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

void Rib::set_peer_identity(PeerId peer, RouterId router_id, AsNumber as) {
  RibPeer& entry = peer_entry(peer).peer;
  entry.router_id = router_id;
  entry.as = as;
}

void Rib::set_import_policy(PeerId peer, PolicyPtr policy, PolicyPtr authorisation,
                            std::vector<AsNumber> path_start) {
  RibPeer& entry = peer_entry(peer).peer;
  if (entry.import_policy == policy && entry.authorisation == authorisation &&
      entry.path_start == path_start) {
    return;
  }
  entry.path_start = std::move(path_start);
  entry.import_policy = std::move(policy);
  entry.authorisation = std::move(authorisation);
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

std::size_t Rib::apply(PeerId peer, const UpdateMessage& update, TimePoint now) {
  for (const Unreach& part : update.unreach) withdraw(peer, part.family, part.nlri);
  std::size_t not_taken = 0;
  for (const Reach& part : update.reach) {
    if (part.nlri.empty()) continue;
    not_taken += announce(peer, part.family, part.next_hop, part.nlri, update.attributes, now);
  }
  return not_taken;
}

std::size_t Rib::announce(PeerId peer, Family family, const NextHop& next_hop,
                          std::span<const NlriEntry> nlri, const PathAttributes& attributes, TimePoint now) {
  PeerEntry& entry = peer_entry(peer);
  const AttributeId id = tables_->attributes.intern(attributes, next_hop);
  Importer importer(*tables_, entry.peer, attributes, next_hop, id);
  PathEntry path;
  path.peer = peer;
  path.since = seconds(now);
  path.epoch = entry.families[index(family)].epoch;
  std::size_t not_taken = 0;
  for (const NlriEntry& route : nlri) {
    TOWPATH_CHECK(unicast(route.prefix.family()) == family);
    const Importer::Result result = importer.import(route.prefix);
    path.attributes = result.attributes;
    path.exclusion = result.exclusion;
    if (!put(route, path, id)) ++not_taken;
  }
  tables_->attributes.unref(id);
  return not_taken;
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
  put({prefix, 0}, path, path.attributes);
  tables_->attributes.unref(path.attributes);
}

void Rib::unoriginate(const Prefix& prefix) {
  const NlriEntry route{prefix, 0};
  withdraw(kLocalPeer, unicast(prefix.family()), {&route, 1});
}

// --- paths

std::uint32_t Rib::find_path(PrefixRef prefix, PeerId peer, std::uint32_t path_id) const {
  std::uint32_t i = tables_->prefixes[index(prefix.family())].paths(prefix.number());
  while (i != kNoIndex && (tables_->paths[i].peer != peer || tables_->path_id(i) != path_id)) {
    i = tables_->paths[i].next;
  }
  return i;
}

bool Rib::is_full(PrefixRef prefix, PeerId peer) const {
  std::size_t paths = 0;
  std::uint32_t i = tables_->prefixes[index(prefix.family())].paths(prefix.number());
  for (; i != kNoIndex; i = tables_->paths[i].next) {
    if (tables_->paths[i].peer == peer) ++paths;
  }
  return paths >= kMaxPathsOfPeer;
}

// Adds the path or replaces the one of this peer with this path id. `received` is the attribute set as it
// came, path.attributes what the import policy made of it. False: there are too many, nothing was done.
bool Rib::put(const NlriEntry& route, const PathEntry& path, AttributeId received) {
  const Family family = unicast(route.prefix.family());
  PrefixTable& table = tables_->prefixes[index(family)];
  const PrefixRef ref = PrefixRef::make(family, table.insert(route.prefix));
  std::uint32_t& first = table.paths(ref.number());
  const Best before = best(ref);
  const std::uint32_t known = find_path(ref, path.peer, route.path_id);
  if (known != kNoIndex) {
    PathEntry& old = tables_->paths[known];
    if (old.epoch != path.epoch) {
      count(old, family, -1);
      old.epoch = path.epoch;
      count(old, family, 1);
    }
    if (!replace(ref, known, path, received)) return true;
    old.since = path.since;
    select(ref, before);
    return true;
  }
  // (A peer without ADD-PATH has one path of a prefix, with the identifier 0.)
  if (route.path_id != 0 && is_full(ref, path.peer)) return false;
  tables_->attributes.ref(path.attributes);
  const std::uint32_t added = tables_->paths.allocate(path);
  if (route.path_id != 0) tables_->path_ids.at(added) = route.path_id;
  tables_->keep_received(added, received);
  count(path, family, 1);
  if (first == kNoIndex) {
    first = added;
  } else {
    tables_->paths[added].next = tables_->paths[first].next;
    tables_->paths[first].next = added;
  }
  select(ref, before);
  return true;
}

// Gives a path other attributes or another exclusion. False where it has them already.
bool Rib::replace(PrefixRef prefix, std::uint32_t path, const PathEntry& by, AttributeId received) {
  PathEntry& entry = tables_->paths[path];
  const bool same = entry.attributes == by.attributes && entry.exclusion == by.exclusion;
  tables_->attributes.ref(by.attributes);
  const AttributeId before = std::exchange(entry.attributes, by.attributes);
  tables_->keep_received(path, received);
  tables_->attributes.unref(before);  // only now: it may be what was received
  if (same) return false;
  count(entry, prefix.family(), -1);
  entry.exclusion = by.exclusion;
  count(entry, prefix.family(), 1);
  return true;
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
  tables_->keep_received(path, attributes);
  tables_->forget_ids(path);
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
  // With multipath any path may be one of those in use, and with ADD-PATH one of those that are told; the
  // reader finds out.
  const bool several =
      tables_->multipath[index(prefix.family())] > 1 || tables_->add_path_groups[index(prefix.family())] != 0;
  if (several || best(prefix) != before) tables_->journal.record(prefix);
}

// --- next hops

void Rib::set_next_hop(const IpAddress& address, const NextHopState& state) {
  NextHops& next_hops = tables_->attributes.next_hops();
  if (!next_hops.set(address, state)) return;
  for (const Family family : kAllFamilies) {
    const bool under_way = std::ranges::any_of(
        jobs_, [family](const Job& job) { return job.kind == Job::Kind::kNextHops && job.family == family; });
    const std::uint32_t news = next_hops.last_change();
    if (!under_way) jobs_.push_back({Job::Kind::kNextHops, kLocalPeer, family, {}, 0, news, news});
  }
}

bool Rib::knows_next_hop(const IpAddress& address) const {
  return tables_->attributes.next_hops().knows(address);
}

std::vector<IpAddress> Rib::take_untold_next_hops() {
  return tables_->attributes.next_hops().take_untold();
}

std::vector<NextHopRow> Rib::next_hops() const {
  return tables_->attributes.next_hops().in_use();
}

// --- the FIB

void Rib::set_multipath(const MultipathLimits& limits) {
  for (const Family family : kAllFamilies) {
    if (std::exchange(tables_->multipath[index(family)], limits[index(family)]) == limits[index(family)])
      continue;
    start({Job::Kind::kMultipath, kLocalPeer, family, {}, 0});
  }
}

bool Rib::has_changes() const {
  return !tables_->journal.at_end(fib_cursor_);
}

bool Rib::read_changes(std::size_t budget, std::vector<RibDelta>& out) {
  slice_.clear();
  tables_->journal.read(fib_cursor_, budget, slice_);
  for (const PrefixRef prefix : slice_) {
    RibDelta delta{tables_->prefix(prefix), {}};
    if (const PathEntry* path = tables_->best(prefix)) {
      delta.best = tables_->fib_path(*path);
      const std::size_t limit = tables_->multipath[index(prefix.family())];
      if (limit > 1 && path->next != kNoIndex) delta.others = equal_paths(prefix, *delta.best, limit - 1);
    }
    out.push_back(std::move(delta));
  }
  tables_->trim_journal();
  return has_changes();
}

// The paths beside `best` that differ from it by tie-breakers only, best first. Two peers that reflect one
// route give it the same next hop: that is one path to the FIB.
std::vector<FibPath> Rib::equal_paths(PrefixRef prefix, const FibPath& best, std::size_t limit) {
  std::vector<FibPath> out;
  if (best.peer == kLocalPeer || best.discard) return out;
  tables_->candidates(prefix, candidates_);
  eliminate(candidates_, DecisionRung::kRouterId);
  // Only tie-breakers are left, so the pairwise order is the order of preference.
  std::ranges::sort(candidates_,
                    [](const Candidate& a, const Candidate& b) { return compare_paths(a, b).order < 0; });
  for (const Candidate& candidate : candidates_) {
    const FibPath path = tables_->fib_path(tables_->paths[candidate.path]);
    const auto same = [&path](const FibPath& other) { return other.next_hop == path.next_hop; };
    if (out.size() == limit) break;
    if (!path.discard && !same(best) && std::ranges::none_of(out, same)) out.push_back(path);
  }
  return out;
}

// --- what peers are told

void Rib::open_output(PeerId peer, const ExportTarget& target) {
  peer_entry(peer);
  close_output(peer);
  if (outputs_.size() <= peer.value) outputs_.resize(peer.value + 1U);
  auto output = std::make_unique<PeerOutput>();
  output->peer = peer;
  group_for(target)->join(*output);
  outputs_[peer.value] = std::move(output);
}

void Rib::change_output(PeerId peer, const ExportTarget& target) {
  PeerOutput* output = output_of(peer);
  if (output == nullptr) return;
  const std::shared_ptr<UpdateGroup> now = group_for(output->group->target());
  const std::shared_ptr<UpdateGroup> next = group_for(target);
  if (now == next) return;
  next->take_over(*output, now);
  drop_if_empty(*now);
}

const std::shared_ptr<UpdateGroup>& Rib::group_for(const ExportTarget& target) {
  ExportTarget key = target;
  // What only concerns receiving makes no difference to what is sent.
  key.session.max_receive = kMaxMessageSize;
  for (auto& family : key.session.families) family.add_path_receive = false;
  const auto has_path_ids = [](const auto& family) { return family.add_path_send; };
  if (std::ranges::none_of(key.session.families, has_path_ids)) key.path_limit = 0;
  for (const auto& group : groups_) {
    if (group->target() == key) return group;
  }
  return groups_.emplace_back(std::make_shared<UpdateGroup>(*tables_, key));
}

void Rib::close_output(PeerId peer) {
  if (peer.value >= outputs_.size() || outputs_[peer.value] == nullptr) return;
  UpdateGroup& group = *outputs_[peer.value]->group;
  group.leave(*outputs_[peer.value]);
  outputs_[peer.value].reset();
  drop_if_empty(group);
  tables_->trim_journal();
}

void Rib::drop_if_empty(UpdateGroup& group) {
  if (!group.empty()) return;
  group.retire();
  std::erase_if(groups_, [&group](const auto& g) { return g.get() == &group; });
}

void Rib::refresh_output(PeerId peer, Family family, bool marked) {
  if (PeerOutput* output = output_of(peer)) output->group->refresh(*output, family, marked);
}

void Rib::hold_end_of_rib() {
  tables_->end_of_rib_held = true;
}

bool Rib::release_end_of_rib() {
  return std::exchange(tables_->end_of_rib_held, false);
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
