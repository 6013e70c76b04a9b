// The tables behind the Rib: what its parts (selection, update groups, walks) look at together.
//
// Model: see rib.h. Only Rib changes prefixes and paths; update groups read them, and take references on
// attribute sets.
//
// Threading: owned by the loop.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>

#include "bgp/rib/attribute_table.h"
#include "bgp/rib/decision.h"
#include "bgp/rib/journal.h"
#include "bgp/rib/pool.h"
#include "bgp/rib/prefix_table.h"
#include "bgp/rib/route.h"

namespace towpath::bgp {

// One path of one prefix: 16 bytes. Adj-rib-in entry and loc-rib entry at once.
struct PathEntry {
  AttributeId attributes;
  std::uint32_t next = kNoIndex;  // in the list of the prefix
  std::uint32_t since = 0;        // seconds of the monotonic clock
  PeerId peer;
  // Stale where it is not the peer's present epoch (PeerEntry): all routes of a peer become stale at once.
  std::uint8_t epoch = 0;
  PathExclusion exclusion = PathExclusion::kNone;
};
static_assert(sizeof(PathEntry) == 16);

struct PeerEntry {
  struct PerFamily {
    std::size_t fresh = 0;  // paths of the present epoch
    std::size_t stale = 0;  // of earlier ones
    std::size_t accepted = 0;
    std::uint8_t epoch = 0;
    std::uint8_t swept = 0;  // nothing older than this epoch is left
  };
  RibPeer peer;
  bool in_use = false;
  bool leaving = false;  // removed, but routes are left
  std::array<PerFamily, kFamilyCount> families{};
};

struct RibTables {
  RibTables(RibIdentity who, RibLimits how_much)
      : identity(std::move(who)), limits(how_much), journal([this](PrefixRef p) -> std::uint32_t& {
          return prefixes[index(p.family())].journal_place(p.number());
        }) {}
  RibTables(const RibTables&) = delete;
  RibTables& operator=(const RibTables&) = delete;

  RibIdentity identity;
  const RibLimits limits;
  MultipathLimits multipath{1, 1};
  AttributeTable attributes;
  std::array<PrefixTable, kFamilyCount> prefixes{PrefixTable(Family::kIpv4Unicast),
                                                 PrefixTable(Family::kIpv6Unicast)};
  Pool<PathEntry> paths;
  // By path: the attribute set as it was received, only where the import policy changed it.
  SparseArray<AttributeId> changed_from;
  // By path: the identifier that its peer gave it (RFC 7911). Nothing is written for those that have none.
  SparseArray<std::uint32_t> path_ids;
  // By path: the identifier that we give it in each session that has them, from 1 on; 0: none yet. It is the
  // path's for its whole life, and no other path of its prefix has it. Given out where a group needs it.
  SparseArray<std::uint32_t> sent_ids;
  // Groups that tell several paths of a prefix: as long as there are any, all changes go into the journal.
  std::array<std::size_t, kFamilyCount> add_path_groups{};
  // See Rib::hold_end_of_rib().
  bool end_of_rib_held = false;
  std::deque<PeerEntry> peers;  // by PeerId; addresses of elements hold
  Journal journal;

  // Null where no path of the prefix may be used.
  const PathEntry* best(PrefixRef p) const {
    const std::uint32_t first = prefixes[index(p.family())].paths(p.number());
    if (first == kNoIndex || paths[first].exclusion != PathExclusion::kNone) return nullptr;
    return &paths[first];
  }
  // The best one where best() is not null; kNoIndex where there is none.
  std::uint32_t first_path(PrefixRef p) const { return prefixes[index(p.family())].paths(p.number()); }
  FibPath fib_path(const PathEntry& path) const {
    return {path.peer, attributes.next_hop(path.attributes), attributes.keys(path.attributes).discard};
  }
  Prefix prefix(PrefixRef p) const { return prefixes[index(p.family())].prefix(p.number()); }
  bool is_stale(const PathEntry& path, Family family) const {
    return path.epoch != peers[path.peer.value].families[index(family)].epoch;
  }
  Candidate candidate(std::uint32_t path) const {
    const PathEntry& p = paths[path];
    return {&attributes.keys(p.attributes), &peers[p.peer.value].peer, path_id(path), path,
            attributes.next_hops().state(attributes.hop(p.attributes)).cost};
  }
  // Of a path against which nothing else speaks.
  PathExclusion exclusion_by_next_hop(AttributeId id) const {
    const bool reachable = attributes.next_hops().state(attributes.hop(id)).reachable;
    // Where packets end here, no next hop is needed.
    return reachable || attributes.keys(id).discard ? PathExclusion::kNone : PathExclusion::kUnreachable;
  }
  std::uint32_t path_id(std::uint32_t path) const {
    const std::uint32_t* id = path_ids.find(path);
    return id == nullptr ? 0 : *id;
  }
  // Gives identifiers to the paths of the prefix that have none: the lowest that are free.
  void assign_sent_ids(PrefixRef p);
  std::uint32_t sent_id(std::uint32_t path) const {
    const std::uint32_t* id = sent_ids.find(path);
    return id == nullptr ? 0 : *id;
  }
  // The path is about to be released.
  void forget_ids(std::uint32_t path) {
    if (std::uint32_t* id = path_ids.find(path)) *id = 0;
    if (std::uint32_t* id = sent_ids.find(path)) *id = 0;
  }
  AttributeId received(std::uint32_t path) const {
    const AttributeId* changed = changed_from.find(path);
    return changed != nullptr && *changed ? *changed : paths[path].attributes;
  }
  // Notes what a path was received with, where that is not what it is used with.
  void keep_received(std::uint32_t path, AttributeId as_received) {
    const AttributeId* known = changed_from.find(path);
    const bool changed = as_received != paths[path].attributes;
    if (!changed && known == nullptr) return;
    AttributeId& entry = changed_from.at(path);
    if (changed) attributes.ref(as_received);
    if (entry) attributes.unref(entry);
    entry = changed ? as_received : AttributeId{};
  }
  // All paths of the prefix that may be used.
  void candidates(PrefixRef p, std::vector<Candidate>& out) const {
    out.clear();
    for (std::uint32_t i = prefixes[index(p.family())].paths(p.number()); i != kNoIndex; i = paths[i].next) {
      if (paths[i].exclusion == PathExclusion::kNone) out.push_back(candidate(i));
    }
  }
  // Drops what all readers of the journal have passed, and with it the prefixes that have no path any more.
  void trim_journal() {
    journal.trim([this](PrefixRef p) {
      PrefixTable& table = prefixes[index(p.family())];
      if (table.paths(p.number()) == kNoIndex) table.erase(p.number());
    });
  }
};

}  // namespace towpath::bgp
