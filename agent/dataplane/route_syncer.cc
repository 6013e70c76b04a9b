#include "agent/dataplane/route_syncer.h"

#include <algorithm>
#include <utility>

#include "towpath/base/check.h"

namespace towpath::agent {

void RouteSyncer::want(const Prefix& prefix, std::vector<netlink::NextHop> next_hops) {
  set_desired(RouteRole::kLearned, prefix, forwardings_.acquire(make_unicast(std::move(next_hops))));
}

void RouteSyncer::want_own_block(const Prefix& prefix) {
  set_desired(RouteRole::kOwnBlock, prefix, forwardings_.acquire(make_blackhole()));
}

void RouteSyncer::set_desired(RouteRole role, const Prefix& prefix, ForwardingId id) {
  auto& entries = entries_[index(role)];
  Entry* entry = id != 0 ? entries.try_insert(prefix).first : entries.find(prefix);
  if (entry == nullptr || entry->desired == id) {
    forwardings_.release(id);
    return;
  }
  assign(*entry, &Entry::desired, id);
  // What the kernel has may be the same in other words; then it need not be written.
  if (id != 0 && entry->actual != 0 && entry->actual != id &&
      satisfies(forwardings_.get(entry->actual), forwardings_.get(id))) {
    forwardings_.acquire(id);
    assign(*entry, &Entry::actual, id);
  }
  forget_failure({role, prefix}, *entry);
  settle(role, prefix, *entry);
}

void RouteSyncer::assign(Entry& entry, ForwardingId Entry::* member, ForwardingId id) {
  const bool was_pending = is_pending(entry), was_wanted = entry.desired != 0, was_there = entry.actual != 0;
  const auto misplaced = [&entry] { return entry.actual != 0 && entry.actual != entry.desired; };
  misplaced_ -= misplaced();
  forwardings_.release(entry.*member);
  entry.*member = id;
  const auto count = [](std::size_t& counter, bool before, bool after) {
    counter += after;
    counter -= before;
  };
  count(counters_.pending, was_pending, is_pending(entry));
  count(counters_.wanted, was_wanted, entry.desired != 0);
  count(counters_.in_kernel, was_there, entry.actual != 0);
  misplaced_ += misplaced();
}

void RouteSyncer::set_actual(Entry& entry, const Forwarding& forwarding) {
  if (entry.desired != 0 && satisfies(forwarding, forwardings_.get(entry.desired))) {
    forwardings_.acquire(entry.desired);
    assign(entry, &Entry::actual, entry.desired);
  } else {
    assign(entry, &Entry::actual, forwardings_.acquire(forwarding));
  }
}

void RouteSyncer::settle(RouteRole role, const Prefix& prefix, Entry& entry) {
  if (is_pending(entry)) {
    if (entry.in_line || entry.in_flight || entry.failed || entry.held) return;
    entry.in_line = true;
    line_.emplace_back(role, prefix);
    return;
  }
  forget_failure({role, prefix}, entry);
  if (entry.desired == entry.actual) entry.held = false;
  if (entry.desired == 0 && entry.actual == 0 && !entry.in_flight) entries_[index(role)].erase(prefix);
}

void RouteSyncer::forget_failure(const Key& key, Entry& entry) {
  entry.failed = false;
  if (!failures_.empty()) failures_.erase(key);
  counters_.failed = failures_.size();
}

void RouteSyncer::allow_replacements() {
  if (std::exchange(replacements_allowed_, true) || counters_.adopted == 0) return;
  for (const RouteRole role : {RouteRole::kLearned, RouteRole::kOwnBlock}) {
    entries_[index(role)].walk([&](const Prefix& prefix, Entry& entry) {
      if (std::exchange(entry.held, false) && is_pending(entry)) settle(role, prefix, entry);
      return true;
    });
  }
}

void RouteSyncer::allow_deletes() {
  allow_replacements();
  if (deletes_allowed_) return;
  deletes_allowed_ = true;
  for (const RouteRole role : {RouteRole::kLearned, RouteRole::kOwnBlock}) {
    entries_[index(role)].walk([&](const Prefix& prefix, Entry& entry) {
      if (entry.desired == 0 && entry.actual != 0) {
        ++counters_.pending;
        settle(role, prefix, entry);
      }
      return true;
    });
  }
}

std::vector<RouteWrite> RouteSyncer::take_writes(std::size_t limit) {
  std::vector<RouteWrite> writes;
  writes.reserve(std::min(limit, line_.size()));
  while (deletes_allowed_ && !strays_.empty() && writes.size() < limit) {
    writes.push_back({strays_.back().prefix, RouteWrite::Operation::kDelete, strays_.back().metric});
    strays_.pop_back();
  }
  while (writes.size() < limit && !line_.empty()) {
    const auto [role, prefix] = line_.front();
    line_.pop_front();
    Entry* entry = entries_[index(role)].find(prefix);
    if (entry == nullptr) continue;
    entry->in_line = false;
    if (entry->in_flight || entry->held || !is_pending(*entry)) continue;
    entry->in_flight = true;
    using enum RouteWrite::Operation;
    const auto operation = entry->desired == 0 ? kDelete : entry->actual == 0 ? kAdd : kReplace;
    writes.push_back({prefix, operation, metrics_[index(role)], forwardings_.share(entry->desired)});
  }
  counters_.in_flight += writes.size();
  return writes;
}

void RouteSyncer::on_written(const std::vector<RouteWrite>& writes, const WriteOutcome& outcome) {
  auto failure = outcome.failures.begin();
  if (outcome.lost || outcome.routes_in_doubt) wants_resync_ = true;
  counters_.in_flight -= writes.size();
  for (std::size_t i = 0; i < writes.size(); ++i) {
    const RouteWrite& write = writes[i];
    const bool refused = failure != outcome.failures.end() && failure->index == i;
    const auto role = role_of(write.metric);
    if (!role) {  // a stray; if it could not be removed, the next resync finds it again
      if (refused)
        ++failure;
      else
        ++counters_.deleted;
      continue;
    }
    Entry* entry = entries_[index(*role)].find(write.prefix);
    TOWPATH_CHECK(entry != nullptr && entry->in_flight);
    entry->in_flight = false;
    // A route that is to go and is not there is gone.
    const bool gone = write.operation == RouteWrite::Operation::kDelete &&
                      (!refused || failure->error.kind == ErrorKind::kNotFound);
    if (refused && !gone) {
      // If something else is wanted by now, that is to be tried at once.
      if (write.forwarding == forwardings_.share(entry->desired))
        on_refused({*role, write.prefix}, *entry, failure->error);
      else
        ++counters_.refused;
    } else if (refused || !outcome.lost) {
      if (gone) {
        assign(*entry, &Entry::actual, 0);
        ++counters_.deleted;
      } else {
        set_actual(*entry, *write.forwarding);
        ++(write.operation == RouteWrite::Operation::kAdd ? counters_.added : counters_.replaced);
      }
    }
    if (refused) ++failure;
    settle(*role, write.prefix, *entry);
  }
}

void RouteSyncer::on_refused(const Key& key, Entry& entry, const Error& error) {
  ++counters_.refused;
  entry.failed = true;
  const auto [known, is_new] = failures_.try_emplace(key, error);
  // Somebody has this prefix and metric: ourselves, and we lost track, or another owner. Reading the kernel
  // tells; once, because in the second case the answer will be the same until the other owner is gone.
  if (error.kind == ErrorKind::kExists && (is_new || known->second.kind != ErrorKind::kExists))
    wants_resync_ = true;
  known->second = error;
  counters_.failed = failures_.size();
}

void RouteSyncer::retry() {
  for (const auto& [key, error] : failures_) {
    Entry* entry = entries_[index(key.first)].find(key.second);
    TOWPATH_CHECK(entry != nullptr);
    if (!entry->failed) continue;
    entry->failed = false;
    // Not settle(), which forgets the failure of what is no longer pending; nothing failed and not pending is
    // left here.
    if (!entry->in_line && !entry->in_flight) {
      entry->in_line = true;
      line_.push_back(key);
    }
  }
}

void RouteSyncer::on_dumped(const std::vector<KernelRoute>& routes) {
  for (auto& entries : entries_) {
    entries.walk([](const Prefix&, Entry& entry) {
      entry.seen = false;
      return true;
    });
  }
  strays_.clear();
  for (const KernelRoute& route : routes) {
    const auto role = role_of(route.metric);
    if (!role) {
      strays_.push_back(route);
      continue;
    }
    Entry& entry = *entries_[index(*role)].try_insert(route.prefix).first;
    const bool adopted = entry.actual == 0;
    counters_.adopted += adopted;
    entry.seen = true;
    set_actual(entry, *route.forwarding);
    if (adopted) entry.held = !replacements_allowed_ && entry.actual != entry.desired;
  }
  for (const RouteRole role : {RouteRole::kLearned, RouteRole::kOwnBlock}) {
    std::vector<Prefix> changed;  // a walk must not erase
    entries_[index(role)].walk([&](const Prefix& prefix, Entry& entry) {
      if (!entry.seen && entry.actual != 0) {
        assign(entry, &Entry::actual, 0);
        entry.held = false;
      }
      if (is_pending(entry) || entry.failed || (entry.desired == 0 && entry.actual == 0))
        changed.push_back(prefix);
      return true;
    });
    for (const Prefix& prefix : changed) settle(role, prefix, *entries_[index(role)].find(prefix));
  }
  ++counters_.resyncs;
  wants_resync_ = false;
}

std::optional<std::vector<ForwardingPtr>> RouteSyncer::forwardings_in_use() const {
  if (misplaced_ != 0 || !strays_.empty() || counters_.in_flight != 0 || wants_resync_) return std::nullopt;
  return forwardings_.values();
}

void RouteSyncer::on_kernel_route(const KernelRoute& route, bool removed) {
  const auto role = role_of(route.metric);
  if (!role) return;
  auto& entries = entries_[index(*role)];
  Entry* entry = removed ? entries.find(route.prefix) : entries.try_insert(route.prefix).first;
  if (entry == nullptr) return;
  if (entry->in_flight) {
    // Before or after our own write? Nobody can tell from here.
    wants_resync_ = true;
    return;
  }
  entry->held = false;  // what is there now is not what we found
  if (removed) {
    assign(*entry, &Entry::actual, 0);
  } else {
    set_actual(*entry, *route.forwarding);
  }
  settle(*role, route.prefix, *entry);
}

std::optional<RouteRole> RouteSyncer::role_of(std::uint32_t metric) const {
  if (metric == metrics_[index(RouteRole::kLearned)]) return RouteRole::kLearned;
  if (metric == metrics_[index(RouteRole::kOwnBlock)]) return RouteRole::kOwnBlock;
  return std::nullopt;
}

std::optional<RouteRow> RouteSyncer::find(RouteRole role, const Prefix& prefix) const {
  const Entry* entry = entries_[index(role)].find(prefix);
  if (entry == nullptr) return std::nullopt;
  return row(role, prefix, *entry);
}

RouteRow RouteSyncer::row(RouteRole role, const Prefix& prefix, const Entry& entry) const {
  RouteRow row{prefix,
               role,
               metrics_[index(role)],
               forwardings_.share(entry.desired),
               forwardings_.share(entry.actual),
               is_pending(entry)};
  if (!row.pending) return row;
  const auto failure = failures_.find({role, prefix});
  if (failure != failures_.end()) {
    row.reason = failure->second.message;
  } else if (entry.held) {
    row.reason = "adopted; waits for the routes of all peers";
  } else {
    row.reason = entry.in_flight ? "being written" : "waiting to be written";
  }
  return row;
}

}  // namespace towpath::agent
