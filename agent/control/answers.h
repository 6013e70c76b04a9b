// What the agent answers on its control socket: which rows belong to which command.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agent/control/row_source.h"
#include "agent/dataplane/route_syncer.h"
#include "towpath/bgp/speaker.h"

namespace towpath::agent {

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
};

class Answers final : public ControlBackend {
 public:
  // All three outlive this.
  Answers(const bgp::Speaker& speaker, const RouteSyncer& routes, std::function<AgentStatus()> status)
      : speaker_(speaker), routes_(routes), status_(std::move(status)) {}

  std::expected<std::unique_ptr<RowSource>, ControlFailure> open(const control::Request& request) override;

 private:
  std::expected<std::unique_ptr<RowSource>, ControlFailure> open_routes(
      const control::RouteQuery& query) const;

  const bgp::Speaker& speaker_;
  const RouteSyncer& routes_;
  std::function<AgentStatus()> status_;
};

}  // namespace towpath::agent
