// The kernel as the enforcer of policies sees it: a border, so that tests can put a fake in its place.
//
// Blocking; used by the thread of PolicyWriter only.
#pragma once

#include "towpath/base/error.h"
#include "towpath/netlink/policy_table.h"

namespace towpath::agent {

class PolicyKernel {
 public:
  virtual ~PolicyKernel() = default;
  // As PolicyTable has them: all of it or nothing.
  virtual Status replace(const netlink::PolicyChange& all) = 0;
  virtual Status change(const netlink::PolicyChange& change) = 0;
  virtual Status remove() = 0;
};

}  // namespace towpath::agent
