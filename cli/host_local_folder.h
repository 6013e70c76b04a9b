// The folder of host-local for one network, held by the lock that host-local itself takes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/unique_fd.h"
#include "towpath/ipam/host_local.h"

namespace towpath::cli {

class HostLocalFolder {
 public:
  // Waits for who has the lock; kConflict if that takes more than ten seconds. As long as this object
  // lives, host-local gives and takes back nothing.
  static Result<HostLocalFolder> lock(const std::string& path);

  // All files, by name.
  Result<std::vector<ipam::HostLocalFile>> read() const;
  const std::string& path() const { return path_; }
  // host-local names its folders after networks.
  std::string network() const;

 private:
  HostLocalFolder(UniqueFd lock, std::string path) : lock_(std::move(lock)), path_(std::move(path)) {}
  UniqueFd lock_;
  std::string path_;  // without a slash at its end
};

}  // namespace towpath::cli
