#include "towpath/base/boot_id.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "towpath/base/unique_fd.h"

namespace towpath {

Result<std::string> current_boot_id() {
  constexpr std::size_t kUuidSize = 36;
  const std::string path = "/proc/sys/kernel/random/boot_id";
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(errno, "open " + path);
  std::array<char, kUuidSize> text{};
  const ssize_t size = ::read(fd.get(), text.data(), text.size());
  if (size < 0) return fail_errno(errno, "read " + path);
  return std::string(text.data(), static_cast<std::size_t>(size));
}

}  // namespace towpath
