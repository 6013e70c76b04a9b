// The kernel as the enforcer of policies sees it: a border, so that tests can put a fake in its place.
//
// Blocking; used by the thread of PolicyWriter only.
#pragma once

#include <cstddef>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/netlink/conntrack.h"
#include "towpath/netlink/policy_table.h"

namespace towpath::agent {

class PolicyKernel {
 public:
  virtual ~PolicyKernel() = default;
  // As PolicyTable has them: all of it or nothing.
  virtual Status replace(const netlink::PolicyChange& all) = 0;
  virtual Status change(const netlink::PolicyChange& change) = 0;
  virtual Status remove() = 0;
  // Of both families, without those whose one end is this host itself: nobody judges them.
  virtual Result<std::vector<netlink::TrackedFlow>> flows() = 0;
  virtual Result<std::size_t> cut(const std::vector<netlink::TrackedFlow>& flows) = 0;
};

}  // namespace towpath::agent
