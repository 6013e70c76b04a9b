#include "agent/metrics/agent_metrics.h"

#include <algorithm>
#include <map>

#include "agent/metrics/metrics_text.h"

namespace towpath::agent {
namespace {

using enum MetricsText::Type;

double number(auto value) {
  return static_cast<double>(value);
}

void write_agent(MetricsText& out, const AgentStatus& status, const Drainer& drainer) {
  out.family("build_info", kGauge, "Version of the agent, as a label; always 1.");
  out.sample({{"version", TOWPATH_VERSION}, {"node", status.node}}, 1);
  out.family("uptime_seconds", kGauge, "Time since the agent started.");
  out.sample(number(status.uptime.count()));
  out.family("in_sync", kGauge, "1: the kernel is as wanted, and all peers have been heard or waited for.");
  out.sample(status.in_sync ? 1 : 0);
  out.family("draining", kGauge, "1: this host is taken out of service, or on its way there.");
  out.sample(drainer.phase() == bgp::Drain::kNone ? 0 : 1);
  out.family("reloads_total", kCounter, "Readings of the configuration, by what became of them.");
  out.sample({{"result", "applied"}}, number(status.reloads));
  out.sample({{"result", "refused"}}, number(status.reloads_refused));
}

void write_peers(MetricsText& out, const std::vector<bgp::PeerStatus>& peers) {
  const auto each = [&](auto value) {
    for (const bgp::PeerStatus& peer : peers) value(peer);
  };
  out.family("bgp_session_up", kGauge, "1: the BGP session is Established.");
  each([&](const auto& peer) {
    out.sample({{"peer", peer.name}, {"address", peer.address.to_string()}},
               peer.state == bgp::SessionState::kEstablished ? 1 : 0);
  });
  out.family("bgp_session_state_seconds", kGauge, "How long the session has been in its state.");
  each([&](const auto& peer) {
    out.sample({{"peer", peer.name}, {"state", format(peer.state)}}, number(peer.since.count()));
  });
  out.family("bgp_session_established_total", kCounter, "How often the session reached Established.");
  each([&](const auto& peer) { out.sample({{"peer", peer.name}}, number(peer.connections)); });
  out.family("bgp_prefixes", kGauge,
             "Prefixes of both families: received from the peer, accepted, kept while it restarts (stale), "
             "sent to it.");
  each([&](const auto& peer) {
    const std::pair<const char*, std::size_t> kinds[] = {{"received", peer.prefixes_received},
                                                         {"accepted", peer.prefixes_accepted},
                                                         {"stale", peer.prefixes_stale},
                                                         {"sent", peer.prefixes_sent}};
    for (const auto& [kind, count] : kinds) out.sample({{"peer", peer.name}, {"kind", kind}}, number(count));
  });
  out.family("bgp_messages_total", kCounter, "BGP messages.");
  each([&](const auto& peer) {
    out.sample({{"peer", peer.name}, {"direction", "received"}}, number(peer.messages_received));
    out.sample({{"peer", peer.name}, {"direction", "sent"}}, number(peer.messages_sent));
  });
}

void write_bfd(MetricsText& out, const std::vector<bgp::PeerStatus>& peers,
               const std::vector<bfd::SessionStatus>& sessions) {
  std::map<IpAddress, std::string> names;
  for (const bgp::PeerStatus& peer : peers) names[peer.address] = peer.name;
  const auto each = [&](auto value) {
    for (const bfd::SessionStatus& session : sessions) value(session, names[session.config.remote]);
  };
  out.family("bfd_session_up", kGauge, "1: the BFD session is Up.");
  each([&](const auto& session, const std::string& peer) {
    out.sample({{"peer", peer}, {"address", session.config.remote.to_string()}},
               session.state == bfd::State::kUp ? 1 : 0);
  });
  out.family("bfd_session_ups_total", kCounter, "How often the BFD session came up.");
  each([&](const auto& session, const std::string& peer) {
    out.sample({{"peer", peer}, {"address", session.config.remote.to_string()}}, number(session.ups));
  });
  out.family("bfd_packets_total", kCounter, "BFD packets.");
  each([&](const auto& session, const std::string& peer) {
    const std::pair<const char*, std::uint64_t> kinds[] = {{"sent", session.packets_sent},
                                                           {"received", session.packets_received},
                                                           {"discarded", session.packets_discarded}};
    for (const auto& [kind, count] : kinds) {
      out.sample({{"peer", peer}, {"address", session.config.remote.to_string()}, {"kind", kind}},
                 number(count));
    }
  });
}

void write_routes(MetricsText& out, const bgp::Speaker& speaker, const RouteCounters& routes,
                  const NextHopCounters& next_hops) {
  out.family("rib_prefixes", kGauge, "Prefixes in the loc-rib.");
  out.sample({{"family", "ipv4"}}, number(speaker.prefix_count(bgp::Family::kIpv4Unicast)));
  out.sample({{"family", "ipv6"}}, number(speaker.prefix_count(bgp::Family::kIpv6Unicast)));
  out.family("kernel_routes", kGauge,
             "Routes of the agent: wanted, in the kernel, pending (the two differ), and of these refused.");
  const std::pair<const char*, std::size_t> states[] = {{"wanted", routes.wanted},
                                                        {"in_kernel", routes.in_kernel},
                                                        {"pending", routes.pending},
                                                        {"refused", routes.failed}};
  for (const auto& [state, count] : states) out.sample({{"state", state}}, number(count));
  out.family("kernel_route_changes_total", kCounter, "What the agent did to the routes of the kernel.");
  const std::pair<const char*, std::uint64_t> changes[] = {{"added", routes.added},
                                                           {"replaced", routes.replaced},
                                                           {"deleted", routes.deleted},
                                                           {"adopted", routes.adopted},
                                                           {"refused", routes.refused}};
  for (const auto& [change, count] : changes) out.sample({{"change", change}}, number(count));
  out.family("kernel_resyncs_total", kCounter, "How often the kernel's routes were read anew.");
  out.sample(number(routes.resyncs));
  out.family("next_hop_objects", kGauge, "Next-hop objects in the kernel that routes refer to.");
  out.sample(number(next_hops.objects));
  out.family("next_hop_groups_degraded", kGauge, "Groups of next hops that do without a member.");
  out.sample(number(next_hops.degraded));
  out.family("next_hops_unreachable", kGauge,
             "Next hops of BGP routes that the host has no route to; the routes are not used.");
  out.sample(number(
      std::ranges::count_if(speaker.next_hops(), [](const auto& row) { return !row.state.reachable; })));
}

void write_endpoints(MetricsText& out, const AgentStatus& status) {
  const EndpointCounters& endpoints = status.endpoints;
  out.family("endpoints", kGauge, "Containers' interfaces that are attached on this host.");
  out.sample(number(endpoints.endpoints));
  out.family("endpoints_released_total", kCounter,
             "Endpoints that the agent released because their sandbox was gone and no DEL had come.");
  out.sample(number(endpoints.released));
  out.family("port_mappings", kGauge, "Port mappings in the kernel.");
  out.sample(number(endpoints.ports));
  out.family("port_mappings_refused", kGauge, "Endpoints whose port mappings another one holds.");
  out.sample(number(endpoints.ports_refused));
  out.family("anti_spoofing", kGauge, "1: the kernel took the rules that check source addresses.");
  out.sample(status.anti_spoofing ? 1 : 0);
  out.family("repairs_total", kCounter,
             "How often the agent put back what others had changed, by what it was.");
  out.sample({{"object", "rules"}}, number(endpoints.rules_repaired));
  out.sample({{"object", "endpoint"}}, number(endpoints.repaired));
  out.sample({{"object", "next_hop"}}, number(status.next_hops.repaired));
}

void write_blocks(MetricsText& out, const std::vector<ipam::Block>& blocks) {
  out.family("ipam_addresses", kGauge,
             "Usable addresses of each block: in use, free; of the free ones those that were in use and wait "
             "for their turn (resting).");
  for (const ipam::Block& block : blocks) {
    const std::pair<const char*, std::uint64_t> states[] = {
        {"used", block.used}, {"free", block.free()}, {"resting", block.resting}};
    for (const auto& [state, count] : states) {
      out.sample({{"block", block.prefix.to_string()}, {"kind", format(block.state)}, {"state", state}},
                 number(count));
    }
  }
}

}  // namespace

std::string agent_metrics(const MetricsInput& input) {
  MetricsText out;
  const std::vector<bgp::PeerStatus> peers = input.speaker.peers();
  write_agent(out, input.status, input.drainer);
  write_peers(out, peers);
  write_bfd(out, peers, input.bfd.sessions());
  write_routes(out, input.speaker, input.routes, input.status.next_hops);
  write_endpoints(out, input.status);
  write_blocks(out, input.blocks);
  return out.text();
}

}  // namespace towpath::agent
