// The adj-rib-out of all peers that are told routes in the same way, and the messages that tell them.
//
// Model
//   The group has one reader of the RIB: first a walk over the table, then the journal. Whenever an attached
//   peer has read all there is, the reader goes on by one slice: it compares each prefix with the
//   adj-rib-out, and what differs becomes a batch of messages at the end of a queue that all attached peers
//   read. A batch goes when the last one has read it.
//
//       RIB ──> reader ──> adj-rib-out ──> [ batch | batch | batch ] ──> attached peers, each at its place
//        └────> reader of one peer alone ─────────────────────────────> a peer that joined late or fell
//        behind
//
//   A peer that holds up more than RibLimits::queue_bytes leaves the queue. It then has a reader of its own,
//   which starts where the peer stands and formats from the present state of the RIB, one batch at a time as
//   its socket takes it: it sees only final states, and costs one batch and a journal cursor. A peer that
//   joins later walks the table in the same way. When such a reader is at the end of the journal and the
//   group's reader is, too, both have said the same, and the peer attaches. For as long as they differ it
//   does not: the queue holds differences to the adj-rib-out only.
//
//   Split horizon: a route is not told to the peer it came from. In the queue that is a matter of audience
//   (batch.h); the peer gets a withdrawal instead if it has been told another peer's path of that prefix
//   before.
//
//   ADD-PATH (RFC 7911): a group whose session has path ids tells the best so many paths of a prefix, or all.
//   A path keeps its identifier as long as it lives (RibTables::sent_ids), so all that is said above of a
//   prefix holds for each of its identifiers.
//
//   A peer with a reader of its own may get a withdrawal of a route that it was never told, if the route came
//   and went while it was behind. That is allowed, and harmless.
//
// Ownership: Rib owns groups and PeerOutputs. A PeerOutput belongs to its group from join() to leave().
// Threading: owned by the loop.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "bgp/rib/adj_rib_out.h"
#include "bgp/rib/batch.h"
#include "bgp/rib/output.h"
#include "bgp/rib/tables.h"

namespace towpath::bgp {

// What is still to be read of the tables, in the order of families and prefixes.
struct TableWalk {
  std::array<bool, kFamilyCount> wanted{};
  // To be sent when the family is through, and not held any more.
  std::array<bool, kFamilyCount> end_of_rib{};
  // RFC 7313: where the answer to a ROUTE-REFRESH begins and ends is to be marked.
  std::array<bool, kFamilyCount> mark_begin{};
  std::array<bool, kFamilyCount> mark_end{};
  std::optional<Prefix> next;  // in the first wanted family; its start where empty
  bool active() const { return wanted[0] || wanted[1]; }
};

// A place in the RIB: the walk first, then the journal.
struct RibReader {
  TableWalk walk;
  Journal::CursorId cursor = 0;
};

class UpdateGroup;

struct PeerOutput {
  PeerId peer;
  UpdateGroup* group = nullptr;
  // The batch that is being read, and where.
  std::shared_ptr<const Batch> current;
  std::size_t segment = 0;
  std::size_t offset = 0;  // in the segment
  std::array<bool, kFamilyCount> awaits_end_of_rib{};
  // Attached: the number of the next batch of the queue. Otherwise the reader of its own.
  bool attached = false;
  std::uint64_t next_batch = 0;
  RibReader solo;
  std::vector<std::shared_ptr<const UpdateGroup>> before;  // see UpdateGroup::take_over()
};

class UpdateGroup {
 public:
  UpdateGroup(RibTables& tables, const ExportTarget& target);
  ~UpdateGroup();
  UpdateGroup(const UpdateGroup&) = delete;
  UpdateGroup& operator=(const UpdateGroup&) = delete;

  const ExportTarget& target() const { return target_; }
  bool empty() const { return members_.empty(); }

