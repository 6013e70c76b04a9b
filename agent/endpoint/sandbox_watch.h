// Finds endpoints whose sandbox is gone and for which no runtime has called DEL.
//
// Model
//   An endpoint is gone when neither of its ends is there: no namespace with the recorded inode at the path
//   of the sandbox, and no host end of its veth pair, which lives as long as its namespace does. Both,
//   because each alone can be wrong: paths are seen from the agent's mount namespace, and a link can be
//   deleted by hand. Seen gone, an endpoint is looked at again after a grace, in which the runtime's own DEL
//   may come; still gone, it is dead.
//
//   A record of the stand-alone IPAM plugin has no host end of ours. It counts as gone only where the
//   directory of its path can be seen.
//
// Pure but for the two looks, which are injected. Threading: the loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "towpath/base/clock.h"
#include "towpath/ipam/endpoint_record.h"

namespace towpath::agent {

struct SandboxLooks {
  // The inode of the namespace at a path; 0: nothing there, and nothing at all if the directory is not there
  // either.
  std::function<std::optional<std::uint64_t>(const std::string& path)> inode;
  // Whether the host has this interface of the endpoint's.
  std::function<bool(const std::string& ifname, const ipam::AttachmentId& endpoint)> has_link;
};
SandboxLooks kernel_looks();

class SandboxWatch {
 public:
  static constexpr std::chrono::seconds kGrace{30};

  explicit SandboxWatch(SandboxLooks looks) : looks_(std::move(looks)) {}

  // True: it was gone at an earlier look, and for the whole grace since.
  bool is_dead(const ipam::EndpointRecord& record, TimePoint now);
  // Its record is gone.
  void forget(const ipam::AttachmentId& endpoint) { gone_.erase(endpoint); }

 private:
  bool is_gone(const ipam::EndpointRecord& record) const;
  struct Gone {
    std::uint64_t generation = 0;
    TimePoint since;
  };
  SandboxLooks looks_;
  std::map<ipam::AttachmentId, Gone> gone_;
};

}  // namespace towpath::agent
