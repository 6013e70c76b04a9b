// A container's network namespace: a bind mount that a plugin gets as CNI_NETNS. Gone with the object.
#pragma once

#include <functional>
#include <string>

#include "towpath/base/error.h"

namespace towpath::conformance {

class Sandbox {
 public:
  // Makes the namespace and mounts it at `path`, which must not exist.
  static Result<Sandbox> make(const std::string& path);
  Sandbox(Sandbox&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  Sandbox& operator=(Sandbox&&) = delete;
  Sandbox(const Sandbox&) = delete;
  ~Sandbox() { remove(); }

  const std::string& path() const { return path_; }
  // Ends the namespace, as a runtime does when the container is gone.
  void remove();

 private:
  explicit Sandbox(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// Brings up `lo` of this process's fresh namespace, and turns duplicate address detection off: plugins that
// wait for it would take a second and more for each ADD.
Status prepare_namespace();

// Runs `body` inside the namespace at `path`; this process is back in its own afterwards. Sockets made there
// stay there.
Status inside_namespace(const std::string& path, const std::function<void()>& body);

}  // namespace towpath::conformance
