#include "agent/agent.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "agent/dataplane/netlink_route_kernel.h"
#include "agent/endpoint/netlink_port_kernel.h"
#include "agent/metrics/agent_metrics.h"
#include "agent/policy/netlink_policy_kernel.h"
#include "towpath/netlink/anti_spoofing.h"
#include "towpath/netlink/privilege.h"
#include "towpath/netlink/sysctl.h"

namespace towpath::agent {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds kTick{1};
constexpr std::uint64_t kTicksPerStoreCare = 60;
// Peers that are alive have sent their routes by then. One that is not delays nothing any longer, except
// removals (restart_deferral).
constexpr std::uint64_t kTicksBeforeReplacements = 5;
constexpr std::uint64_t kTicksPerLookAtSettings = 5;
// So long after a change of a policy file others may follow that belong to it.
constexpr std::chrono::milliseconds kFilesSettle{50};

// Who changed the rules, by the port id of his netlink socket; 0: it is not known. Nothing: nobody did.
std::optional<std::uint32_t> culprit_of(netlink::RuleMonitor& rules) {
  const auto culprit = rules.read();
  return culprit ? *culprit : std::optional<std::uint32_t>(0);
}

}  // namespace

Result<std::unique_ptr<Agent>> Agent::start(asio::io_context& loop, const AgentConfig& config, Log& log,
                                            Notifier& notifier) {
  TOWPATH_TRY_STATUS(netlink::check_privilege());
  TOWPATH_TRY(auto store, ipam::StateStore::open(config.state_dir, ipam::StateStore::OpenMode::kCreate,
                                                 ipam::StoreLook::kWhole));
  std::unique_ptr<Agent> agent(new Agent(loop, config, log, notifier, std::move(store)));
  // What another agent on this host makes fail, the control socket and port 179, comes before anything is
  // changed that is this other agent's. No session begins before the loop runs.
  TOWPATH_TRY_STATUS(agent->open_dataplane());
  TOWPATH_TRY_STATUS(agent->open_tracker());
  TOWPATH_TRY_STATUS(agent->open_speaker());
  TOWPATH_TRY_STATUS(agent->own_blocks(config));
  agent->prepare_host();
  agent->open_policies();
  TOWPATH_TRY_STATUS(agent->open_endpoints());
  agent->open_keeper();
  agent->set_own_blocks({}, config.blocks);
  agent->dataplane_->apply();
  agent->watch_kernel();
  agent->watch_rules();
  agent->watch_policy_rules();
  agent->watch_policy_files();
  agent->watch_endpoints();
  agent->look_at_endpoints();
  agent->schedule_tick();
  return agent;
}

Agent::Agent(asio::io_context& loop, const AgentConfig& config, Log& log, Notifier& notifier,
             ipam::StateStore store)
    : loop_(loop),
      log_(log),
      notifier_(notifier),
      config_(config),
      store_(std::move(store)),
      kernel_watch_(loop),
      rules_watch_(loop),
      policy_rules_watch_(loop),
      policy_files_watch_(loop),
      policy_files_settle_(loop),
      host_sides_watch_(loop),
      sandboxes_watch_(loop),
      tick_(loop) {}

Agent::~Agent() {
  stop();
}

// What a host needs to route for containers. A failure is no reason to stay away: sessions and routes that
// are up matter more, and a host may be set up by others.
void Agent::prepare_host() {
  forward_packets();
  const auto installed = netlink::install_anti_spoofing();
  anti_spoofing_ = installed.has_value();
  if (!installed) {
    log_.warning("cannot check the source addresses of containers", {{"reason", installed.error().message}});
  }
}

// Others write these settings too: `sysctl --system` of a package that is installed.
void Agent::forward_packets() {
  const auto changes = netlink::enable_forwarding();
  if (!changes) {
    if (std::exchange(forwarding_problem_, changes.error().message) != changes.error().message)
      log_.error("cannot switch on forwarding", {{"reason", changes.error().message}});
    return;
  }
  forwarding_problem_.clear();
  for (const auto& change : *changes) {
    log_.info("kernel setting changed",
              {{"key", change.key}, {"before", change.before}, {"after", change.after}});
  }
}

