#include "bgp/rib/update_group.h"

#include <algorithm>
#include <utility>

#include "bgp/rib/export.h"
#include "towpath/base/check.h"

namespace towpath::bgp {
namespace {

constexpr unsigned kSlicesPerPull = 4;

const ToldPath* find(const std::vector<ToldPath>& paths, std::uint32_t path_id) {
  const auto found = std::ranges::find(paths, path_id, &ToldPath::path_id);
  return found == paths.end() ? nullptr : &*found;
}

// The end of the message that starts at `at`; its length stands behind the marker (RFC 4271 section 4.1).
std::size_t message_end(std::span<const std::byte> messages, std::size_t at) {
  return at + (std::to_integer<std::size_t>(messages[at + 16]) << 8 |
               std::to_integer<std::size_t>(messages[at + 17]));
}

}  // namespace

UpdateGroup::UpdateGroup(RibTables& tables, const ExportTarget& target)
    : tables_(tables),
      target_(target),
      builder_(tables, target_),
      adj_rib_out_(tables.attributes, target_.session) {
  reader_.cursor = tables_.journal.add_cursor();
  for (const Family family : kAllFamilies) {
    const bool enabled = target_.session.of(family).enabled;
    reader_.walk.wanted[index(family)] = reader_.walk.end_of_rib[index(family)] = enabled;
    if (target_.session.of(family).add_path_send) ++tables_.add_path_groups[index(family)];
  }
}

UpdateGroup::~UpdateGroup() {
  retire();
}

void UpdateGroup::retire() {
  if (std::exchange(retired_, true)) return;
  for (const Family family : kAllFamilies) {
    if (target_.session.of(family).add_path_send) --tables_.add_path_groups[index(family)];
  }
  for (const QueuedBatch& queued : queue_) tables_.journal.remove_cursor(queued.position.cursor);
  tables_.journal.remove_cursor(reader_.cursor);
  queue_.clear();
}

// --- members

void UpdateGroup::join(PeerOutput& output) {
  add_member(output);
  for (const Family family : kAllFamilies) {
    output.awaits_end_of_rib[index(family)] = target_.session.of(family).enabled;
  }
  if (queue_begin_ == 0) {
    attach(output, 0);
    return;
  }
  output.attached = false;
  output.solo = {};
  output.solo.cursor = tables_.journal.add_cursor();
  output.solo.walk.wanted = output.solo.walk.end_of_rib = output.awaits_end_of_rib;
}

void UpdateGroup::leave(PeerOutput& output) {
  if (output.attached) detach(output);
  tables_.journal.remove_cursor(output.solo.cursor);
  remove_member(output);
  output.current.reset();
}

void UpdateGroup::take_over(PeerOutput& output, std::shared_ptr<UpdateGroup> from) {
  // Its place in the journal stays: what is gone since then it has to be told. So does the batch that it has
  // begun to read.
  if (output.attached) from->detach(output);
  from->remove_member(output);
  add_member(output);
  TableWalk& walk = output.solo.walk = {};
  for (const Family family : kAllFamilies) {
    walk.wanted[index(family)] = target_.session.of(family).enabled;
    const bool coming = output.current != nullptr && output.current->end_of_rib[index(family)];
    walk.end_of_rib[index(family)] = output.awaits_end_of_rib[index(family)] && !coming;
  }
  output.before.push_back(std::move(from));
}

void UpdateGroup::add_member(PeerOutput& output) {
  output.group = this;
  members_.push_back(&output);
  if (is_member_.size() <= output.peer.value) is_member_.resize(output.peer.value + 1U);
  is_member_[output.peer.value] = true;
}

void UpdateGroup::remove_member(PeerOutput& output) {
  std::erase(members_, &output);
  is_member_[output.peer.value] = false;
  output.group = nullptr;
}

void UpdateGroup::refresh(PeerOutput& output, Family family, bool marked) {
  if (!target_.session.of(family).enabled) return;
  if (output.attached) detach(output);
  TableWalk& walk = output.solo.walk;
  // The walk is at the first wanted family: if that is this one, it starts anew; if it is put in front of
  // another one, that one starts anew, which repeats routes but loses none.
  const bool behind_current = walk.active() && walk.wanted[0] && index(family) != 0;
  if (!behind_current) walk.next.reset();
  walk.wanted[index(family)] = true;
  // RFC 7313 section 4: no mark before the End-of-RIB, which ends this answer just as well.
  const bool mark = marked && !walk.end_of_rib[index(family)];
  walk.mark_begin[index(family)] = walk.mark_end[index(family)] = mark;
}

void UpdateGroup::attach(PeerOutput& output, std::uint64_t at) {
  output.attached = true;
  output.next_batch = at;
  ++attached_;
  for (std::uint64_t i = at; i < queue_end(); ++i) ++queue_[i - queue_begin_].waiting;
}

// From here on the peer reads by itself, from where the group's reader stood before the first batch that the
// peer has not taken.
void UpdateGroup::detach(PeerOutput& output) {
  const bool up_to_date = output.next_batch == queue_end();
  output.solo = copy(up_to_date ? reader_ : queue_[output.next_batch - queue_begin_].position);
  for (std::uint64_t i = output.next_batch; i < queue_end(); ++i) --queue_[i - queue_begin_].waiting;
  output.attached = false;
  --attached_;
  drop_read_batches();
}

void UpdateGroup::drop_read_batches() {
  while (!queue_.empty() && queue_.front().waiting == 0) {
    queue_bytes_ -= queue_.front().batch->bytes.size();
    tables_.journal.remove_cursor(queue_.front().position.cursor);
    queue_.pop_front();
    ++queue_begin_;
  }
}

void UpdateGroup::leave_slow_behind() {
  while (queue_bytes_ > tables_.limits.queue_bytes && queue_.size() > 1) {
    const std::uint64_t slowest = queue_begin_;
    for (PeerOutput* member : members_) {
      if (member->attached && member->next_batch == slowest) detach(*member);
    }
    TOWPATH_CHECK(queue_begin_ > slowest);
  }
}

// --- reading the RIB

bool UpdateGroup::pending(const RibReader& reader) const {
  return reader.walk.active() || !tables_.journal.at_end(reader.cursor) || owes_end_of_rib(reader.walk);
}

bool UpdateGroup::holds_end_of_rib() const {
  return tables_.end_of_rib_held && (target_.scope != ExportScope::kOwn || target_.policy);
}

bool UpdateGroup::owes_end_of_rib(const TableWalk& walk) const {
  return !holds_end_of_rib() && std::ranges::any_of(kAllFamilies, [&walk](Family family) {
    return walk.end_of_rib[index(family)] && !walk.wanted[index(family)];
  });
}

RibReader UpdateGroup::copy(const RibReader& reader) {
  return {reader.walk, tables_.journal.copy_cursor(reader.cursor)};
}

// Puts the next prefixes into read_, and families whose walk is through and announced by End-of-RIB into
// walked_. True where they come from a walk.
bool UpdateGroup::read(RibReader& reader) {
  asked_ = {};
  TableWalk& walk = reader.walk;
  if (!walk.active()) {
    tables_.journal.read(reader.cursor, tables_.limits.batch_prefixes, read_);
    // One that was held comes behind all that there was meanwhile.
    if (owes_end_of_rib(walk) && tables_.journal.at_end(reader.cursor)) {
      for (const Family family : kAllFamilies) {
        if (std::exchange(walk.end_of_rib[index(family)], false)) walked_.push_back(family);
      }
    }
    return false;
  }
  const Family family = walk.wanted[0] ? kAllFamilies[0] : kAllFamilies[1];
  if (std::exchange(walk.mark_begin[index(family)], false)) builder_.begin_refresh(family);
  const Prefix from = walk.next.value_or(Prefix::default_route(address_family(family)));
  const bool through =
      tables_.prefixes[index(family)].walk(from, [&](const Prefix& prefix, std::uint32_t number) {
        if (read_.size() == tables_.limits.batch_prefixes) {
          walk.next = prefix;
          return false;
        }
        read_.push_back(PrefixRef::make(family, number));
        return true;
      });
  if (through) {
    walk.wanted[index(family)] = false;
    walk.next.reset();
    if (!holds_end_of_rib() && std::exchange(walk.end_of_rib[index(family)], false))
      walked_.push_back(family);
    if (std::exchange(walk.mark_end[index(family)], false)) builder_.end_refresh(family);
  }
  return true;
}

// What the group is to be told of a prefix now, with a reference taken on each set of attributes.
void UpdateGroup::evaluate(PrefixRef prefix, std::vector<ToldPath>& out) {
  const auto add = [&out](const ToldPath& path) {
    if (path.attributes) out.push_back(path);
  };
  if (!sends_several(prefix)) return add(evaluate_best(prefix));
  tables_.assign_sent_ids(prefix);
  tables_.candidates(prefix, candidates_);
  const std::size_t limit = target_.path_limit == 0 ? candidates_.size() : target_.path_limit;
  const bool all = candidates_.size() <= limit;
  while (!candidates_.empty() && out.size() < limit) {
    std::uint32_t path = candidates_.back().path;
    if (!all) {
      auto rest = candidates_;
      path = select_best(rest).path;
    }
    std::erase_if(candidates_, [path](const Candidate& c) { return c.path == path; });
    add(evaluate(prefix, tables_.paths[path], tables_.sent_id(path)));
  }
}

// Of a session without path identifiers. Without attributes: nothing.
ToldPath UpdateGroup::evaluate_best(PrefixRef prefix) {
  const PathEntry* best = tables_.best(prefix);
  return best == nullptr ? ToldPath{} : evaluate(prefix, *best, 0);
}

ToldPath UpdateGroup::evaluate(PrefixRef prefix, const PathEntry& path, std::uint32_t path_id) {
  AttributeId attributes;
  if (target_.policy) {
    attributes = evaluate_by_policy(prefix, path);
  } else if (exportable(path, prefix.family())) {
    attributes = path.attributes;
    tables_.attributes.ref(attributes);
  }
  return {attributes, path.peer, path_id};
}

// Without a policy it depends on these three alone, which stay the same over long runs of a table.
bool UpdateGroup::exportable(const PathEntry& path, Family family) {
  if (asked_.attributes != path.attributes || asked_.source != path.peer || asked_.family != family) {
    const PeerKind source = tables_.peers[path.peer.value].peer.kind;
    asked_ = {path.attributes, path.peer, family,
              is_exportable(tables_.attributes.keys(path.attributes), source, family, target_)};
  }
  return asked_.exportable;
}

AttributeId UpdateGroup::evaluate_by_policy(PrefixRef prefix, const PathEntry& path) {
  const RibPeer& source = tables_.peers[path.peer.value].peer;
  if (!target_.session.of(prefix.family()).enabled) return {};
  if (!may_export(tables_.attributes.keys(path.attributes), source.kind, target_)) return {};
  const auto attributes = exported_by_policy(tables_.prefix(prefix), tables_.attributes.get(path.attributes),
                                             source, target_, tables_.identity);
  if (!attributes) return {};
  if (holds_sets_as_sent(target_)) return tables_.attributes.intern(*attributes, attributes->next_hop);
  tables_.attributes.ref(path.attributes);
  return path.attributes;
}

// --- formatting

void UpdateGroup::format_shared() {
  const RibReader position = copy(reader_);
  read(reader_);
  for (const PrefixRef prefix : read_) change(prefix);
  for (const Family family : walked_) builder_.end_of_rib(family);
  read_.clear();
  walked_.clear();
  Batch batch = builder_.finish(refused_);
  for (const auto& refused : refused_) adj_rib_out_.erase(refused.prefix, refused.path_id);
  refused_.clear();
  if (batch.bytes.empty() || attached_ == 0) {
    tables_.journal.remove_cursor(position.cursor);
    // Said to nobody, but said: who joins now cannot start from the queue.
    if (!batch.bytes.empty()) ++queue_begin_;
  } else {
    queue_bytes_ += batch.bytes.size();
    queue_.push_back({std::make_shared<const Batch>(std::move(batch)), position, attached_});
    leave_slow_behind();
  }
}

void UpdateGroup::change(PrefixRef prefix) {
  if (sends_several(prefix)) return change_several(prefix);
  const ToldPath known = adj_rib_out_.only(prefix);
  const ToldPath now = evaluate_best(prefix);
  if (now.attributes) {
    tell(prefix, now, known);
  } else if (known.attributes) {
    withdraw(prefix, known);
  }
}

void UpdateGroup::change_several(PrefixRef prefix) {
  evaluate(prefix, now_);
  adj_rib_out_.paths(prefix, known_);
  for (const ToldPath& known : known_) {
    if (find(now_, known.path_id) == nullptr) withdraw(prefix, known);
  }
  for (const ToldPath& path : now_) {
    const ToldPath* known = find(known_, path.path_id);
    tell(prefix, path, known == nullptr ? ToldPath{} : *known);
  }
  known_.clear();
  now_.clear();
}

// `known`: what was told with this identifier before, without attributes if nothing was.
void UpdateGroup::tell(PrefixRef prefix, const ToldPath& path, const ToldPath& known) {
  if (known == path) {
    tables_.attributes.unref(path.attributes);
    return;
  }
  builder_.announce(prefix, path, {Audience::Kind::kAllBut, path.source});
  if (known.attributes && known.source != path.source && is_member(path.source)) {
    builder_.withdraw(prefix, path.path_id, {Audience::Kind::kOnly, path.source});
  }
  adj_rib_out_.put(prefix, path);
}

void UpdateGroup::withdraw(PrefixRef prefix, const ToldPath& known) {
  builder_.withdraw(prefix, known.path_id, {Audience::Kind::kAllBut, known.source});
  adj_rib_out_.erase(prefix, known.path_id);
}

void UpdateGroup::format_solo(PeerOutput& output) {
  const bool walking = read(output.solo);
  for (const PrefixRef prefix : read_) {
    evaluate(prefix, now_);
    for (const ToldPath& path : now_) {
      formatted_.push_back(path.attributes);
      if (path.source == output.peer) continue;
      builder_.announce(prefix, path, {});
      adj_rib_out_.note_told(prefix, path.path_id);
    }
    if (!walking || !output.before.empty()) withdraw_others(output, prefix, walking);
    now_.clear();
  }
  for (const Family family : walked_) builder_.end_of_rib(family);
  read_.clear();
  walked_.clear();
  output.current = std::make_shared<const Batch>(builder_.finish(refused_));
  output.segment = output.offset = 0;
  refused_.clear();
  for (const AttributeId attributes : formatted_) tables_.attributes.unref(attributes);
  formatted_.clear();
}

// What the peer may have been told of the prefix, and is not told now_. In a walk that is what other groups
// said: what this one said, and does not hold any more, stands in the journal behind the walk.
void UpdateGroup::withdraw_others(const PeerOutput& output, PrefixRef prefix, bool walking) {
  auto [first, end] = adj_rib_out_.ever_told(prefix);
  if (walking) end = first;
  for (const auto& group : output.before) end = std::max(end, group->adj_rib_out_.ever_told(prefix).end);
  for (std::uint32_t id = first; id < end; ++id) {
    const ToldPath* now = find(now_, id);
    if (now == nullptr || now->source == output.peer) builder_.withdraw(prefix, id, {});
  }
}

// --- handing out

bool UpdateGroup::has_output(const PeerOutput& output) const {
  if (output.current != nullptr || !output.attached) return true;
  return output.next_batch != queue_end() || pending(reader_);
}

bool UpdateGroup::pull(PeerOutput& output, std::size_t max_bytes, std::vector<OutputSlice>& out) {
  std::size_t bytes = 0;
  unsigned slices = kSlicesPerPull;
  while (bytes < max_bytes) {
    if (output.current == nullptr && !next(output, slices)) break;
    if (output.current != nullptr) bytes += hand_out(output, max_bytes - bytes, out);
  }
  tables_.trim_journal();
  return has_output(output);
}

// The peer's view of its present batch, up to the message that reaches `max_bytes`. Returns the number of
// bytes.
std::size_t UpdateGroup::hand_out(PeerOutput& output, std::size_t max_bytes, std::vector<OutputSlice>& out) {
  const std::span<const std::byte> all = output.current->bytes;
  std::size_t bytes = 0;
  bool joins = false;  // the last slice ends where the next one begins
  while (output.segment < output.current->segments.size() && bytes < max_bytes) {
    const Batch::Segment& segment = output.current->segments[output.segment];
    const bool told_before = segment.end_of_rib && !output.awaits_end_of_rib[index(*segment.end_of_rib)];
    if (told_before || !segment.audience.includes(output.peer)) {
      ++output.segment;
      joins = false;
      continue;
    }
    const std::size_t begin = segment.begin + output.offset;
    std::size_t end = segment.end;
    if (end - begin > max_bytes - bytes) {
      for (end = begin; end - begin < max_bytes - bytes;) end = message_end(all, end);
    }
    if (joins) {
      out.back().bytes = {out.back().bytes.data(), out.back().bytes.size() + (end - begin)};
    } else {
      out.push_back({output.current, all.subspan(begin, end - begin)});
    }
    joins = true;
    bytes += end - begin;
    output.offset = end - segment.begin;
    if (end == segment.end) {
      ++output.segment;
      output.offset = 0;
    }
  }
  if (output.segment == output.current->segments.size()) {
    for (const Family family : kAllFamilies) {
      if (output.current->end_of_rib[index(family)]) output.awaits_end_of_rib[index(family)] = false;
    }
    output.current.reset();
  }
  return bytes;
}

// Takes the next batch of a peer that has none, or brings it one slice nearer. False where nothing is left or
// this call has done enough.
bool UpdateGroup::next(PeerOutput& output, unsigned& slices) {
  if (output.attached && output.next_batch != queue_end()) {
    take(output);
    return true;
  }
  if (!output.attached && !pending(output.solo) && !pending(reader_)) {
    tables_.journal.remove_cursor(output.solo.cursor);
    output.solo = {};
    output.before.clear();
    attach(output, queue_end());
    return false;
  }
  if (output.attached && !pending(reader_)) return false;
  if (slices == 0) return false;
  --slices;
  if (output.attached || !pending(output.solo)) {
    format_shared();
  } else {
    format_solo(output);
  }
  return true;
}

void UpdateGroup::take(PeerOutput& output) {
  QueuedBatch& queued = queue_[output.next_batch - queue_begin_];
  output.current = queued.batch;
  output.segment = output.offset = 0;
  ++output.next_batch;
  --queued.waiting;
  drop_read_batches();
}

// --- what has been sent

void UpdateGroup::sent(PrefixRef prefix, PeerId reader, std::vector<ToldPath>& out) const {
  adj_rib_out_.paths(prefix, out);
  std::erase_if(out, [reader](const ToldPath& path) { return path.source == reader; });
}

}  // namespace towpath::bgp
