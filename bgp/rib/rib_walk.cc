// The looking part of Rib: walks, single prefixes, counters.
#include <algorithm>
#include <chrono>

#include "bgp/rib/export.h"
#include "bgp/rib/rib.h"
#include "bgp/rib/tables.h"
#include "bgp/rib/update_group.h"
#include "towpath/base/check.h"

namespace towpath::bgp {
namespace {

RouteRow row_of(const RibTables& tables, PrefixRef prefix, std::uint32_t path, TimePoint now) {
  const PathEntry& entry = tables.paths[path];
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  RouteRow row;
  row.prefix = tables.prefix(prefix);
  row.peer = entry.peer;
  row.path_id = tables.path_id(path);
  row.attributes = tables.attributes.get(entry.attributes);
  row.best = tables.best(prefix) == &entry;
  row.stale = tables.is_stale(entry, prefix.family());
  row.exclusion = entry.exclusion;
  row.age_seconds = static_cast<std::uint32_t>(seconds) - entry.since;
  return row;
}

template <class F>
void for_each_path(const RibTables& tables, PrefixRef prefix, F&& f) {
  std::uint32_t i = tables.prefixes[index(prefix.family())].paths(prefix.number());
  for (; i != kNoIndex; i = tables.paths[i].next) f(i);
}

// Calls f for up to `budget` prefixes from the cursor on.
template <class F>
void walk(const RibTables& tables, WalkCursor& cursor, std::size_t budget, F&& f) {
  for (const Family family : kAllFamilies) {
    if (cursor.done || unicast(cursor.next.family()) != family) continue;
    const bool through =
        tables.prefixes[index(family)].walk(cursor.next, [&](const Prefix& prefix, std::uint32_t number) {
          if (cursor.within && !cursor.within->contains(prefix)) {
            cursor.done = true;
            return false;
          }
          if (budget == 0) {
            cursor.next = prefix;
            return false;
          }
          --budget;
          f(PrefixRef::make(family, number));
          return true;
        });
    if (!through) return;
    if (cursor.within || family == kAllFamilies.back()) {
      cursor.done = true;
      return;
    }
    cursor.next = Prefix::default_route(AddressFamily::kIpv6);
  }
}

}  // namespace

void Rib::walk_loc_rib(WalkCursor& cursor, std::size_t budget, TimePoint now,
                       std::vector<RouteRow>& out) const {
  walk(*tables_, cursor, budget, [&](PrefixRef prefix) {
    for_each_path(*tables_, prefix,
                  [&](std::uint32_t path) { out.push_back(row_of(*tables_, prefix, path, now)); });
  });
}

void Rib::walk_adj_rib_in(PeerId peer, WalkCursor& cursor, std::size_t budget, TimePoint now,
                          std::vector<RouteRow>& out) const {
  walk(*tables_, cursor, budget, [&](PrefixRef prefix) {
    for_each_path(*tables_, prefix, [&](std::uint32_t path) {
      if (tables_->paths[path].peer != peer) return;
      out.push_back(row_of(*tables_, prefix, path, now));
      // As it came, before the import policy.
      out.back().attributes = tables_->attributes.get(tables_->received(path));
    });
  });
}

void Rib::walk_adj_rib_out(PeerId peer, WalkCursor& cursor, std::size_t budget, TimePoint now,
                           std::vector<RouteRow>& out) const {
  const PeerOutput* output = output_of(peer);
  if (output == nullptr) {
    cursor.done = true;
    return;
  }
  std::vector<ToldPath> sent;
  walk(*tables_, cursor, budget, [&](PrefixRef prefix) {
    sent.clear();
    output->group->sent(prefix, peer, sent);
    for (const ToldPath& told : sent) {
      RouteRow row;
      row.prefix = tables_->prefix(prefix);
      row.peer = told.source;
      row.path_id = told.path_id;
      row.attributes =
          as_sent(tables_->attributes.get(told.attributes), tables_->peers[told.source.value].peer,
                  prefix.family(), output->group->target(), tables_->identity);
      row.best = true;
      // The age is that of the path, where it is still there.
      for_each_path(*tables_, prefix, [&](std::uint32_t path) {
        const bool is_this =
            told.path_id == 0 ? path == tables_->first_path(prefix) : tables_->sent_id(path) == told.path_id;
        if (!is_this || tables_->paths[path].peer != told.source) return;
        const RouteRow in = row_of(*tables_, prefix, path, now);
        row.stale = in.stale;
        row.age_seconds = in.age_seconds;
      });
      out.push_back(std::move(row));
    }
  });
}

std::vector<RouteRow> Rib::find(const Prefix& prefix, TimePoint now) const {
  std::vector<RouteRow> rows;
  const Family family = unicast(prefix.family());
  const std::uint32_t number = tables_->prefixes[index(family)].find(prefix);
  if (number == kNoIndex) return rows;
  const PrefixRef ref = PrefixRef::make(family, number);
  for_each_path(*tables_, ref, [&](std::uint32_t path) { rows.push_back(row_of(*tables_, ref, path, now)); });
  return rows;
}

std::optional<DecisionRung> Rib::explain(const Prefix& prefix, PeerId peer, std::uint32_t path_id) const {
  const Family family = unicast(prefix.family());
  const std::uint32_t number = tables_->prefixes[index(family)].find(prefix);
  if (number == kNoIndex) return std::nullopt;
  const PrefixRef ref = PrefixRef::make(family, number);
  const std::uint32_t path = find_path(ref, peer, path_id);
  if (path == kNoIndex || tables_->paths[path].exclusion != PathExclusion::kNone) return std::nullopt;
  std::vector<Candidate> paths;
  tables_->candidates(ref, paths);
  const DecisionRung rung = rung_of(std::move(paths), tables_->candidate(path));
  if (rung == DecisionRung::kSame) return std::nullopt;
  return rung;
}

PeerCounters Rib::counters(PeerId peer, Family family) const {
  TOWPATH_CHECK(peer.value < tables_->peers.size());
  const auto& c = tables_->peers[peer.value].families[index(family)];
  return {c.fresh + c.stale, c.accepted, c.stale};
}

std::size_t Rib::sent(PeerId peer, Family family) const {
  const PeerOutput* output = output_of(peer);
  return output == nullptr ? 0 : output->group->sent_count(peer, family);
}

std::size_t Rib::prefix_count(Family family) const {
  return tables_->prefixes[index(family)].size();
}
std::size_t Rib::path_count() const {
  return tables_->paths.size();
}
std::size_t Rib::attribute_set_count() const {
  return tables_->attributes.size();
}

}  // namespace towpath::bgp