// What the plugins may give out. Containers keep the address of a block that is taken away, but nobody else
// hears of it.
Status Agent::own_blocks(const AgentConfig& config) {
  TOWPATH_TRY_STATUS(store_.set_owned_blocks(config.blocks, config.pools));
  TOWPATH_TRY(const auto known, store_.blocks());
  for (const ipam::Block& block : known) {
    if (block.state != ipam::BlockState::kRetired || block.used == 0) continue;
    log_.warning("a block with containers is not in `blocks` any more; other hosts cannot reach them",
                 {{"block", block.prefix.to_string()}, {"addresses_in_use", block.used}});
  }
  return {};
}

// Somebody may take the store away while we run, as its own messages say for a damaged one. The new one has
// our blocks as soon as that is over: at the second look, so that we make no file in a folder that is being
// removed.
void Agent::look_after_store() {
  const bool was_missed = std::exchange(store_is_missed_, !store_.is_in_place());
  if (!store_is_missed_ || !was_missed) return;
  const auto begin_again = [&]() -> Status {
    TOWPATH_TRY_STATUS(store_.give_place());
    TOWPATH_TRY(auto store, ipam::StateStore::open(config_.state_dir, ipam::StateStore::OpenMode::kCreate,
                                                   ipam::StoreLook::kWhole));
    TOWPATH_TRY_STATUS(store.set_owned_blocks(config_.blocks, config_.pools));
    store_ = std::move(store);
    return {};
  };
  if (const Status begun = begin_again(); !begun) {
    if (std::exchange(store_problem_, begun.error().message) != begun.error().message)
      log_.error("the state store was taken away, and cannot be made again",
                 {{"reason", begun.error().message}});
    return;
  }
  store_is_missed_ = false;
  store_problem_.clear();
  endpoints_->store_replaced();
  log_.error("the state store was taken away; containers that were attached before it must be attached again",
             {{"state_dir", config_.state_dir}});
}

// The kernel's routes are adopted here, before anything is written.
Status Agent::open_dataplane() {
  TOWPATH_TRY(auto kernel,
              NetlinkRouteKernel::open({.table = config_.kernel.table, .protocol = config_.kernel.protocol}));
  // Before the first dump, so that no change falls between the two.
  route_port_ = kernel->port_id();
  TOWPATH_TRY(monitor_,
              netlink::KernelMonitor::open(config_.kernel.table, config_.kernel.protocol, route_port_));
  const RouteSyncer::Metrics metrics{.learned = config_.kernel.metric,
                                     .own_block = config_.kernel.blackhole_metric};
  const auto post = [&loop = loop_](KernelWriter::Task task) { asio::post(loop, std::move(task)); };
  TOWPATH_TRY(dataplane_, Dataplane::start(std::move(kernel), metrics, post));
  log_.info("kernel routes adopted", {{"routes", dataplane_->routes().counters().in_kernel}});
  return {};
}

// A host that forwards nothing, as a route reflector beside the path, needs no way to next hops.
Status Agent::open_tracker() {
  if (!config_.kernel.install) return {};
  TOWPATH_TRY(tracker_, NextHopTracker::open(
                            loop_, *dataplane_, {config_.kernel.table, config_.kernel.protocol},
                            {.in_use =
                                 [this] {
                                   std::vector<IpAddress> in_use;
                                   for (const auto& row : speaker_->next_hops())
                                     in_use.push_back(row.address);
                                   return in_use;
                                 },
                             .found = [this](const auto& next_hops,
                                             const auto& found) { next_hops_found(next_hops, found); }}));
  return {};
}

