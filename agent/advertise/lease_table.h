// Which prefixes programs of this host have announced, and until when. Pure: time is an argument.
//
// Model
//   A lease belongs to one owner, a name that the caller chooses, and ends unless it is renewed before.
//   Another owner does not get the prefix meanwhile. The announcement lives as long as the lease: who dies
//   stops renewing, and no more need be known about it.
//
// A plain value.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/base/clock.h"
#include "towpath/base/error.h"
#include "towpath/base/prefix.h"

namespace towpath::agent {

struct Lease {
  Prefix prefix;
  std::string owner;
  std::chrono::seconds length{0};  // as asked for last
  TimePoint since;                 // of the first request
  TimePoint ends;
  friend bool operator==(const Lease&, const Lease&) = default;
};

class LeaseTable {
 public:
  // The agent restarts in less than the shortest one; after the longest one nobody remembers who asked.
  static constexpr std::chrono::seconds kShortest{1};
  static constexpr std::chrono::seconds kLongest{3600};
  static constexpr std::size_t kMost = 1024;
  static constexpr std::size_t kLongestOwner = 64;

  // True: a new lease, false: renewed. kInvalid: a length or an owner that cannot be; kConflict: another
  // owner has it; kExhausted: kMost are there.
  Result<bool> renew(const Prefix& prefix, const std::string& owner, std::chrono::seconds length,
                     TimePoint now);
  // kNotFound; kConflict where `owner` is given and another one has it.
  Status end(const Prefix& prefix, const std::optional<std::string>& owner);
  // Those that ended by `now` are gone, and returned.
  std::vector<Lease> expire(TimePoint now);
  // Where the next one ends.
  std::optional<TimePoint> next_end() const;

  // From a file: what has ended, or could not be asked for, is left out.
  void restore(const Lease& lease, TimePoint now);

  const Lease* find(const Prefix& prefix) const;
  // In the order of prefixes.
  std::vector<Lease> leases() const;

 private:
  std::map<Prefix, Lease> leases_;
};

}  // namespace towpath::agent
