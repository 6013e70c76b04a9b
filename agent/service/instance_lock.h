// One agent for each state directory: a lock on <state_dir>/towpathd.lock, held for the life of the process.
//
// The kernel releases it however the process ends, so nothing is ever stale. The file stays; it holds the
// owner's pid for people to read.
#pragma once

#include <string>

#include "towpath/base/error.h"
#include "towpath/base/unique_fd.h"

namespace towpath::agent {

class InstanceLock {
 public:
  // Makes the directory if it is not there. kConflict: another agent has it; the message names its pid.
  static Result<InstanceLock> acquire(const std::string& state_dir);

 private:
  explicit InstanceLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace towpath::agent
