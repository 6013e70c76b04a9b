#include "agent/control/answers.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "agent/control/advertised_rows.h"
#include "agent/control/bfd_rows.h"
#include "agent/control/kernel_rows.h"
#include "agent/control/network_policy_rows.h"
#include "agent/control/peer_rows.h"
#include "agent/control/policy_trial.h"
#include "agent/control/rib_walker.h"
#include "agent/control/single_row.h"

namespace towpath::agent {
namespace {

using control::Command;
using control::RouteTable;

// No rows; the end says that the kernel is as the endpoint's record wants it.
class EndpointOutcome final : public RowSource {
 public:
  EndpointOutcome(const EndpointChanged& change, const control::EndpointName& endpoint)
      : outcome_(std::make_shared<Outcome>()) {
    change(endpoint, [outcome = outcome_](Status status) {
      outcome->status = std::move(status);
      if (outcome->wake) outcome->wake();
    });
  }
  bool ready(const std::function<void()>& wake) override {
    outcome_->wake = wake;
    return false;
  }
  bool next_slice(RowWriter&) override { return false; }
  std::optional<ControlFailure> failure() const override {
    if (outcome_->status) return std::nullopt;
    const Error& error = outcome_->status.error();
    const auto code =
        error.kind == ErrorKind::kConflict ? control::Code::kConflict : control::Code::kInternal;
    return ControlFailure{code, error.message};
  }

