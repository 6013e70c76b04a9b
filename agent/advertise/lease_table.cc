#include "agent/advertise/lease_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace towpath::agent {
namespace {

Status check_owner(const std::string& owner) {
  const auto printable = [](char c) { return c > ' ' && c < 0x7F; };
  if (!owner.empty() && owner.size() <= LeaseTable::kLongestOwner && std::ranges::all_of(owner, printable))
    return {};
  return fail(ErrorKind::kInvalid,
              fmt::format("owner: value '{}': must be 1 to {} printable characters without blanks", owner,
                          LeaseTable::kLongestOwner));
}

Status check_length(std::chrono::seconds length) {
  if (length >= LeaseTable::kShortest && length <= LeaseTable::kLongest) return {};
  return fail(ErrorKind::kInvalid,
              fmt::format("lease: value '{}': must be from {} to {} seconds", length.count(),
                          LeaseTable::kShortest.count(), LeaseTable::kLongest.count()));
}

std::unexpected<Error> owned_by(const Lease& lease) {
  return fail(ErrorKind::kConflict,
              fmt::format("prefix: value '{}': {} has it by a lease", lease.prefix.to_string(), lease.owner));
}

}  // namespace

Result<bool> LeaseTable::renew(const Prefix& prefix, const std::string& owner, std::chrono::seconds length,
                               TimePoint now) {
  TOWPATH_TRY_STATUS(check_owner(owner));
  TOWPATH_TRY_STATUS(check_length(length));
  const auto known = leases_.find(prefix);
  if (known != leases_.end() && known->second.owner != owner) return owned_by(known->second);
  if (known == leases_.end() && leases_.size() >= kMost) {
    return fail(ErrorKind::kExhausted, fmt::format("there are {} leases already", kMost));
  }
  const auto [lease, is_new] = leases_.try_emplace(prefix, Lease{prefix, owner, length, now, now + length});
  lease->second.length = length;
  lease->second.ends = now + length;
  return is_new;
}

Status LeaseTable::end(const Prefix& prefix, const std::optional<std::string>& owner) {
  const auto known = leases_.find(prefix);
  if (known == leases_.end()) {
    return fail(ErrorKind::kNotFound,
                fmt::format("prefix: value '{}': nobody has a lease of it", prefix.to_string()));
  }
  if (owner && known->second.owner != *owner) return owned_by(known->second);
  leases_.erase(known);
  return {};
}

std::vector<Lease> LeaseTable::expire(TimePoint now) {
  std::vector<Lease> ended;
  std::erase_if(leases_, [&](const auto& entry) {
    const bool over = entry.second.ends <= now;
    if (over) ended.push_back(entry.second);
    return over;
  });
  return ended;
}

std::optional<TimePoint> LeaseTable::next_end() const {
  if (leases_.empty()) return std::nullopt;
  return std::ranges::min_element(leases_, {}, [](const auto& e) { return e.second.ends; })->second.ends;
}

void LeaseTable::restore(const Lease& lease, TimePoint now) {
  const bool sound = check_owner(lease.owner) && check_length(lease.length) && lease.ends > now &&
                     lease.ends <= now + lease.length && lease.since <= now && leases_.size() < kMost;
  if (sound) leases_.try_emplace(lease.prefix, lease);
}

const Lease* LeaseTable::find(const Prefix& prefix) const {
  const auto known = leases_.find(prefix);
  return known == leases_.end() ? nullptr : &known->second;
}

std::vector<Lease> LeaseTable::leases() const {
  std::vector<Lease> all;
  for (const auto& [prefix, lease] : leases_) all.push_back(lease);
  return all;
}

}  // namespace towpath::agent
