#include "agent/advertise/boot_id.h"

#include <fstream>

namespace towpath::agent {

Result<std::string> current_boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  if (!(file >> id)) return fail(ErrorKind::kUnavailable, "the kernel does not say which boot this is");
  return id;
}

}  // namespace towpath::agent
