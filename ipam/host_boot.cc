#include "ipam/host_boot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <array>

#include "towpath/base/unique_fd.h"

namespace towpath::ipam {
namespace {

std::chrono::nanoseconds boot_time() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

Result<HostBoot> HostBoot::current() {
  constexpr const char* kPath = "/proc/sys/kernel/random/boot_id";
  constexpr std::size_t kUuidSize = 36;
  const UniqueFd fd(::open(kPath, O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(errno, fmt::format("open {}", kPath));
  std::array<char, kUuidSize> text{};
  const ssize_t size = ::read(fd.get(), text.data(), text.size());
  if (size < 0) return fail_errno(errno, fmt::format("read {}", kPath));
  return HostBoot{std::string(text.data(), static_cast<std::size_t>(size)), boot_time};
}

}  // namespace towpath::ipam
