// The agent of one host: joins configuration, BGP, the kernel, the state store and the control socket.
//
// Model
//   Data moves one way. Speaker says which routes are best; that becomes desired state of the Dataplane,
//   which writes the kernel later and on its own. Endpoints does for the containers of this host what a
//   plugin cannot. The control socket reads what all of them know. Nothing here decides about routes.
//
// After a restart
//   The kernel's routes are adopted before the first session; nothing is removed until the Speaker says that
//   all peers have spoken (or had their time).
//
// Ownership: the loop, the log and the notifier outlive the agent. Threading: the loop.
// Failure: start() and reload() say why, and leave the kernel's routes as they were. reload() changes all or
// nothing.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/advertise/advertiser.h"
#include "agent/advertise/drainer.h"
#include "agent/config/agent_config.h"
#include "agent/control/answers.h"
#include "agent/control/control_server.h"
#include "agent/dataplane/dataplane.h"
#include "agent/dataplane/next_hop_tracker.h"
#include "agent/endpoint/endpoint_keeper.h"
#include "agent/endpoint/endpoints.h"
#include "agent/log/event_limiter.h"
#include "agent/log/log.h"
#include "agent/metrics/metrics_server.h"
#include "agent/policy/directory_watch.h"
#include "agent/policy/policies.h"
#include "agent/service/notifier.h"
#include "agent/service/readable_watch.h"
#include "towpath/base/clock.h"
#include "towpath/bfd/service.h"
#include "towpath/bgp/speaker.h"
#include "towpath/ipam/state_store.h"
#include "towpath/netlink/kernel_monitor.h"
#include "towpath/netlink/rule_monitor.h"

