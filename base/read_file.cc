#include "towpath/base/read_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "towpath/base/unique_fd.h"

namespace towpath {

Result<std::string> read_file(const std::string& path, std::size_t most) {
  // O_NONBLOCK: a FIFO is refused and not waited for.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_errno(errno, "open");
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno(errno, "stat");
  if (!S_ISREG(info.st_mode)) return fail(ErrorKind::kInvalid, "is not a regular file");
  std::string text;
  char buffer[16384];
  for (;;) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(errno, "read");
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
    if (text.size() > most) return fail(ErrorKind::kExhausted, fmt::format("is larger than {} bytes", most));
  }
}

}  // namespace towpath
