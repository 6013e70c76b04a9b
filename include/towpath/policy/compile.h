// Policies and endpoints -> DesiredRuleset.
//
// Names are made from what they stand for, so that two results can be compared and what is alike has the same
// name: a chain from its policies, a class from its ports. The cost follows the number of policies times the
// number of different labels, and the addresses that the rules of each chain select.
//
// Pure.
#pragma once

#include <span>

#include "towpath/policy/endpoint.h"
#include "towpath/policy/network_policy.h"
#include "towpath/policy/ruleset.h"

namespace towpath::policy {

// An endpoint without an interface is one elsewhere: a peer only.
DesiredRuleset compile(const PolicySet& set, std::span<const Endpoint> endpoints);

}  // namespace towpath::policy
