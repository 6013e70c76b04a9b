#include "towpath/netlink/sandbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>

#include "towpath/base/check.h"

namespace towpath::netlink {
namespace {

constexpr const char* kCurrent = "/proc/thread-self/ns/net";

}  // namespace

Result<Sandbox> Sandbox::open(const std::string& path) {
  // O_NONBLOCK: a path that names a pipe must not hang the caller.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return fail_errno(errno, fmt::format("sandbox '{}'", path));
  struct statfs file_system{};
  if (::fstatfs(fd.get(), &file_system) != 0)
    return fail_errno(errno, fmt::format("sandbox '{}': fstatfs", path));
  if (file_system.f_type != NSFS_MAGIC || ::ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) {
    return fail(ErrorKind::kInvalid, fmt::format("sandbox '{}' is not a network namespace", path));
  }
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return fail_errno(errno, fmt::format("sandbox '{}': fstat", path));
  return Sandbox(std::move(fd), path, status.st_ino);
}

Result<bool> Sandbox::is_current() const {
  struct stat status{};
  if (::stat(kCurrent, &status) != 0) return fail_errno(errno, fmt::format("stat {}", kCurrent));
  return status.st_ino == inode_;
}

Result<NetlinkSocket> Sandbox::open_socket() const {
  return run_in([] { return NetlinkSocket::open(); });
}

Result<Sandbox::Visit> Sandbox::enter() const {
  UniqueFd home(::open(kCurrent, O_RDONLY | O_CLOEXEC));
  if (!home) return fail_errno(errno, fmt::format("open {}", kCurrent));
  if (::setns(fd_.get(), CLONE_NEWNET) != 0)
    return fail_errno(errno, fmt::format("enter sandbox '{}'", path_));
  return Visit(std::move(home));
}

Sandbox::Visit::~Visit() {
  if (home_) TOWPATH_CHECK(::setns(home_.get(), CLONE_NEWNET) == 0);
}

}  // namespace towpath::netlink
