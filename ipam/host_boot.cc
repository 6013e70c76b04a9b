#include "ipam/host_boot.h"

#include <time.h>

#include <utility>

#include "towpath/base/boot_id.h"

namespace towpath::ipam {
namespace {

std::chrono::nanoseconds boot_time() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

Result<HostBoot> HostBoot::current() {
  TOWPATH_TRY(std::string id, current_boot_id());
  return HostBoot{std::move(id), boot_time};
}

}  // namespace towpath::ipam
