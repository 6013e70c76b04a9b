// The seam between the agent's routes and the kernel: one implementation speaks netlink, one is a fake that
// keeps state (tests/support/fake_kernel.h).
//
// An implementation stands for one routing table and one protocol number, and for both families. Its calls
// may block; they come from one thread, the kernel writer's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "agent/dataplane/forwarding.h"
#include "towpath/base/error.h"
#include "towpath/base/prefix.h"

namespace towpath::agent {

struct RouteWrite {
  enum class Operation : std::uint8_t {
    kAdd,      // refused with kExists when someone has this prefix and metric
    kReplace,  // of a route of ours, without a gap
    kDelete,   // of a route of ours
  };
  Prefix prefix{};
  Operation operation = Operation::kAdd;
  std::uint32_t metric = 0;
  ForwardingPtr forwarding{};  // none for kDelete
};

struct WriteFailure {
  std::size_t index;
  Error error;
};

struct WriteOutcome {
  std::vector<WriteFailure> failures{};  // in order of index
  // Set: answers were lost, and what became of the writes without a failure is unknown.
  std::optional<Error> lost{};
};

// A route of ours as the kernel has it.
struct KernelRoute {
  Prefix prefix{};
  std::uint32_t metric = 0;
  ForwardingPtr forwarding{};
};

class RouteKernel {
 public:
  virtual ~RouteKernel() = default;
  // In order.
  virtual WriteOutcome write(std::span<const RouteWrite> writes) = 0;
  // All routes of ours, each once.
  virtual Result<std::vector<KernelRoute>> dump() = 0;
};

}  // namespace towpath::agent
