// Tells when files of a directory have changed (inotify).
//
// What counts is a file that is closed after writing, comes, or goes: not each write, so that a file is not
// taken half written. A directory that is not there, or goes, is looked for by open() again.
//
// Threading: one thread; fd() becomes readable. Failure: of open(), kNotFound where there is no directory.
#pragma once

#include <string>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/unique_fd.h"

namespace towpath::agent {

class DirectoryWatch {
 public:
  static Result<DirectoryWatch> open(const std::string& directory);
  int fd() const { return fd_.get(); }
  // What has come so far; false: the directory itself has gone, or is another one.
  bool read();

 private:
  explicit DirectoryWatch(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace towpath::agent
