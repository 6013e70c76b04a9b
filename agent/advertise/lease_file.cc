#include "agent/advertise/lease_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string_view>

#include "towpath/base/unique_fd.h"

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

Status LeaseFile::store(const std::vector<Lease>& leases) const {
  std::string text = fmt::format("{}\nboot {}\n", kTitle, boot_id_);
  for (const Lease& lease : leases) {
    text += fmt::format("{} {} {} {} {}\n", lease.prefix.to_string(), lease.owner, lease.length.count(),
                        nanoseconds(lease.since), nanoseconds(lease.ends));
  }
  const std::string next = path_ + ".new";
  UniqueFd fd(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!fd) return fail_errno(errno, "open " + next);
  for (std::size_t written = 0; written < text.size();) {
    const ssize_t count = ::write(fd.get(), text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(errno, "write " + next);
    written += static_cast<std::size_t>(count);
  }
  if (std::rename(next.c_str(), path_.c_str()) != 0) return fail_errno(errno, "replace " + path_);
  return {};
}

Result<std::vector<Lease>> LeaseFile::load() const {
  std::vector<Lease> leases;
  std::ifstream file(path_);
  if (!file) return leases;
  std::string line;
  if (!std::getline(file, line) || line != kTitle) {
    return fail(ErrorKind::kCorrupt, fmt::format("{}: is no list of leases", path_));
  }
  if (!std::getline(file, line) || line != "boot " + boot_id_) return leases;
  while (std::getline(file, line)) {
    TOWPATH_TRY(Lease lease, parse_lease(line));
    leases.push_back(std::move(lease));
  }
  return leases;
}

}  // namespace towpath::agent
