#include "towpath/netlink/sysctl.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "towpath/base/unique_fd.h"
#include "towpath/netlink/batch.h"

namespace towpath::netlink {
namespace {

std::string path_of(std::string_view key) {
  return fmt::format("/proc/sys/{}", key);
}

Status ensure(std::string_view key, std::string_view value, std::vector<SysctlChange>& changes) {
  TOWPATH_TRY(std::string before, read_sysctl(key));
  if (before == value) return {};
  TOWPATH_TRY_STATUS(write_sysctl(key, value));
  changes.push_back({std::string(key), std::move(before), std::string(value)});
  return {};
}

// Interfaces that have IPv6 settings. "all" and "default" are no interfaces.
std::vector<std::string> ipv6_interfaces() {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/sys/net/ipv6/conf"), ::closedir);
  if (!folder) return names;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != ".." && name != "all" && name != "default" && name != "lo")
      names.emplace_back(name);
  }
  return names;
}

}  // namespace

Result<std::string> read_sysctl(std::string_view key) {
  UniqueFd fd(::open(path_of(key).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(errno, fmt::format("read /proc/sys/{}", key));
  std::array<char, 4096> text;
  const ssize_t size = ::read(fd.get(), text.data(), text.size());
  if (size < 0) return fail_errno(errno, fmt::format("read /proc/sys/{}", key));
  std::string value(text.data(), static_cast<std::size_t>(size));
  while (!value.empty() && value.back() == '\n') value.pop_back();
  return value;
}

Status write_sysctl(std::string_view key, std::string_view value) {
  UniqueFd fd(::open(path_of(key).c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return fail_errno(errno, fmt::format("write /proc/sys/{}", key));
  const ssize_t written = ::write(fd.get(), value.data(), value.size());
  if (written != static_cast<ssize_t>(value.size())) {
    return fail_errno(written < 0 ? errno : EIO, fmt::format("write '{}' to /proc/sys/{}", value, key));
  }
  return {};
}

Result<bool> ensure_sysctl(std::string_view key, std::string_view value) {
  std::vector<SysctlChange> changes;
  TOWPATH_TRY_STATUS(ensure(key, value, changes));
  return !changes.empty();
}

Result<std::vector<SysctlChange>> enable_forwarding() {
  std::vector<SysctlChange> changes;
  TOWPATH_TRY_STATUS(ensure("net/ipv4/ip_forward", "1", changes));
  constexpr std::string_view kIpv6 = "net/ipv6/conf/all/forwarding";
  const auto before = read_sysctl(kIpv6);
  if (!before && before.error().kind == ErrorKind::kNotFound) return changes;
  if (!before) return std::unexpected(before.error());
  if (*before == "1") return changes;
  for (const std::string& name : ipv6_interfaces()) {
    const std::string key = fmt::format("net/ipv6/conf/{}/accept_ra", name);
    const auto accept = read_sysctl(key);
    // An interface may go away between the listing and here.
    if (accept && *accept == "1") TOWPATH_TRY_STATUS(ensure(key, "2", changes));
  }
  TOWPATH_TRY_STATUS(ensure(kIpv6, "1", changes));
  return changes;
}

// Opening a file below /proc/sys/net goes through a list of all network namespaces in which that name was
// looked up (fs/proc/proc_sysctl.c, proc_sys_compare): with 600 of them the two files took 0.25 ms.
Status ensure_forwarding(NetlinkSocket& socket) {
  Batch batch(socket);
  batch.get_forwarding(AddressFamily::kIpv4);
  batch.get_forwarding(AddressFamily::kIpv6);
  bool all = true;
  TOWPATH_TRY(const auto failures,
              batch.execute_all([&](const MessageView& reply) { all &= Batch::is_forwarding(reply); }));
  // A family that the kernel does not have forwards nothing.
  all &=
      std::ranges::all_of(failures, [](const Batch::Failure& f) { return f.error.sys_errno == EOPNOTSUPP; });
  if (all) return {};
  TOWPATH_TRY_STATUS(enable_forwarding());
  return {};
}

}  // namespace towpath::netlink
