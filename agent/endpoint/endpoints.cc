#include "agent/endpoint/endpoints.h"

#include <algorithm>
#include <utility>

#include "agent/endpoint/remove_shaping.h"
#include "towpath/ipam/endpoint_names.h"

namespace towpath::agent {
namespace {

// What a turn of the loop can afford: records to read, and sandboxes to look at.
constexpr std::size_t kAuditSlice = 512;
constexpr std::size_t kLooksPerTick = 256;
// How often the kernel's mappings are read again, in case somebody else changed them.
constexpr std::uint64_t kTicksPerAdoption = 60;
// More than this is somebody who fights us, and waits for the next tick.
constexpr int kRepairsPerTick = 50;

}  // namespace

Result<std::unique_ptr<Endpoints>> Endpoints::start(ipam::StateStore& store,
                                                    std::unique_ptr<PortKernel> kernel, SandboxLooks looks,
                                                    EndpointObserver& observer, PortWriter::Post post) {
  std::unique_ptr<Endpoints> endpoints(new Endpoints(store, std::move(looks), observer, std::move(post)));
  // A kernel without nf_tables has no mappings; that shows when one is asked for.
  if (auto state = kernel->adopt()) {
    endpoints->ports_.adopt(*std::move(state));
  } else {
    endpoints->problem("read the port mappings", state.error());
  }
  endpoints->writer_ = std::make_unique<PortWriter>(std::move(kernel), endpoints->post_);
  if (const auto loaded = endpoints->load(); !loaded)
    endpoints->problem("list the endpoints", loaded.error());
  endpoints->flush();
  return endpoints;
}

// Older endpoints first: who came first holds a port.
Status Endpoints::load() {
  audited_ = store_.last_change();
  TOWPATH_TRY(auto records, store_.endpoints());
  std::ranges::sort(records, {}, &ipam::EndpointRecord::generation);
  for (ipam::EndpointRecord& record : records) take(std::move(record));
  listed_ = true;
  ports_.allow_removals();
  find_borrowed();
  return {};
}

std::optional<PortTable::Clash> Endpoints::take(ipam::EndpointRecord record) {
  const auto clash = ports_.want(record);
  if (clash) {
    if (refused_.insert(record.attachment).second) {
      observer_.endpoint_problem("map the ports of " + record.attachment.to_string(), clash->error.message);
    }
  } else {
    refused_.erase(record.attachment);
  }
  const ipam::AttachmentId endpoint = record.attachment;
  if (const auto known = records_.find(endpoint); known != records_.end()) note_singles(known->second, false);
  note_singles(record, true);
  observer_.record_changed(record);
  records_.insert_or_assign(endpoint, std::move(record));
  return clash;
}

void Endpoints::drop(const ipam::AttachmentId& endpoint) {
  ports_.unwant(endpoint);
  refused_.erase(endpoint);
  watch_.forget(endpoint);
  suspects_.erase(endpoint);
  bereft_.erase(endpoint);
  const auto known = records_.find(endpoint);
  if (known == records_.end()) return;
  note_singles(known->second, false);
  records_.erase(known);
  observer_.record_gone(endpoint);
}

void Endpoints::note_singles(const ipam::EndpointRecord& record, bool is_there) {
  if (record.state != ipam::AllocationState::kLive) return;
  for (const ipam::BlockAddress& address : record.allocated) {
    if (!address.block.is_host()) continue;
    singles_changed_ = true;
    if (is_there) {
      singles_.insert(address.block);
    } else if (const auto found = singles_.find(address.block); found != singles_.end()) {
      singles_.erase(found);
    }
  }
}

// A block may also be a single address of the host's own; the store tells them apart.
void Endpoints::find_borrowed() {
  if (!std::exchange(singles_changed_, false)) return;
  std::vector<Prefix> now;
  if (!singles_.empty()) {
    const auto blocks = store_.blocks();
    if (!blocks) {
      singles_changed_ = true;  // again
      problem("read the blocks", blocks.error());
      return;
    }
    for (const ipam::Block& block : *blocks) {
      if (block.state == ipam::BlockState::kBorrowed && singles_.contains(block.prefix))
        now.push_back(block.prefix);
    }
  }
  if (now == borrowed_) return;
  borrowed_ = std::move(now);
  observer_.borrowed_changed();
}

// The copy of one record; where another endpoint holds its ports, that one's first, which may be out of date.
Status Endpoints::take_or_dispossess(const ipam::EndpointRecord& record) {
  const auto clash = take(record);
  if (!clash) return {};
  TOWPATH_TRY(const auto holder, store_.find(clash->holder));
  const auto known = records_.find(clash->holder);
  if (holder && known != records_.end() && known->second == *holder) return std::unexpected(clash->error);
  if (holder) {
    take(*holder);
  } else {
    drop(clash->holder);
  }
  const auto again = take(record);
  if (again) return std::unexpected(again->error);
  return {};
}

Status Endpoints::update(const ipam::AttachmentId& endpoint) {
  TOWPATH_TRY(const auto record, store_.find(endpoint));
  if (record) return take_or_dispossess(*record);
  drop(endpoint);
  return {};
}

void Endpoints::changed(const ipam::AttachmentId& endpoint, Done done) {
  Status status = update(endpoint);
  find_borrowed();
  if (!status) {
    flush();  // what it wanted before is not wanted any more
    post_([done = std::move(done), status = std::move(status)] { done(status); });
    return;
  }
  waiting_.push_back(std::move(done));
  flush();
}

PortWriter::Task Endpoints::guarded(std::move_only_function<void()> task) {
  return [self = std::weak_ptr(self_), task = std::move(task)]() mutable {
    if (!self.expired()) task();
  };
}

void Endpoints::rules_changed() {
  rules_changed_ = true;
  flush();
}

void Endpoints::repair_rules() {
  rules_changed_ = false;
  ++repairs_this_tick_;
  writing_ = true;
  writer_->repair([this, self = std::weak_ptr(self_)](const Status& rules, Result<netlink::PortState> state) {
    if (self.expired()) return;
    if (rules) {
      ++rules_repaired_;
      last_problem_.erase("put the rules back");
    } else {
      problem("put the rules back", rules.error());
    }
    on_adopted(std::move(state));
  });
}

void Endpoints::flush() {
  if (writing_) return;
  if (rules_changed_ && repairs_this_tick_ < kRepairsPerTick) return repair_rules();
  auto change = ports_.next_change();
  in_write_ = std::exchange(waiting_, {});
  if (change.empty()) {
    if (in_write_.empty()) return;
    post_([done = std::exchange(in_write_, {})] {
      for (const Done& each : done) each({});
    });
    return;
  }
  writing_ = true;
  writer_->change(std::move(change), [this, self = std::weak_ptr(self_)](const netlink::PortChange& written,
                                                                         const Status& status) {
    if (!self.expired()) on_changed(written, status);
  });
}

void Endpoints::on_changed(const netlink::PortChange& change, const Status& status) {
  writing_ = false;
  if (status) {
    ports_.applied(change);
    last_problem_.erase("write port mappings");
    wrote_twice_ = false;
  } else if (status.error().kind == ErrorKind::kNotFound && !std::exchange(wrote_twice_, true)) {
    // The table is not what it was, and the word of it is still to come. Who waits need not fail for that.
    waiting_.insert(waiting_.begin(), std::make_move_iterator(in_write_.begin()),
                    std::make_move_iterator(in_write_.end()));
    in_write_.clear();
    rules_changed_ = true;
  } else {
    problem("write port mappings", status.error());
  }
  for (const Done& done : std::exchange(in_write_, {})) done(status);
  // After a refusal only for those who came meanwhile; the rest waits for the tick.
  if (status || rules_changed_ || !waiting_.empty()) flush();
}

void Endpoints::on_adopted(Result<netlink::PortState> state) {
  writing_ = false;
  if (state) {
    ports_.adopt(*std::move(state));
  } else {
    problem("read the port mappings", state.error());
  }
  flush();
}

void Endpoints::on_kernel_event(const netlink::KernelEvent& event) {
  const auto* link = std::get_if<netlink::LinkEvent>(&event);
  if (link == nullptr || !link->removed || !link->link.name.starts_with(ipam::kHostIfnamePrefix)) return;
  if (const auto endpoint = ipam::parse_alias(link->link.alias)) suspects_.insert(*endpoint);
}

void Endpoints::tick(TimePoint now) {
  ++ticks_;
  repairs_this_tick_ = 0;
  if (!listed_) {
    if (const auto loaded = load(); !loaded) problem("list the endpoints", loaded.error());
  }
  // Their ports may be free by now.
  for (const ipam::AttachmentId& endpoint : std::set(refused_)) {
    if (const auto found = records_.find(endpoint); found != records_.end()) take(found->second);
  }
  if (listed_ && !auditing_ && store_.last_change() != audited_) {
    audited_ = store_.last_change();
    auditing_ = true;
    audit_at_.reset();
    audit_slice();
  }
  look_for_the_dead(now);
  find_borrowed();
  if (ticks_ % kTicksPerAdoption == 0 && !writing_ && ports_.in_kernel() > 0) {
    writing_ = true;
    writer_->adopt([this, self = std::weak_ptr(self_)](Result<netlink::PortState> state) {
      if (!self.expired()) on_adopted(std::move(state));
    });
  }
  flush();
}

void Endpoints::store_replaced() {
  audited_ = 0;
}

void Endpoints::refresh() {
  audited_ = store_.last_change();
  audit_at_.reset();  // an audit under way begins anew
  const auto records = store_.endpoints();
  if (!records) {
    audited_ = 0;  // again
    problem("read the endpoints", records.error());
    return;
  }
  merge(*records, true);
  find_borrowed();
  flush();
}

void Endpoints::audit_slice() {
  const auto slice = store_.endpoints_after(audit_at_, kAuditSlice);
  if (!slice) {
    auditing_ = false;
    audited_ = 0;  // again
    problem("read the endpoints", slice.error());
    return;
  }
  const bool is_last = slice->size() < kAuditSlice;
  merge(*slice, is_last);
  find_borrowed();
  flush();
  if (is_last) {
    auditing_ = false;
    last_problem_.erase("read the endpoints");
    return;
  }
  audit_at_ = slice->back().attachment;
  post_(guarded([this] { audit_slice(); }));
}

// The store's records behind audit_at_, up to the last of the slice or to the end, against ours.
void Endpoints::merge(const std::vector<ipam::EndpointRecord>& slice, bool is_last) {
  std::vector<ipam::AttachmentId> gone;
  auto ours = audit_at_ ? records_.upper_bound(*audit_at_) : records_.begin();
  auto theirs = slice.begin();
  while (ours != records_.end() && (is_last || ours->first <= slice.back().attachment)) {
    while (theirs != slice.end() && theirs->attachment < ours->first) ++theirs;
    if (theirs == slice.end() || theirs->attachment != ours->first) gone.push_back(ours->first);
    ++ours;
  }
  for (const ipam::AttachmentId& endpoint : gone) drop(endpoint);
  for (const ipam::EndpointRecord& record : slice) {
    const auto known = records_.find(record.attachment);
    if (known == records_.end() || known->second != record) take(record);
  }
}

void Endpoints::look_for_the_dead(TimePoint now) {
  if (!listed_) return;
  const std::set<ipam::AttachmentId> suspects = suspects_;
  for (const ipam::AttachmentId& endpoint : suspects) release_if_dead(endpoint, now);
  // And everybody in turn.
  std::vector<ipam::AttachmentId> next;
  auto at = look_at_ ? records_.upper_bound(*look_at_) : records_.begin();
  for (; at != records_.end() && next.size() < kLooksPerTick; ++at) next.push_back(at->first);
  look_at_ = at == records_.end() ? std::nullopt : std::optional(next.back());
  for (const ipam::AttachmentId& endpoint : next) {
    if (!suspects.contains(endpoint)) release_if_dead(endpoint, now);
  }
}

void Endpoints::release_if_dead(const ipam::AttachmentId& endpoint, TimePoint now) {
  const auto found = records_.find(endpoint);
  if (found == records_.end() || bereft_.contains(endpoint)) {
    suspects_.erase(endpoint);
    return;
  }
  const ipam::EndpointRecord& record = found->second;
  if (!watch_.is_dead(record, now)) return;
  // An address is free only when nothing on this host answers for it any more: the mappings first, the record
  // when the kernel has taken them away.
  if (ports_.wants(endpoint)) {
    ports_.unwant(endpoint);
    return;
  }
  if (writing_ || !ports_.next_change().empty()) return;
  if (const auto removed = remove_shaping(endpoint); !removed) {
    problem("release an endpoint", removed.error());
    return;
  }
  if (record.ipam_type != ipam::kOwnIpamType) {
    bereft_.insert(endpoint);
    return;
  }
  const auto released = store_.release(endpoint, record.generation);
  if (!released) {
    problem("release an endpoint", released.error());
    return;
  }
  if (*released) {
    ++released_;
    observer_.endpoint_released(record);
  }
  drop(endpoint);
}

EndpointCounters Endpoints::counters() const {
  return {.endpoints = records_.size(),
          .borrowed = borrowed_.size(),
          .ports = ports_.in_kernel(),
          .ports_refused = refused_.size(),
          .released = released_,
          .rules_repaired = rules_repaired_};
}

void Endpoints::problem(std::string_view what, const Error& error) {
  auto& last = last_problem_[std::string(what)];
  if (std::exchange(last, error.message) != error.message) observer_.endpoint_problem(what, error.message);
}

}  // namespace towpath::agent