// Before the endpoints, whose records it is told.
void Agent::open_policies() {
  auto kernel = NetlinkPolicyKernel::open();
  if (!kernel) {
    policy_problem(kernel.error().message);
    return;
  }
  if (const auto port = (*kernel)->port_id()) {
    auto opened = netlink::RuleMonitor::open({*port}, netlink::kPolicyTable);
    if (opened) policy_rules_ = *std::move(opened);
  }
  const auto post = [&loop = loop_](PolicyWriter::Task task) { asio::post(loop, std::move(task)); };
  policies_ = std::make_unique<Policies>(config_.network_policies, *std::move(kernel),
                                         static_cast<PolicyObserver&>(*this), post, [this] {
                                           if (endpoints_) endpoints_->refresh();
                                         });
}

Status Agent::open_endpoints() {
  TOWPATH_TRY(auto kernel, NetlinkPortKernel::open());
  // Before the mappings are read, so that no change falls between the two. Without nf_tables there is nothing
  // to watch.
  if (const auto ports = kernel->port_ids()) {
    if (auto opened = netlink::RuleMonitor::open(*ports)) rules_ = *std::move(opened);
  }
  const auto post = [&loop = loop_](PortWriter::Task task) { asio::post(loop, std::move(task)); };
  TOWPATH_TRY(endpoints_, Endpoints::start(store_, std::move(kernel), kernel_looks(),
                                           static_cast<EndpointObserver&>(*this), post));
  const EndpointCounters counters = endpoints_->counters();
  log_.info("endpoints read", {{"endpoints", counters.endpoints}, {"port_mappings", counters.ports}});
  if (counters.borrowed > 0) advertised_changed();
  if (policies_ && endpoints_->listed()) policies_->listed();
  return {};
}

Status Agent::open_speaker() {
  // Of a host that forwards nothing, as a route reflector beside the path, a restart stops no packet.
  const bool preserved = dataplane_->routes().counters().adopted > 0 || !config_.kernel.install;
  const bgp::SpeakerOptions options{.forwarding_preserved = preserved};
  speaker_ = std::make_unique<bgp::Speaker>(loop_.get_executor(), static_cast<bgp::SpeakerObserver&>(*this),
                                            options);
  bfd_ = std::make_unique<bfd::Service>(
      [&loop = loop_](bfd::Service::Task task) { asio::post(loop, std::move(task)); },
      [this](const bfd::SessionChange& change) { path_changed(change); });
  advertiser_ = std::make_unique<Advertiser>(loop_, static_cast<AdvertiserEvents&>(*this), config_.state_dir);
  drainer_ = std::make_unique<Drainer>(loop_, static_cast<DrainEvents&>(*this), config_.state_dir);
  if (drainer_->phase() != bgp::Drain::kNone) drain_changed();
  answers_ = std::make_unique<Answers>(
      *speaker_, *bfd_, dataplane_->routes(), *advertiser_, *drainer_, [this] { return status(); },
      [this](const control::EndpointName& name, Endpoints::Done done) {
        endpoint_changed({name.container, name.ifname}, std::move(done));
      },
      [this] { return policies_ ? policies_->view() : nullptr; });
  control_ = std::make_unique<ControlServer>(loop_, *answers_);
  // The socket first: another agent on it must stop us before we speak to anybody.
  TOWPATH_TRY_STATUS(control_->start(config_.control_socket));
  TOWPATH_TRY(metrics_, serve_metrics(config_));
  TOWPATH_TRY_STATUS(speaker_->configure(speaker_config(config_)));
  advertiser_->configure(config_.advertise, config_.advertise_leases);
  bfd_->configure(config_.bfd);
  return {};
}

void Agent::watch_kernel() {
  const auto watching = kernel_watch_.start(monitor_->fd(), [this] {
    const auto events = monitor_->read();
    if (!events) {
      log_.warning("cannot read kernel events", {{"reason", events.error().message}});
      dataplane_->resync();
      return;
    }
    for (const auto& event : *events) {
      dataplane_->on_kernel_event(event);
      endpoints_->on_kernel_event(event);
      const auto* link = std::get_if<netlink::LinkEvent>(&event);
      if (keeper_ && link != nullptr && !link->removed) keeper_->on_link(link->link);
    }
    look_at_endpoints();
  });
  if (!watching) log_.error("cannot watch the kernel", {{"reason", watching.error().message}});
}

