#include "agent/advertise/lease_file.h"

#include <fmt/format.h>

#include <cstdint>
#include <sstream>
#include <string_view>

namespace towpath::agent {
namespace {

constexpr std::string_view kTitle = "towpathd leases 1";

std::int64_t nanoseconds(TimePoint t) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(t.time_since_epoch()).count();
}
TimePoint time_point(std::int64_t nanoseconds) {
  return TimePoint(std::chrono::duration_cast<TimePoint::duration>(std::chrono::nanoseconds(nanoseconds)));
}

// "192.0.2.80/32 web 10 1234567890 2234567890"
Result<Lease> parse_lease(const std::string& line) {
  std::istringstream words(line);
  std::string prefix;
  std::int64_t length = 0;
  std::int64_t since = 0;
  std::int64_t ends = 0;
  Lease lease;
  if (!(words >> prefix >> lease.owner >> length >> since >> ends) || !words.eof()) {
    return fail(ErrorKind::kCorrupt, fmt::format("'{}' is no lease", line));
  }
  TOWPATH_TRY(lease.prefix, Prefix::parse(prefix));
  lease.length = std::chrono::seconds(length);
  lease.since = time_point(since);
  lease.ends = time_point(ends);
  return lease;
}

}  // namespace

LeaseFile::LeaseFile(std::string path, std::string boot_id)
    : file_(std::move(path), kTitle, std::move(boot_id)) {}

Status LeaseFile::store(const std::vector<Lease>& leases) const {
  std::string text;
  for (const Lease& lease : leases) {
    text += fmt::format("{} {} {} {} {}\n", lease.prefix.to_string(), lease.owner, lease.length.count(),
                        nanoseconds(lease.since), nanoseconds(lease.ends));
  }
  return file_.store(text);
}

Result<std::vector<Lease>> LeaseFile::load() const {
  TOWPATH_TRY(const auto text, file_.load());
  std::vector<Lease> leases;
  std::istringstream lines(text.value_or(""));
  for (std::string line; std::getline(lines, line);) {
    TOWPATH_TRY(Lease lease, parse_lease(line));
    leases.push_back(std::move(lease));
  }
  return leases;
}

}  // namespace towpath::agent
