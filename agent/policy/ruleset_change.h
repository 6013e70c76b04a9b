// What a kernel that holds one ruleset must change to hold another.
//
// Pure. The size of the answer follows what differs; the work, what there is.
#pragma once

#include "towpath/netlink/policy_table.h"
#include "towpath/policy/ruleset.h"

namespace towpath::agent {

// From an empty DesiredRuleset: all of `to`.
netlink::PolicyChange ruleset_change(const policy::DesiredRuleset& from, const policy::DesiredRuleset& to);

}  // namespace towpath::agent