 private:
  struct Outcome {
    Status status;
    std::function<void()> wake;
  };
  std::shared_ptr<Outcome> outcome_;  // the answer may come after the client has gone
};

void write_version(JsonWriter& json) {
  json.field("program", "towpathd")
      .field("version", TOWPATH_VERSION)
      .field("protocol", control::kProtocolVersion);
}

void write_drain(JsonWriter& json, const Drainer& drainer) {
  json.field("drain", format(drainer.phase()))
      .field("drain_reason", drainer.reason())
      .field("drain_seconds_left", drainer.left().count());
}

void write_status(JsonWriter& json, const AgentStatus& status, const bgp::Speaker& speaker,
                  const RouteSyncer& routes, const Drainer& drainer) {
  const auto peers = speaker.peers();
  const auto up = std::ranges::count(peers, bgp::SessionState::kEstablished, &bgp::PeerStatus::state);
  const RouteCounters& counters = routes.counters();
  json.field("node", status.node)
      .field("router_id", status.router_id.to_string())
      .field("as", status.as.value)
      .field("version", TOWPATH_VERSION)
      .field("pid", ::getpid())
      .field("uptime_seconds", status.uptime.count())
      .field("in_sync", status.in_sync)
      .field("in_sync_since_seconds", status.in_sync_since.count())
      .field("deletes_allowed", routes.deletes_allowed());
  json.key("waiting_for").begin_array();
  for (const auto& peer : peers) {
    if (!speaker.in_sync() && !peer.in_sync) json.value(peer.name);
  }
  json.end_array();
  write_drain(json, drainer);
  json.field("peers_up", up)
      .field("peers_total", peers.size())
      .field("prefixes_ipv4", speaker.prefix_count(bgp::Family::kIpv4Unicast))
      .field("prefixes_ipv6", speaker.prefix_count(bgp::Family::kIpv6Unicast))
      .field("routes_wanted", counters.wanted)
      .field("routes_actual", counters.in_kernel)
      .field("routes_pending", counters.pending)
      .field("routes_failed", counters.failed)
      .field("routes_added", counters.added)
      .field("routes_replaced", counters.replaced)
      .field("routes_deleted", counters.deleted)
      .field("routes_adopted", counters.adopted)
      .field("routes_refused", counters.refused)
      .field("kernel_resyncs", counters.resyncs)
      .field("next_hops", status.next_hops.objects)
      .field("next_hops_degraded", status.next_hops.degraded)
      .field("next_hops_repaired", status.next_hops.repaired)
      .field("next_hops_unreachable",
             std::ranges::count_if(speaker.next_hops(), [](const auto& row) { return !row.state.reachable; }))
      .field("reloads", status.reloads)
      .field("reloads_refused", status.reloads_refused)
      .field("anti_spoofing", status.anti_spoofing)
      .field("endpoints", status.endpoints.endpoints)
      .field("endpoints_released", status.endpoints.released)
      .field("borrowed_addresses", status.endpoints.borrowed)
      .field("port_mappings", status.endpoints.ports)
      .field("port_mappings_refused", status.endpoints.ports_refused)
      .field("rules_repaired", status.endpoints.rules_repaired)
      .field("endpoints_repaired", status.endpoints.repaired)
      .field("policies_on", status.policies.is_on)
      .field("policies", status.policies.policies)
      .field("policy_sets", status.policies.chains)
      .field("policies_refused", status.policies.refused)
      .field("policies_problem", status.policies.problem)
      .field("policies_readings", status.policies.readings)
      .field("policies_repaired", status.policies.repaired)
      .field("policies_flows_cut", status.policies.cut);
}

}  // namespace

std::expected<std::unique_ptr<RowSource>, ControlFailure> Answers::open(const control::Request& request) {
  switch (request.command) {
    case Command::kVersion: return std::make_unique<SingleRow>(write_version);
    case Command::kStatus:
      return std::make_unique<SingleRow>(
          [this](JsonWriter& json) { write_status(json, status_(), speaker_, routes_, drainer_); });
    case Command::kPeers: return std::make_unique<PeerRows>(speaker_);
    case Command::kBfd: return std::make_unique<BfdRows>(bfd_, speaker_);
    case Command::kRoutes: return open_routes(request.routes);
    case Command::kEndpointChanged:
      return std::make_unique<EndpointOutcome>(endpoint_changed_, request.endpoint);
    case Command::kAdvertise: return renew_lease(advertiser_, request.lease);
    case Command::kWithdraw: return withdraw_lease(advertiser_, request.lease);
    case Command::kAdvertised: return std::make_unique<AdvertisedRows>(advertiser_.rows());
    case Command::kDrain:
      drainer_.start(std::chrono::seconds(request.drain.wait), request.drain.reason);
      return std::make_unique<SingleRow>([this](JsonWriter& json) { write_drain(json, drainer_); });
    case Command::kUndrain:
      drainer_.undo();
      return std::make_unique<SingleRow>([this](JsonWriter& json) { write_drain(json, drainer_); });
    case Command::kPolicyTest: return open_policy_trial(speaker_, request.policy_test);
    case Command::kPolicies: return open_policy_rows(policies_());
    case Command::kPolicySimulate: return open_policy_simulation(policies_(), request.flow);
  }
  return std::unexpected(ControlFailure{control::Code::kUnknownCommand, "no such command"});
}

std::expected<std::unique_ptr<RowSource>, ControlFailure> Answers::open_routes(
    const control::RouteQuery& query) const {
  if (query.table == RouteTable::kKernel || query.table == RouteTable::kDiff) {
    return std::make_unique<KernelRows>(routes_, query);
  }
  const bool own_routes =
      query.table == RouteTable::kLocRib && query.peer == speaker_.peer_name(bgp::kLocalPeer);
  if (query.peer && !own_routes && !speaker_.find_peer(*query.peer)) {
    return std::unexpected(
        ControlFailure{control::Code::kNotFound, fmt::format("peer: value '{}': no such peer", *query.peer)});
  }
  std::optional<MrtWriter> mrt;
  if (query.mrt) {
    const AgentStatus self = status_();
    mrt.emplace(speaker_, self.router_id, self.as, std::chrono::system_clock::now());
  }
  return std::make_unique<RibWalker>(speaker_, query, std::move(mrt));
}

}  // namespace towpath::agent
