#include "cli/host_local_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <thread>

namespace towpath::cli {
namespace {

constexpr std::chrono::seconds kPatience{10};
constexpr std::chrono::milliseconds kPause{20};
// Of an id and an interface name; what is longer is not host-local's.
constexpr std::size_t kLongestFile = 4096;

Result<std::string> read_file(const std::string& path) {
  // O_NOFOLLOW and O_NONBLOCK: host-local makes plain files only.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return fail_errno(errno, path);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno(errno, path);
  if (!S_ISREG(info.st_mode))
    return fail(ErrorKind::kInvalid, fmt::format("{}: host-local makes plain files only", path));
  std::array<char, kLongestFile + 1> buffer{};
  const ssize_t size = ::read(fd.get(), buffer.data(), buffer.size());
  if (size < 0) return fail_errno(errno, path);
  if (static_cast<std::size_t>(size) > kLongestFile)
    return fail(ErrorKind::kInvalid, fmt::format("{}: larger than any file of host-local", path));
  return std::string(buffer.data(), static_cast<std::size_t>(size));
}

}  // namespace

Result<HostLocalFolder> HostLocalFolder::lock(const std::string& path) {
  std::string folder = std::filesystem::path(path).lexically_normal();
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  struct stat info{};
  if (::stat(folder.c_str(), &info) != 0) return fail_errno(errno, folder);
  if (!S_ISDIR(info.st_mode)) return fail(ErrorKind::kInvalid, fmt::format("{} is no directory", folder));
  const std::string name = folder + "/lock";
  UniqueFd fd(::open(name.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return fail_errno(errno, name);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return fail_errno(errno, fmt::format("lock {}", name));
    if (std::chrono::steady_clock::now() >= end) {
      return fail(ErrorKind::kConflict,
                  fmt::format("{} is locked by another process for more than {} s", name, kPatience.count()));
    }
    std::this_thread::sleep_for(kPause);
  }
  return HostLocalFolder(std::move(fd), folder);
}

Result<std::vector<ipam::HostLocalFile>> HostLocalFolder::read() const {
  std::vector<ipam::HostLocalFile> files;
  std::error_code code;
  for (const auto& entry : std::filesystem::directory_iterator(path_, code)) {
    TOWPATH_TRY(std::string content, read_file(entry.path()));
    files.push_back({entry.path().filename(), std::move(content)});
  }
  if (code) return fail_errno(code.value(), path_);
  std::ranges::sort(files, {}, &ipam::HostLocalFile::name);
  return files;
}

std::string HostLocalFolder::network() const {
  return std::filesystem::path(path_).filename();
}

}  // namespace towpath::cli
