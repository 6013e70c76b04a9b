#include "agent/advertise/boot_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "towpath/base/unique_fd.h"

namespace towpath::agent {

Status BootFile::store(std::string_view text) const {
  const std::string whole = fmt::format("{}\nboot {}\n{}", title_, boot_id_, text);
  const std::string next = path_ + ".new";
  UniqueFd fd(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!fd) return fail_errno(errno, "open " + next);
  for (std::size_t written = 0; written < whole.size();) {
    const ssize_t count = ::write(fd.get(), whole.data() + written, whole.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(errno, "write " + next);
    written += static_cast<std::size_t>(count);
  }
  if (std::rename(next.c_str(), path_.c_str()) != 0) return fail_errno(errno, "replace " + path_);
  return {};
}

Result<std::optional<std::string>> BootFile::load() const {
  std::ifstream file(path_);
  if (!file) return std::nullopt;
  std::string line;
  if (!std::getline(file, line) || line != title_) {
    return fail(ErrorKind::kCorrupt, fmt::format("{}: does not begin with '{}'", path_, title_));
  }
  if (!std::getline(file, line) || line != "boot " + boot_id_) return std::nullopt;
  return std::string(std::istreambuf_iterator(file), {});
}

Status BootFile::remove() const {
  if (std::remove(path_.c_str()) == 0 || errno == ENOENT) return {};
  return fail_errno(errno, "remove " + path_);
}

}  // namespace towpath::agent
