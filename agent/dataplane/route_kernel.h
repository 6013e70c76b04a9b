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
#include "towpath/netlink/reachability.h"

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
  // Routes of ours that were there may be gone, with a next hop that is.
  bool routes_in_doubt = false;
};

// A route of ours as the kernel has it.
struct KernelRoute {
  Prefix prefix{};
  std::uint32_t metric = 0;
  ForwardingPtr forwarding{};
};

// What routes refer to.
struct NextHopReport {
  std::size_t objects = 0;
  std::size_t degraded = 0;  // of these: groups that do without some of their members
  std::size_t repaired = 0;  // since the last report: changed or gone, and put right
  bool routes_in_doubt = false;
};

struct NextHopCounters {
  std::size_t objects = 0;     // now, in the kernel
  std::size_t degraded = 0;    // of these, see NextHopReport
  std::uint64_t repaired = 0;  // since the start
};

class RouteKernel {
 public:
  virtual ~RouteKernel() = default;
  // In order.
  virtual WriteOutcome write(std::span<const RouteWrite> writes) = 0;
  // All routes of ours, each once; what they refer to has been put right before.
  virtual Result<std::vector<KernelRoute>> dump() = 0;
  // The next two are for kernels whose routes refer to next hops instead of naming them.
  //
  // Puts right what the routes refer to. With `in_use`, what forwards as none of these is removed; the caller
  // then knows of all routes of ours.
  virtual Result<NextHopReport> tend(const std::optional<std::vector<ForwardingPtr>>& /*in_use*/) {
    return NextHopReport{};
  }
  // These are out of reach although the kernel does not see it, and no others: routes that have another next
  // hop do without, at once. One that is not named any more comes back with the next tend().
  virtual void lose(std::span<const IpAddress>) {}
  // How the routes of others lead to these addresses, one answer for each.
  virtual Result<std::vector<netlink::Reach>> reach(std::span<const IpAddress> addresses) {
    return std::vector<netlink::Reach>(addresses.size(), {.found = true});
  }
};

}  // namespace towpath::agent
