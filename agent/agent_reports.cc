// What the parts of the agent report to it: what that means for the other parts, and what the log says of it.
#include <unordered_map>
#include <utility>

#include "agent/advertise/claim.h"
#include "agent/agent.h"

namespace towpath::agent {
namespace {

// The global address, where there is one: it needs no interface beside it (RFC 2545 section 3). The kernel
// finds the interface, or refuses a next hop that no link reaches; the route is pending then.
std::vector<netlink::NextHop> next_hops(const bgp::RibDelta& change) {
  std::vector<netlink::NextHop> hops{{.via = change.best->next_hop.address}};
  for (const bgp::FibPath& path : change.others) hops.push_back({.via = path.next_hop.address});
  return hops;
}

bgp::NextHopState next_hop_state_of(const netlink::Reach& reach) {
  return {.reachable = reach.found, .cost = reach.cost};
}

}  // namespace

// What the endpoints report.

void Agent::endpoint_released(const ipam::EndpointRecord& record) {
  log_.warning("an endpoint was released: its sandbox is gone, and no DEL came",
               {{"endpoint", record.attachment.to_string()}, {"network", record.network}});
}

void Agent::record_changed(const ipam::EndpointRecord& record) {
  if (policies_) policies_->record_changed(record);
}

void Agent::record_gone(const ipam::AttachmentId& endpoint) {
  if (policies_) policies_->record_gone(endpoint);
}

// Both parts of the kernel's state in turn: ports, then policies.
void Agent::endpoint_changed(const ipam::AttachmentId& endpoint, Endpoints::Done done) {
  endpoints_->changed(endpoint, [this, done = std::move(done)](const Status& status) {
    if (!status || !policies_ || stopped_) return done(status);
    policies_->when_in_force(done);
  });
}

void Agent::borrowed_changed() {
  // While they are listed for the first time there is nobody to tell.
  if (endpoints_ != nullptr) advertised_changed();
}

void Agent::endpoint_problem(std::string_view what, std::string_view reason) {
  log_.warning("endpoints", {{"cannot", what}, {"reason", reason}});
}

// What the policies report.

void Agent::policies_read(const PolicyOutcome& outcome) {
  if (!outcome.refused.empty()) {
    for (const std::string& error : outcome.refused) log_.error("network policies", {{"error", error}});
    log_.error("the network policies are refused; what was in force before still is",
               {{"directory", config_.network_policies}});
  } else if (outcome.is_on && outcome.in_force) {
    log_.info("network policies are in force", {{"policies", outcome.policies}, {"sets", outcome.chains}});
  } else if (!outcome.is_on && outcome.first) {
    log_.info("no network policies: there is no such directory", {{"directory", config_.network_policies}});
  }
}

void Agent::policy_problem(std::string_view reason) {
  if (std::exchange(policy_problem_, reason) == reason) return;
  log_.error("network policies", {{"reason", reason}});
}

// What the tracker of next hops reports.

bgp::NextHopState Agent::next_hop_state(const IpAddress& next_hop) {
  if (!tracker_) return {};
  const bgp::NextHopState state = next_hop_state_of(tracker_->look(next_hop));
  if (!state.reachable) log_next_hop(next_hop, false);
  return state;
}

void Agent::next_hops_found(std::span<const IpAddress> next_hops, std::span<const netlink::Reach> found) {
  std::unordered_map<IpAddress, bgp::NextHopState> before;
  for (const bgp::NextHopRow& row : speaker_->next_hops()) before.emplace(row.address, row.state);
  std::vector<bgp::NextHopRow> news;
  for (std::size_t i = 0; i < next_hops.size(); ++i) {
    const bgp::NextHopState state = next_hop_state_of(found[i]);
    const auto known = before.find(next_hops[i]);
    if (known == before.end() || known->second == state) continue;
    news.push_back({next_hops[i], state});
    if (known->second.reachable != state.reachable) log_next_hop(next_hops[i], state.reachable);
  }
  if (!news.empty()) speaker_->set_next_hops(news);
}

void Agent::log_next_hop(const IpAddress& next_hop, bool reachable) {
  if (!problem_limiter_.allow(std::chrono::steady_clock::now())) return;
  if (reachable) {
    log_.info("there is a route to a next hop again", {{"next_hop", next_hop.to_string()}});
  } else {
    log_.warning("no route to a next hop; routes with it are not used", {{"next_hop", next_hop.to_string()}});
  }
}

// What BFD reports.

void Agent::path_changed(const bfd::SessionChange& change) {
  if (stopped_) return;
  const std::string peer = change.remote.to_string();
  if (change.to == bfd::State::kUp) {
    log_.info("BFD session is up", {{"peer", peer}});
    dataplane_->next_hop_back(change.remote);
  } else if (change.path_lost()) {
    log_.warning("the path to the peer is lost", {{"peer", peer}, {"reason", format(change.diagnostic)}});
    // First what takes one message; BGP then goes through the routes.
    dataplane_->next_hop_lost(change.remote);
    speaker_->path_lost(change.remote, change.remote_control_plane_independent);
  } else if (change.from == bfd::State::kUp) {
    log_.info("the peer has ended the BFD session", {{"peer", peer}});
  }
}

// What the advertiser reports.

void Agent::advertised_changed() {
  if (!stopped_) speaker_->originate(own_prefixes(config_));
}

Status Agent::may_advertise(const Prefix& prefix) {
  return check_claim(prefix, config_, *speaker_);
}

void Agent::lease_ended(const Lease& lease) {
  log_.warning("a lease ended; its prefix is withdrawn",
               {{"prefix", lease.prefix.to_string()}, {"owner", lease.owner}});
}

void Agent::service_health(const Prefix& prefix, std::string_view problem) {
  if (problem.empty()) {
    log_.info("a service is healthy; its prefix is announced", {{"prefix", prefix.to_string()}});
  } else {
    log_.warning("a service is not healthy; its prefix is not announced",
                 {{"prefix", prefix.to_string()}, {"reason", problem}});
  }
}

void Agent::advertiser_problem(std::string_view what, const Error& error) {
  log_.warning("service prefixes", {{"cannot", what}, {"reason", error.message}});
}

// What the drainer reports.

void Agent::drain_changed() {
  if (stopped_) return;
  speaker_->set_drain(drainer_->phase(), drainer_->reason());
  switch (drainer_->phase()) {
    case bgp::Drain::kNone: log_.info("this host is in service again"); break;
    case bgp::Drain::kAnnounced:
      log_.warning("this host is being drained; peers are asked to use other paths",
                   {{"wait", drainer_->left().count()}, {"reason", drainer_->reason()}});
      break;
    case bgp::Drain::kWithdrawn: log_.warning("all routes are withdrawn"); break;
    case bgp::Drain::kClosed:
      log_.warning("this host is drained; there are no sessions until 'towpathctl undrain', or a boot",
                   {{"reason", drainer_->reason()}});
      break;
  }
}

void Agent::drain_problem(std::string_view what, const Error& error) {
  log_.warning("drain", {{"cannot", what}, {"reason", error.message}});
}

// What the speaker reports.

void Agent::routes_changed(std::span<const bgp::RibDelta> changes) {
  if (!config_.kernel.install) return;
  for (const bgp::RibDelta& change : changes) {
    if (change.best && change.best->discard) {
      dataplane_->routes().want_blackhole(change.prefix);
    } else if (change.best && change.best->peer != bgp::kLocalPeer) {
      dataplane_->routes().want(change.prefix, next_hops(change));
    } else {
      dataplane_->routes().unwant(change.prefix);
    }
  }
  schedule_apply();
}

void Agent::peer_state_changed(const bgp::PeerStateChange& change) {
  using bgp::SessionState;
  if (change.to == SessionState::kEstablished) {
    last_end_.erase(std::string(change.peer));
    log_.info("session is up", {{"peer", change.peer}});
    // BFD that lost the path may not run with this peer any more.
    const auto peer = std::ranges::find(config_.speaker.peers, change.peer, &bgp::PeerConfig::name);
    if (peer != config_.speaker.peers.end()) dataplane_->next_hop_back(peer->address);
  } else if (change.from == SessionState::kEstablished) {
    log_.warning("session is down", {{"peer", change.peer}});
  } else {
    log_.debug("session state",
               {{"peer", change.peer}, {"from", format(change.from)}, {"to", format(change.to)}});
  }
}

void Agent::session_ended(std::string_view peer, std::string_view reason) {
  // Attempts to reach a peer that is down fail every few seconds in the same words: one line is enough.
  auto& last = last_end_[std::string(peer)];
  const bool is_news = last != reason;
  last = reason;
  if (is_news) {
    log_.warning("no session", {{"peer", peer}, {"reason", reason}});
  } else {
    log_.debug("no session", {{"peer", peer}, {"reason", reason}});
  }
}

void Agent::message_problem(std::string_view peer, std::string_view problem) {
  if (!problem_limiter_.allow(std::chrono::steady_clock::now())) return;
  log_.warning("a message of the peer has an error", {{"peer", peer}, {"problem", problem}});
}

void Agent::connection_refused(const IpAddress& from, std::string_view reason) {
  if (!refusal_limiter_.allow(std::chrono::steady_clock::now())) return;
  log_.warning("connection refused", {{"from", from.to_string()}, {"reason", reason}});
}

void Agent::peer_in_sync(std::string_view peer) {
  log_.info("peer has sent all its routes", {{"peer", peer}});
}

void Agent::speaker_in_sync() {
  log_.info("the picture is complete; stale routes are removed");
  dataplane_->routes().allow_deletes();
  schedule_apply();
}

}  // namespace towpath::agent