void Agent::watch_rules() {
  if (!rules_) return;
  const auto watching = rules_watch_.start(rules_->fd(), [this] {
    if (const auto culprit = culprit_of(*rules_)) {
      endpoints_->rules_changed();
      report_changed_rules("inet towpath", *culprit);
    }
  });
  if (!watching) log_.error("cannot watch the rules", {{"reason", watching.error().message}});
}

void Agent::watch_policy_rules() {
  if (!policy_rules_) return;
  const auto watching = policy_rules_watch_.start(policy_rules_->fd(), [this] {
    if (const auto culprit = culprit_of(*policy_rules_)) {
      policies_->rules_changed();
      if (policies_->counters().is_on) report_changed_rules("inet towpath_policy", *culprit);
    }
  });
  if (!watching) policy_problem(watching.error().message);
}

void Agent::report_changed_rules(std::string_view table, std::uint32_t culprit) {
  if (!problem_limiter_.allow(std::chrono::steady_clock::now())) return;
  log_.warning(fmt::format("somebody changed the rules in table {}; they are put back", table),
               {{"netlink_port", culprit}});
}

// Called again at every tick: the directory may come, and be another one.
void Agent::watch_policy_files() {
  if (!policies_ || policy_files_ || stopped_) return;
  auto watch = DirectoryWatch::open(config_.network_policies);
  if (!watch) {
    // Without a directory there are no policies. Where it cannot be watched, they are still read at SIGHUP.
    if (watch.error().kind != ErrorKind::kNotFound) policy_problem(watch.error().message);
    return;
  }
  const auto watching = policy_files_watch_.start(watch->fd(), [this] { policy_files_changed(); });
  if (!watching) {
    policy_problem(watching.error().message);
    return;
  }
  policy_files_ = *std::move(watch);
  policies_->read_files();  // what came before the watch
}

void Agent::policy_files_changed() {
  const bool is_there = policy_files_->read();
  policy_files_settle_.expires_after(kFilesSettle);
  policy_files_settle_.async_wait([this](boost::system::error_code cancelled) {
    if (!cancelled) policies_->read_files();
  });
  if (is_there) return;
  policy_files_watch_.stop();
  policy_files_.reset();
}

// Without it containers run as long as nobody touches what they stand on.
void Agent::open_keeper() {
  auto keeper = EndpointKeeper::open(store_, route_port_, [this](const EndpointKeeper::Repair& repair) {
    if (!problem_limiter_.allow(std::chrono::steady_clock::now())) return;
    log_.warning(
        "somebody spoiled the network of a container; it is put back",
        {{"endpoint", repair.endpoint.to_string()}, {"what", repair.what}, {"netlink_port", repair.culprit}});
  });
  if (!keeper) {
    report_keeper(std::unexpected(keeper.error()));
    return;
  }
  keeper_.emplace(*std::move(keeper));
}

void Agent::watch_endpoints() {
  if (!keeper_) return;
  report_keeper(host_sides_watch_.start(keeper_->host_fd(), [this] {
    report_keeper(keeper_->read_host());
    look_at_endpoints();
  }));
  report_keeper(sandboxes_watch_.start(keeper_->sandboxes_fd(), [this] {
    report_keeper(keeper_->read_sandboxes());
    look_at_endpoints();
  }));
}

// Some of them in this turn of the loop, the rest in later ones.
void Agent::look_at_endpoints() {
  if (!keeper_ || stopped_) return;
  report_keeper(keeper_->look());
  if (!keeper_->has_more() || std::exchange(looks_scheduled_, true)) return;
  asio::post(loop_, [this] {
    looks_scheduled_ = false;
    look_at_endpoints();
  });
}

void Agent::report_keeper(const Status& status) {
  if (status || !problem_limiter_.allow(std::chrono::steady_clock::now())) return;
  endpoint_problem("keep the network of a container", status.error().message);
}

void Agent::schedule_tick() {
  tick_.expires_after(kTick);
  tick_.async_wait([this](boost::system::error_code ec) {
    if (ec) return;  // stop()
    on_tick();
    schedule_tick();
  });
}

