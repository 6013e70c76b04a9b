#include "agent/service/instance_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>

namespace towpath::agent {
namespace {

std::string read_owner(int fd) {
  char buffer[32];
  const ssize_t count = ::pread(fd, buffer, sizeof buffer, 0);
  std::string text(buffer, count > 0 ? static_cast<std::size_t>(count) : 0);
  text.erase(text.find_last_not_of('\n') + 1);
  return text.empty() ? "unknown" : text;
}

}  // namespace

Result<InstanceLock> InstanceLock::acquire(const std::string& state_dir) {
  std::error_code ec;
  std::filesystem::create_directories(state_dir, ec);
  if (ec) return fail_errno(ec.value(), "make state_dir " + state_dir);
  const std::string path = state_dir + "/towpathd.lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd) return fail_errno(errno, "open " + path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail_errno(errno, "lock " + path);
    return fail(ErrorKind::kConflict,
                fmt::format("another towpathd (pid {}) uses state_dir {}", read_owner(fd.get()), state_dir));
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(fd.get(), 0) != 0 || ::pwrite(fd.get(), pid.data(), pid.size(), 0) < 0) {
    return fail_errno(errno, "write " + path);
  }
  return InstanceLock(std::move(fd));
}

}  // namespace towpath::agent
