// What the agent tells Prometheus. docs/metrics.md lists it.
#pragma once

#include <string>
#include <vector>

#include "agent/control/answers.h"
#include "towpath/ipam/block.h"

namespace towpath::agent {

struct MetricsInput {
  const AgentStatus& status;
  const bgp::Speaker& speaker;
  const bfd::Service& bfd;
  const RouteCounters& routes;
  const Drainer& drainer;
  std::vector<ipam::Block> blocks;
};

std::string agent_metrics(const MetricsInput& input);

}  // namespace towpath::agent
