// Which rules of which policies let a flow pass, or that none does.
//
// The policies are asked with the same compile() and judge() that the kernel's rules come from: each rule
// alone, as if it were the only one of its policy.
//
// Pure. The cost follows the policies that isolate the two ends.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "towpath/policy/endpoint.h"
#include "towpath/policy/network_policy.h"
#include "towpath/policy/ruleset.h"

namespace towpath::policy {

// What one end of a flow has to say.
struct SideExplanation {
  std::vector<std::string> policies{};  // ids of those that isolate it; none: not isolated
  std::vector<std::string> allowing{};  // "shop/db ingress[0]"
};

struct Explanation {
  Judgement judgement = Judgement::kAllowed;
  SideExplanation egress{};   // of where it comes from
  SideExplanation ingress{};  // of where it goes to
};

// `endpoints` are those that `ruleset` was compiled for.
Explanation explain(const PolicySet& set, std::span<const Endpoint> endpoints, const DesiredRuleset& ruleset,
                    const FirstPacket& packet);

}  // namespace towpath::policy