namespace towpath::agent {

class Agent final : private bgp::SpeakerObserver,
                    private EndpointObserver,
                    private PolicyObserver,
                    private AdvertiserEvents,
                    private DrainEvents {
 public:
  static Result<std::unique_ptr<Agent>> start(boost::asio::io_context& loop, const AgentConfig& config,
                                              Log& log, Notifier& notifier);
  ~Agent() override;
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // `next` differs only in what can change while running: needs_restart() has been asked.
  Status reload(const AgentConfig& next);
  // Counts a reload whose file was refused.
  void count_refused_reload() { ++reloads_refused_; }
  const AgentConfig& config() const { return config_; }

  // Ends the sessions without a NOTIFICATION, so that peers keep our routes until we are back (RFC 4724).
  // Kernel routes and rules stay.
  void stop();

  // "2 of 3 peers up, 12 routes"
  std::string summary() const;

 private:
  Agent(boost::asio::io_context& loop, const AgentConfig& config, Log& log, Notifier& notifier,
        ipam::StateStore store);

  // The steps of start(), in their order.
  void prepare_host();
  void forward_packets();
  Status own_blocks(const AgentConfig& config);
  void look_after_store();
  Status open_dataplane();
  void open_policies();
  Status open_endpoints();
  Status open_tracker();
  Status open_speaker();
  void watch_kernel();
  void watch_rules();
  void watch_policy_rules();
  void report_changed_rules(std::string_view table, std::uint32_t culprit);
  void watch_policy_files();
  void policy_files_changed();
  void endpoint_changed(const ipam::AttachmentId& endpoint, Endpoints::Done done);
  void open_keeper();
  void watch_endpoints();
  void look_at_endpoints();
  void report_keeper(const Status& status);
  void schedule_tick();
  void on_tick();
  void log_refused_routes();

  // Of the configuration, announcing own_prefixes().
  bgp::SpeakerConfig speaker_config(const AgentConfig& config) const;
  // Blocks, service prefixes, and borrowed addresses.
  std::vector<Prefix> own_prefixes(const AgentConfig& config) const;
  void set_own_blocks(const std::vector<Prefix>& before, const std::vector<Prefix>& now);
  // Once for all changes of this turn of the loop.
  void schedule_apply();
  // Null where none is configured.
  Result<std::unique_ptr<MetricsServer>> serve_metrics(const AgentConfig& config);
  bool in_sync() const;
  std::string health_problem() const;  // empty: all is well
  AgentStatus status() const;

  void next_hops_found(std::span<const IpAddress> next_hops, std::span<const netlink::Reach> found);
  void log_next_hop(const IpAddress& next_hop, bool reachable);

  void path_changed(const bfd::SessionChange& change);
  void routes_changed(std::span<const bgp::RibDelta> changes) override;
  bgp::NextHopState next_hop_state(const IpAddress& next_hop) override;
  void peer_state_changed(const bgp::PeerStateChange& change) override;
  void session_ended(std::string_view peer, std::string_view reason) override;
  void message_problem(std::string_view peer, std::string_view problem) override;
  void connection_refused(const IpAddress& from, std::string_view reason) override;
  void peer_in_sync(std::string_view peer) override;
  void speaker_in_sync() override;

  void endpoint_released(const ipam::EndpointRecord& record) override;
  void record_changed(const ipam::EndpointRecord& record) override;
  void record_gone(const ipam::AttachmentId& endpoint) override;
  void borrowed_changed() override;
  void endpoint_problem(std::string_view what, std::string_view reason) override;

  void policies_read(const PolicyOutcome& outcome) override;
  void policy_problem(std::string_view reason) override;

  void advertised_changed() override;
  Status may_advertise(const Prefix& prefix) override;
  void lease_ended(const Lease& lease) override;
  void service_health(const Prefix& prefix, std::string_view problem) override;
  void advertiser_problem(std::string_view what, const Error& error) override;

  void drain_changed() override;
  bool all_told() override { return speaker_->all_told(); }
  void drain_problem(std::string_view what, const Error& error) override;

  boost::asio::io_context& loop_;
  Log& log_;
  Notifier& notifier_;
  AgentConfig config_;
  ipam::StateStore store_;
  std::uint32_t route_port_ = 0;  // port id of the socket that writes routes
  std::optional<netlink::KernelMonitor> monitor_;
  ReadableWatch kernel_watch_;
  std::optional<netlink::RuleMonitor> rules_;
  ReadableWatch rules_watch_;
  std::optional<netlink::RuleMonitor> policy_rules_;
  ReadableWatch policy_rules_watch_;
  std::optional<DirectoryWatch> policy_files_;
  ReadableWatch policy_files_watch_;
  boost::asio::steady_timer policy_files_settle_;
  std::unique_ptr<Dataplane> dataplane_;
  std::unique_ptr<Policies> policies_;  // nothing: the kernel has no nf_tables
  std::unique_ptr<Endpoints> endpoints_;
  std::optional<EndpointKeeper> keeper_;
  ReadableWatch host_sides_watch_;
  ReadableWatch sandboxes_watch_;
  std::unique_ptr<bgp::Speaker> speaker_;
  std::unique_ptr<NextHopTracker> tracker_;  // only where routes are installed
  std::unique_ptr<bfd::Service> bfd_;
  std::unique_ptr<Advertiser> advertiser_;
  std::unique_ptr<Drainer> drainer_;
  std::unique_ptr<Answers> answers_;
  std::unique_ptr<MetricsServer> metrics_;  // none unless it is configured
  std::unique_ptr<ControlServer> control_;
  boost::asio::steady_timer tick_;

  bool apply_scheduled_ = false;
  bool looks_scheduled_ = false;
  bool stopped_ = false;
  std::string policy_problem_;  // the last one that was logged
  bool anti_spoofing_ = false;
  std::string forwarding_problem_;  // the last one that was logged
  bool store_is_missed_ = false;    // at the last tick
  std::string store_problem_;       // the last one that was logged
  std::size_t failed_logged_ = 0;   // refused routes when that was logged last
  std::map<std::string, std::string, std::less<>>
      last_end_;  // reason of each peer's last failure, to log it once
  EventLimiter problem_limiter_;
  EventLimiter refusal_limiter_;
  std::uint64_t ticks_ = 0;
  std::uint64_t reloads_ = 0;
  std::uint64_t reloads_refused_ = 0;
  TimePoint started_ = std::chrono::steady_clock::now();
  bool was_in_sync_ = false;
  TimePoint sync_changed_ = started_;
};

}  // namespace towpath::agent
