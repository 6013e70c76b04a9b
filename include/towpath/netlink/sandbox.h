// A container's network namespace, opened by path.
//
// Model
//   Sockets remember the namespace in which they were opened, so most work needs no switch: open_socket()
//   once, then use the socket from outside. run_in() is for what has no socket, the files below
//   /proc/sys/net.
//
// Ownership: holds the namespace open; it lives on while this object does, even when its last process is
// gone. Threading: run_in() and open_socket() move the calling thread into the namespace and back. If the way
// back fails the process ends: to go on in a container's namespace would change the wrong host.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/unique_fd.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::netlink {

class Sandbox {
 public:
  // kNotFound: nothing at this path. kInvalid: something, but no network namespace.
  static Result<Sandbox> open(const std::string& path);

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  // Tells namespaces apart while they exist; the kernel uses numbers again later.
  std::uint64_t inode() const { return inode_; }
  // Is it the namespace of the calling thread?
  Result<bool> is_current() const;

  Result<NetlinkSocket> open_socket() const;

  // Runs `function`, which returns a Result, inside the sandbox.
  template <class Function>
  std::invoke_result_t<Function> run_in(Function&& function) const {
    auto visit = enter();
    if (!visit) return std::unexpected(std::move(visit).error());
    return std::forward<Function>(function)();
  }

 private:
  // In the sandbox from its making to its end.
  class Visit {
   public:
    explicit Visit(UniqueFd home) : home_(std::move(home)) {}
    Visit(Visit&&) = default;
    Visit& operator=(Visit&&) = delete;
    ~Visit();

   private:
    UniqueFd home_;
  };

  Sandbox(UniqueFd fd, std::string path, std::uint64_t inode)
      : fd_(std::move(fd)), path_(std::move(path)), inode_(inode) {}
  Result<Visit> enter() const;

  UniqueFd fd_;
  std::string path_;
  std::uint64_t inode_;
};

}  // namespace towpath::netlink
