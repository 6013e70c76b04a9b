#include "agent/config/read_keys.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "agent/config/scalars.h"
#include "towpath/base/unique_fd.h"
#include "towpath/bgp/md5_key.h"

namespace towpath::agent {

Result<std::string> parse_key_path(std::string_view text) {
  TOWPATH_TRY(std::string path, parse_path(text));
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode))
    return fail(ErrorKind::kInvalid, "is not a regular file");
  return path;
}

Result<std::string> read_key(const std::string& file, std::size_t longest) {
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
  std::string buffer(longest + 3, '\0');
  std::size_t size = 0;
  while (size < buffer.size()) {
    const ssize_t count = ::read(fd.get(), buffer.data() + size, buffer.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(errno, "read " + file);
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  std::string key = buffer.substr(0, size);
  if (key.ends_with('\n')) key.pop_back();
  if (key.ends_with('\r')) key.pop_back();
  if (key.empty()) return unusable("is empty");
  if (key.find('\n') != std::string::npos) return unusable("has more than one line");
  if (key.size() > longest) return unusable(fmt::format("has a key of more than {} octets", longest));
  return key;
}

void read_keys(AgentConfig& config) {
  const auto fill = [](auto& named, std::size_t longest) {
    if (auto key = read_key(named.file, longest)) {
      named.secret = *std::move(key);
    } else {
      named.problem = std::move(key).error().message;
    }
  };
  const auto read = [&fill](bgp::PeerConfig& peer) {
    if (peer.md5) fill(*peer.md5, bgp::kLongestMd5Key);
  };
  for (bgp::PeerConfig& peer : config.speaker.peers) read(peer);
  for (bgp::PeerRange& range : config.speaker.ranges) read(range.peer);
  for (bfd::SessionConfig& session : config.bfd) {
    if (session.authentication) fill(*session.authentication, longest_key(session.authentication->type));
  }
}

}  // namespace towpath::agent
