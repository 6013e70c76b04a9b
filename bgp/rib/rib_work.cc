// The long work of Rib: what goes over whole tables, in slices.
#include <algorithm>
#include <limits>
#include <utility>

#include "bgp/rib/import.h"
#include "bgp/rib/rib.h"
#include "bgp/rib/rib_job.h"
#include "bgp/rib/tables.h"
#include "towpath/base/check.h"

namespace towpath::bgp {

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
    if (job.kind == Job::Kind::kMultipath || job.kind == Job::Kind::kNextHops) return false;
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
  const std::uint32_t last_change = tables_->attributes.next_hops().last_change();
  if (through && job.kind == Job::Kind::kNextHops && job.until != last_change) {
    job = {job.kind, job.peer, job.family, {}, 0, job.until + 1, last_change};
    return false;
  }
  return through;
}

void Rib::run_on(const Job& job, PrefixRef prefix) {
  if (job.kind == Job::Kind::kMultipath) {
    const std::uint32_t first = tables_->prefixes[index(job.family)].paths(prefix.number());
    if (first != kNoIndex && tables_->paths[first].next != kNoIndex) tables_->journal.record(prefix);
    return;
  }
  if (job.kind == Job::Kind::kNextHops) return look_at_next_hops(job.since, prefix);
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

// Decides anew where a path has a next hop of which there is news.
void Rib::look_at_next_hops(std::uint32_t since, PrefixRef prefix) {
  const AttributeTable& attributes = tables_->attributes;
  const Best before = best(prefix);
  bool news = false;
  std::uint32_t i = tables_->prefixes[index(prefix.family())].paths(prefix.number());
  for (; i != kNoIndex; i = tables_->paths[i].next) {
    PathEntry& path = tables_->paths[i];
    if (attributes.next_hops().changed(attributes.hop(path.attributes)) < since) continue;
    news = true;
    if (path.exclusion != PathExclusion::kNone && path.exclusion != PathExclusion::kUnreachable) continue;
    count(path, prefix.family(), -1);
    path.exclusion = tables_->exclusion_by_next_hop(path.attributes);
    count(path, prefix.family(), 1);
  }
  if (news) select(prefix, before);
}

void Rib::sweep(const Job& job, PrefixRef prefix, std::uint32_t path) {
  const std::uint8_t epoch = tables_->peers[job.peer.value].families[index(job.family)].epoch;
  const auto age = [epoch](std::uint8_t e) { return static_cast<std::uint8_t>(epoch - e); };
  if (age(tables_->paths[path].epoch) > age(job.epoch)) remove(prefix, path);
}

void Rib::apply_rules(PrefixRef prefix, std::uint32_t path) {
  const PathEntry& entry = tables_->paths[path];
  const AttributeId received = tables_->received(path);
  const PathAttributes attributes = tables_->attributes.get(received);
  Importer importer(*tables_, tables_->peers[entry.peer.value].peer, attributes, attributes.next_hop,
                    received);
  const Importer::Result result = importer.import(tables_->prefix(prefix));
  const Best before = best(prefix);
  PathEntry now = entry;
  now.attributes = result.attributes;
  now.exclusion = result.exclusion;
  if (replace(prefix, path, now, received)) select(prefix, before);
}

}  // namespace towpath::bgp
