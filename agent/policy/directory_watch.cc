#include "agent/policy/directory_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace towpath::agent {

Result<DirectoryWatch> DirectoryWatch::open(const std::string& directory) {
  UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd) return fail_errno(errno, "watch " + directory);
  constexpr std::uint32_t kFiles = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;
  constexpr std::uint32_t kItself = IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
  if (::inotify_add_watch(fd.get(), directory.c_str(), kFiles | kItself) < 0)
    return fail_errno(errno, "watch " + directory);
  return DirectoryWatch(std::move(fd));
}

bool DirectoryWatch::read() {
  alignas(inotify_event) std::array<std::byte, 4096> buffer;
  bool is_there = true;
  for (;;) {
    const ssize_t size = ::read(fd_.get(), buffer.data(), buffer.size());
    if (size <= 0) return is_there;
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      if (event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) is_there = false;
      at += sizeof event + event.len;
    }
  }
}

}  // namespace towpath::agent
