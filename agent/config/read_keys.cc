#include "agent/config/read_keys.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "towpath/base/unique_fd.h"
#include "towpath/bgp/md5_key.h"

namespace towpath::agent {

Result<std::string> read_key(const std::string& file) {
  const auto unusable = [&file](std::string_view why) {
    return fail(ErrorKind::kInvalid, fmt::format("{} {}", file, why));
  };
  // Without O_NONBLOCK a FIFO would hold us up until somebody writes to it.
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_errno(errno, "open " + file);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno(errno, "stat " + file);
  if (!S_ISREG(info.st_mode)) return unusable("is not a regular file");
  // One octet more than the longest key and its end of line: shows that a file is too long.
  std::array<char, bgp::kLongestMd5Key + 3> buffer{};
  std::size_t size = 0;
  while (size < buffer.size()) {
    const ssize_t count = ::read(fd.get(), buffer.data() + size, buffer.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(errno, "read " + file);
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  std::string key(buffer.data(), size);
  if (key.ends_with('\n')) key.pop_back();
  if (key.ends_with('\r')) key.pop_back();
  if (key.empty()) return unusable("is empty");
  if (key.find('\n') != std::string::npos) return unusable("has more than one line");
  if (key.size() > bgp::kLongestMd5Key) {
    return unusable(fmt::format("has a key of more than {} octets", bgp::kLongestMd5Key));
  }
  return key;
}

void read_keys(AgentConfig& config) {
  const auto read = [](bgp::PeerConfig& peer) {
    if (!peer.md5) return;
    if (auto key = read_key(peer.md5->file)) {
      peer.md5->secret = *std::move(key);
    } else {
      peer.md5->problem = std::move(key).error().message;
    }
  };
  for (bgp::PeerConfig& peer : config.speaker.peers) read(peer);
  for (bgp::PeerRange& range : config.speaker.ranges) read(range.peer);
}

}  // namespace towpath::agent
