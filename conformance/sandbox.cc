#include "conformance/sandbox.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "towpath/base/check.h"
#include "towpath/base/unique_fd.h"

namespace towpath::conformance {
namespace {

constexpr const char* kOwnNamespace = "/proc/self/ns/net";

UniqueFd open_home() {
  UniqueFd home(::open(kOwnNamespace, O_RDONLY | O_CLOEXEC));
  TOWPATH_CHECK(home);
  return home;
}

}  // namespace

Status prepare_namespace() {
  // Where IPv6 is off there is nothing to write, and nothing to wait for either.
  for (const char* setting : {"accept_dad", "dad_transmits"}) {
    std::ofstream(std::string("/proc/sys/net/ipv6/conf/default/") + setting) << "0\n";
  }
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) return fail_errno(errno, "set lo up");
  return {};
}

Result<Sandbox> Sandbox::make(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_CREAT | O_EXCL | O_CLOEXEC, 0444));
  if (!file) return fail_errno(errno, "create " + path);
  const UniqueFd home = open_home();
  if (::unshare(CLONE_NEWNET) != 0) return fail_errno(errno, "make a network namespace");
  Status made = prepare_namespace();
  if (made && ::mount(kOwnNamespace, path.c_str(), "none", MS_BIND, nullptr) != 0) {
    made = fail_errno(errno, "mount a network namespace at " + path);
  }
  TOWPATH_CHECK(::setns(home.get(), CLONE_NEWNET) == 0);
  if (!made) return std::unexpected(std::move(made).error());
  return Sandbox(path);
}

void Sandbox::remove() {
  if (path_.empty()) return;
  ::umount2(path_.c_str(), MNT_DETACH);
  ::unlink(path_.c_str());
  path_.clear();
}

Status inside_namespace(const std::string& path, const std::function<void()>& body) {
  const UniqueFd home = open_home();
  const UniqueFd there(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!there || ::setns(there.get(), CLONE_NEWNET) != 0) return fail_errno(errno, "enter " + path);
  body();
  TOWPATH_CHECK(::setns(home.get(), CLONE_NEWNET) == 0);
  return {};
}

}  // namespace towpath::conformance
