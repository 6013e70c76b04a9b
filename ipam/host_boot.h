// HostBoot: which boot of the host this is, and how long it has lasted. Both are the kernel's: no step of the
// wall clock changes them, and every process of the host sees the same.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "towpath/base/error.h"

namespace towpath::ipam {

struct HostBoot {
  std::string id;                                    // differs from boot to boot
  std::function<std::chrono::nanoseconds()> uptime;  // CLOCK_BOOTTIME: goes on while the host is suspended

  static Result<HostBoot> current();
};

}  // namespace towpath::ipam