void Agent::on_tick() {
  if (const bool now = in_sync(); now != was_in_sync_) {
    was_in_sync_ = now;
    sync_changed_ = std::chrono::steady_clock::now();
  }
  look_after_store();
  log_refused_routes();  // before they are tried again
  if (++ticks_ == kTicksBeforeReplacements) dataplane_->routes().allow_replacements();
  dataplane_->tick();
  speaker_->look_at_addresses();
  endpoints_->tick(std::chrono::steady_clock::now());
  if (policies_) {
    if (endpoints_->listed()) policies_->listed();
    policies_->tick();
    watch_policy_files();
  }
  if (keeper_) report_keeper(keeper_->tick());
  look_at_endpoints();
  for (EventLimiter* limiter : {&problem_limiter_, &refusal_limiter_}) {
    if (const auto count = limiter->take_suppressed(); count > 0) {
      log_.warning("more of the same was not logged", {{"events", count}});
    }
  }
  if (ticks_ % kTicksPerLookAtSettings == 0) forward_packets();
  if (ticks_ % kTicksPerStoreCare == 0) {
    const auto cleared = store_.clear_dead_readers();
    if (!cleared) log_.warning("state store", {{"reason", cleared.error().message}});
  }
  notifier_.status(summary());
}

// Once for a change of their number, not for each try.
void Agent::log_refused_routes() {
  const std::size_t failed = dataplane_->routes().counters().failed;
  if (failed == failed_logged_) return;
  failed_logged_ = failed;
  if (failed > 0) {
    log_.warning("the kernel refuses routes; they stay pending",
                 {{"routes", failed}, {"see", "towpathctl routes diff"}});
  } else {
    log_.info("the kernel has all routes again");
  }
}

Status Agent::reload(const AgentConfig& next) {
  const bool moves_metrics = next.metrics != config_.metrics;
  std::unique_ptr<MetricsServer> metrics;
  if (moves_metrics) {
    TOWPATH_TRY(metrics, serve_metrics(next));
  }
  TOWPATH_TRY_STATUS(own_blocks(next));
  if (auto configured = speaker_->configure(speaker_config(next)); !configured) {
    // The speaker changed nothing; neither may the store.
    if (auto restored = store_.set_owned_blocks(config_.blocks, config_.pools); !restored) {
      log_.error("cannot put the owned blocks back", {{"reason", restored.error().message}});
    }
    return configured;
  }
  if (moves_metrics) metrics_ = std::move(metrics);
  bfd_->configure(next.bfd);
  set_own_blocks(config_.blocks, next.blocks);
  log_.configure(next.log);
  config_ = next;
  advertiser_->configure(config_.advertise, config_.advertise_leases);
  ++reloads_;
  if (policies_) policies_->read_files();
  schedule_apply();
  return {};
}

void Agent::stop() {
  if (std::exchange(stopped_, true)) return;
  tracker_.reset();
  if (control_) control_->stop();
  metrics_.reset();
  if (advertiser_) advertiser_->stop();
  if (drainer_) drainer_->stop();
  if (speaker_) speaker_->stop();
  // After the BGP sessions: their peers then see a restart, and no path that is lost.
  if (bfd_) bfd_->configure({});
  tick_.cancel();
  policy_files_settle_.cancel();
  for (ReadableWatch* watch : {&kernel_watch_, &rules_watch_, &policy_rules_watch_, &policy_files_watch_,
                               &host_sides_watch_, &sandboxes_watch_}) {
    watch->stop();
  }
}

std::string Agent::summary() const {
  const auto peers = speaker_->peers();
  const auto up = std::ranges::count(peers, bgp::SessionState::kEstablished, &bgp::PeerStatus::state);
  const RouteCounters& counters = dataplane_->routes().counters();
  std::string text = fmt::format("{} of {} peers up, {} routes", up, peers.size(), counters.in_kernel);
  if (counters.pending > 0) text += fmt::format(", {} pending", counters.pending);
  return text;
}

