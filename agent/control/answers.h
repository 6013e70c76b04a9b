// What the agent answers on its control socket: which rows belong to which command.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/advertise/advertiser.h"
#include "agent/advertise/drainer.h"
#include "agent/control/row_source.h"
#include "agent/dataplane/route_kernel.h"
#include "agent/dataplane/route_syncer.h"
#include "agent/endpoint/endpoint_counters.h"
#include "agent/policy/enforcer.h"
#include "agent/policy/policy_counters.h"
#include "towpath/bfd/service.h"
#include "towpath/bgp/speaker.h"

namespace towpath::agent {

// Brings the kernel to what the record of the endpoint says, and tells when that is so, or why it cannot be.
// Never within the call.
using EndpointChanged = std::function<void(const control::EndpointName&, std::function<void(Status)>)>;

// The row of `status`.
struct AgentStatus {
  std::string node;
  RouterId router_id;
  AsNumber as;
  std::chrono::seconds uptime{0};
  bool in_sync = false;
  std::chrono::seconds in_sync_since{0};  // how long it is as it is
  std::uint64_t reloads = 0;
  std::uint64_t reloads_refused = 0;
  bool anti_spoofing = false;
  NextHopCounters next_hops{};
  EndpointCounters endpoints;
  PolicyCounters policies;
};

class Answers final : public ControlBackend {
 public:
  // All outlive this.
  Answers(const bgp::Speaker& speaker, const bfd::Service& bfd, const RouteSyncer& routes,
          Advertiser& advertiser, Drainer& drainer, std::function<AgentStatus()> status,
          EndpointChanged endpoint_changed, std::function<std::shared_ptr<const PolicyView>()> policies)
      : speaker_(speaker),
        bfd_(bfd),
        routes_(routes),
        advertiser_(advertiser),
        drainer_(drainer),
        status_(std::move(status)),
        endpoint_changed_(std::move(endpoint_changed)),
        policies_(std::move(policies)) {}

  std::expected<std::unique_ptr<RowSource>, ControlFailure> open(const control::Request& request) override;

 private:
  std::expected<std::unique_ptr<RowSource>, ControlFailure> open_routes(
      const control::RouteQuery& query) const;

  const bgp::Speaker& speaker_;
  const bfd::Service& bfd_;
  const RouteSyncer& routes_;
  Advertiser& advertiser_;
  Drainer& drainer_;
  std::function<AgentStatus()> status_;
  EndpointChanged endpoint_changed_;
  std::function<std::shared_ptr<const PolicyView>()> policies_;
};

}  // namespace towpath::agent