  void join(PeerOutput& output);
  void leave(PeerOutput& output);
  // In place of join(), for a peer that `from` has told until now, in the same session: it gets all that is
  // exportable, withdrawals for what it may have been told, and only the End-of-RIB that it has not had.
  void take_over(PeerOutput& output, std::shared_ptr<UpdateGroup> from);
  // The last member has left: reads no more. What was told can still be asked for.
  void retire();
  // All routes of one family once more; see Rib::refresh_output().
  void refresh(PeerOutput& output, Family family, bool marked);
  // See Rib::pull().
  bool pull(PeerOutput& output, std::size_t max_bytes, std::vector<OutputSlice>& out);
  bool has_output(const PeerOutput& output) const;

  // Appends what the member has been told of the prefix.
  void sent(PrefixRef prefix, PeerId reader, std::vector<ToldPath>& out) const;
  std::size_t sent_count(PeerId reader, Family family) const { return adj_rib_out_.count(reader, family); }

 private:
  struct QueuedBatch {
    std::shared_ptr<const Batch> batch;
    RibReader position;       // of the group's reader before it
    std::size_t waiting = 0;  // attached peers that have not taken it
  };

  bool pending(const RibReader& reader) const;
  bool holds_end_of_rib() const;
  bool owes_end_of_rib(const TableWalk& walk) const;
  bool read(RibReader& reader);
  RibReader copy(const RibReader& reader);
  void evaluate(PrefixRef prefix, std::vector<ToldPath>& out);
  ToldPath evaluate_best(PrefixRef prefix);
  ToldPath evaluate(PrefixRef prefix, const PathEntry& path, std::uint32_t path_id);
  bool exportable(const PathEntry& path, Family family);
  AttributeId evaluate_by_policy(PrefixRef prefix, const PathEntry& path);

  void add_member(PeerOutput& output);
  void remove_member(PeerOutput& output);
  void format_shared();
  void change(PrefixRef prefix);
  void change_several(PrefixRef prefix);
  void tell(PrefixRef prefix, const ToldPath& path, const ToldPath& known);
  void withdraw(PrefixRef prefix, const ToldPath& known);
  void format_solo(PeerOutput& output);
  void withdraw_others(const PeerOutput& output, PrefixRef prefix, bool walking);

  std::size_t hand_out(PeerOutput& output, std::size_t max_bytes, std::vector<OutputSlice>& out);
  bool next(PeerOutput& output, unsigned& slices);
  void attach(PeerOutput& output, std::uint64_t at);
  void detach(PeerOutput& output);
  void take(PeerOutput& output);
  void drop_read_batches();
  void leave_slow_behind();
  bool sends_several(PrefixRef prefix) const { return target_.session.of(prefix.family()).add_path_send; }
  bool is_member(PeerId peer) const { return peer.value < is_member_.size() && is_member_[peer.value]; }
  std::uint64_t queue_end() const { return queue_begin_ + queue_.size(); }

  RibTables& tables_;
  const ExportTarget target_;
  BatchBuilder builder_;
  RibReader reader_;

  AdjRibOut adj_rib_out_;

  std::deque<QueuedBatch> queue_;
  std::uint64_t queue_begin_ = 0;  // number of queue_.front(); 0: everything ever said is still there
  std::size_t queue_bytes_ = 0;

  std::vector<PeerOutput*> members_;
  std::vector<bool> is_member_;  // by PeerId
  std::size_t attached_ = 0;
  bool retired_ = false;

  // The last answer of exportable(). For one slice: later its number may be another set's.
  struct Asked {
    AttributeId attributes;
    PeerId source;
    Family family{};
    bool exportable = false;
  };
  Asked asked_;

  // Scratch, emptied after use.
  std::vector<PrefixRef> read_;
  std::vector<Family> walked_;
  std::vector<BatchBuilder::Route> refused_;
  std::vector<ToldPath> now_;
  std::vector<ToldPath> known_;
  std::vector<Candidate> candidates_;
  std::vector<AttributeId> formatted_;  // by format_solo(), referenced
};

}  // namespace towpath::bgp