bgp::SpeakerConfig Agent::speaker_config(const AgentConfig& config) const {
  bgp::SpeakerConfig speaker = config.speaker;
  speaker.originate = own_prefixes(config);
  return speaker;
}

std::vector<Prefix> Agent::own_prefixes(const AgentConfig& config) const {
  std::vector<Prefix> all = config.blocks;
  const std::vector<Prefix> services = advertiser_->prefixes();
  all.insert(all.end(), services.begin(), services.end());
  if (endpoints_ == nullptr) return all;  // the first configuration: no session is there yet
  // An address that pools of an earlier configuration had stays with its container, but is not told.
  for (const Prefix& address : endpoints_->borrowed()) {
    if (std::ranges::any_of(config.pools, [&](const Prefix& pool) { return pool.contains(address); }))
      all.push_back(address);
  }
  return all;
}

void Agent::set_own_blocks(const std::vector<Prefix>& before, const std::vector<Prefix>& now) {
  for (const Prefix& block : before) {
    if (std::ranges::find(now, block) == now.end()) dataplane_->routes().unwant_own_block(block);
  }
  for (const Prefix& block : now) dataplane_->routes().want_own_block(block);
}

void Agent::schedule_apply() {
  if (std::exchange(apply_scheduled_, true)) return;
  asio::post(loop_, [this] {
    apply_scheduled_ = false;
    if (!stopped_) dataplane_->apply();
  });
}

bool Agent::in_sync() const {
  return speaker_->in_sync() && dataplane_->routes().in_sync();
}

Result<std::unique_ptr<MetricsServer>> Agent::serve_metrics(const AgentConfig& config) {
  if (!config.metrics) return nullptr;
  const auto metrics = [this] {
    const AgentStatus now = status();
    // Without the store the rest is still worth telling.
    return agent_metrics({.status = now,
                          .speaker = *speaker_,
                          .bfd = *bfd_,
                          .routes = dataplane_->routes().counters(),
                          .drainer = *drainer_,
                          .blocks = store_.blocks().value_or(std::vector<ipam::Block>())});
  };
  auto server =
      std::make_unique<MetricsServer>(loop_, MetricsPages{metrics, [this] { return health_problem(); }});
  TOWPATH_TRY_STATUS(server->start(*config.metrics));
  log_.info("metrics are served",
            {{"address", config.metrics->address.to_string()}, {"port", config.metrics->port}});
  return server;
}

std::string Agent::health_problem() const {
  if (!store_problem_.empty()) return store_problem_;
  if (in_sync()) return "";
  std::string waits_for;
  for (const auto& peer : speaker_->peers()) {
    if (!speaker_->in_sync() && !peer.in_sync) waits_for += (waits_for.empty() ? "" : ", ") + peer.name;
  }
  if (!waits_for.empty()) return "waiting for the routes of " + waits_for;
  return fmt::format("the kernel is not as wanted: {} routes are pending",
                     dataplane_->routes().counters().pending);
}

AgentStatus Agent::status() const {
  const auto now = std::chrono::steady_clock::now();
  EndpointCounters endpoints = endpoints_->counters();
  if (keeper_) endpoints.repaired = keeper_->repaired();
  const auto seconds_since = [now](TimePoint then) {
    return std::chrono::duration_cast<std::chrono::seconds>(now - then);
  };
  return {.node = config_.node,
          .router_id = config_.speaker.router_id,
          .as = config_.speaker.as,
          .uptime = seconds_since(started_),
          .in_sync = in_sync(),
          // The tick may not have seen the change yet.
          .in_sync_since = in_sync() == was_in_sync_ ? seconds_since(sync_changed_) : std::chrono::seconds(0),
          .reloads = reloads_,
          .reloads_refused = reloads_refused_,
          .anti_spoofing = anti_spoofing_,
          .next_hops = dataplane_->next_hops(),
          .endpoints = endpoints,
          .policies = policies_ ? policies_->counters() : PolicyCounters()};
}

}  // namespace towpath::agent
