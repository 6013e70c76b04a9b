#include "ipam/index_audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace towpath::ipam {
namespace {

using Holders = std::map<std::uint64_t, const EndpointRecord*>;  // by offset in the block

Finding about(const IpAddress& address, const EndpointRecord* record, std::string reason) {
  Finding finding{FindingKind::kIndex, address.to_string(), {}, 0, std::move(reason), Repair::kRebuild};
  if (record != nullptr) {
    finding.attachment = record->attachment;
    finding.generation = record->generation;
  }
  return finding;
}

Finding about(const Prefix& block, std::string reason) {
  return {FindingKind::kIndex, block.to_string(), {}, 0, std::move(reason), Repair::kRebuild};
}

bool serves(const Prefix& block, std::uint64_t offset) {
  return first_usable_offset(block) <= offset && offset <= block.size() - 1;
}

class BlockAudit {
 public:
  BlockAudit(const BlockContents& contents, const Holders& holders, const std::set<IpAddress>& in_use,
             std::vector<Finding>& out)
      : contents_(contents), holders_(holders), in_use_(in_use), out_(out) {}

  void run() {
    if (!contents_.stored) {
      // Addresses that records have of it are findings of their own.
      if (holders_.empty()) {
        out_.push_back(about(prefix(), "the store has indexes of this block, which it does not list"));
      }
      return;
    }
    check_held();
    check_resting();
    check_marked();
    check_numbers();
  }

 private:
  const Prefix& prefix() const { return contents_.block.prefix; }
  IpAddress at(std::uint64_t offset) const { return prefix().address().plus(offset); }
  bool is_marked(std::uint64_t offset) const { return std::ranges::binary_search(contents_.marked, offset); }

  void check_held() {
    for (const auto& [offset, record] : holders_) {
      if (!is_marked(offset)) out_.push_back(about(at(offset), record, "the bitmap says that it is free"));
    }
  }

  void check_resting() {
    for (const RestingAddress& resting : contents_.resting) {
      const auto holder = holders_.find(resting.offset);
      if (holder != holders_.end()) {
        out_.push_back(about(at(resting.offset), holder->second, "the list of resting addresses has it"));
      } else if (!serves(prefix(), resting.offset)) {
        out_.push_back(about(
            prefix(), fmt::format("an address rests that it does not have: offset {}", resting.offset)));
      } else if (!is_marked(resting.offset)) {
        out_.push_back(about(at(resting.offset), nullptr, "it rests, but the bitmap says that it is free"));
      }
      if (!rests_.insert(resting.offset).second) {
        out_.push_back(about(at(resting.offset), nullptr, "it rests twice"));
      }
    }
  }

  void check_marked() {
    for (const std::uint64_t offset : contents_.marked) {
      if (holders_.contains(offset)) continue;
      if (!serves(prefix(), offset)) {
        out_.push_back(about(prefix(), fmt::format("the bitmap marks an address that serves no container: "
                                                   "offset {}",
                                                   offset)));
      } else if (!rests_.contains(offset)) {
        Finding finding = about(at(offset), nullptr, "the bitmap says that it is taken, but nobody has it");
        if (in_use_.contains(at(offset))) {
          finding.reason = "the bitmap says that it is taken, and it is in use, but no record has it";
          finding.repair = Repair::kNone;
        }
        out_.push_back(std::move(finding));
      }
    }
  }

  void check_numbers() {
    const Block& block = contents_.block;
    if (block.used != holders_.size()) {
      out_.push_back(
          about(prefix(), fmt::format("it says that {} addresses are in use, and the records have {}",
                                      block.used, holders_.size())));
    }
    if (block.resting != contents_.resting.size()) {
      out_.push_back(about(prefix(), fmt::format("it says that {} addresses rest, and the list has {}",
                                                 block.resting, contents_.resting.size())));
    }
  }

  const BlockContents& contents_;
  const Holders& holders_;
  const std::set<IpAddress>& in_use_;
  std::vector<Finding>& out_;
  std::set<std::uint64_t> rests_;
};

void check_overlaps(const StoreSnapshot& store, std::vector<Finding>& out) {
  const BlockContents* before = nullptr;  // in this order a block comes right after one that covers it
  for (const BlockContents& contents : store.blocks) {
    if (!contents.stored) continue;
    if (before != nullptr && before->block.prefix.contains(contents.block.prefix)) {
      out.push_back(about(contents.block.prefix,
                          fmt::format("it lies inside the block {}", before->block.prefix.to_string())));
      out.back().repair = Repair::kNone;
      continue;
    }
    before = &contents;
  }
}

std::map<Prefix, Holders> holders_of(const StoreSnapshot& store) {
  std::map<Prefix, Holders> holders;
  for (const EndpointRecord& record : store.records) {
    for (const BlockAddress& address : record.allocated) {
      holders[address.block][address.address.offset_from(address.block.address())] = &record;
    }
  }
  return holders;
}

BlockContents sound_contents(const BlockContents& contents, const Holders& holders,
                             const std::set<IpAddress>& in_use, std::chrono::nanoseconds uptime) {
  const Prefix& block = contents.block.prefix;
  const auto is_nobodys = [&](std::uint64_t offset) {
    return serves(block, offset) && !holders.contains(offset);
  };
  // Of an address that rests twice the younger entry holds.
  std::map<std::uint64_t, std::chrono::nanoseconds> rests;
  for (const RestingAddress& resting : contents.resting) {
    if (is_nobodys(resting.offset)) rests[resting.offset] = resting.since;
  }
  std::set<std::uint64_t> marked;
  for (const std::uint64_t offset : contents.marked) {
    if (!is_nobodys(offset) || rests.contains(offset)) continue;
    if (in_use.contains(block.address().plus(offset))) {
      marked.insert(offset);
    } else {
      rests[offset] = uptime;
    }
  }
  for (const auto& [offset, record] : holders) marked.insert(offset);
  BlockContents sound{.block = contents.block, .stored = contents.stored};
  for (const auto& [offset, since] : rests) {
    marked.insert(offset);
    sound.resting.push_back({offset, since});
  }
  std::ranges::sort(sound.resting, {}, [](const RestingAddress& r) { return std::pair(r.since, r.offset); });
  sound.marked.assign(marked.begin(), marked.end());
  sound.block.used = holders.size();
  sound.block.resting = sound.resting.size();
  return sound;
}

}  // namespace

std::vector<Finding> audit_indexes(const StoreSnapshot& store, const std::set<IpAddress>& in_use) {
  auto holders = holders_of(store);
  std::vector<Finding> findings;
  for (const BlockContents& contents : store.blocks) {
    BlockAudit(contents, holders[contents.block.prefix], in_use, findings).run();
  }
  check_overlaps(store, findings);
  return findings;
}

std::vector<BlockContents> sound_indexes(const StoreSnapshot& store, const std::set<IpAddress>& in_use) {
  auto holders = holders_of(store);
  std::vector<BlockContents> sound;
  for (const BlockContents& contents : store.blocks) {
    const Holders& of_block = holders[contents.block.prefix];
    if (contents.stored) {
      sound.push_back(sound_contents(contents, of_block, in_use, store.uptime));
    } else if (!of_block.empty()) {
      sound.push_back(contents);
    }
  }
  return sound;
}

}  // namespace towpath::ipam
