#include "agent/dataplane/dataplane.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "towpath/netlink/next_hop_object.h"

namespace towpath::agent {
namespace {

// Enough for the kernel's work to be most of the time, few enough for an answer every few milliseconds. Two
// jobs keep the writer busy while the loop takes in an answer.
constexpr std::size_t kWritesPerJob = 4096;
constexpr std::size_t kJobs = 2;

constexpr std::string_view kContainerPrefix = "tp";

}  // namespace

Result<std::unique_ptr<Dataplane>> Dataplane::start(std::unique_ptr<RouteKernel> kernel,
                                                    RouteSyncer::Metrics metrics, KernelWriter::Post post) {
  TOWPATH_TRY(const auto found, kernel->dump());
  RouteSyncer routes(metrics);
  routes.on_dumped(found);
  return std::unique_ptr<Dataplane>(new Dataplane(std::move(routes), std::move(kernel), std::move(post)));
}

void Dataplane::apply() {
  if (routes_.wants_resync() && !resync_error_) resync();  // after an error it is tick()'s turn
  while (writes_queued_ < kJobs && routes_.has_writes()) {
    auto writes = routes_.take_writes(kWritesPerJob);
    if (writes.empty()) return;
    ++writes_queued_;
    writer_.write(std::move(writes),
                  [self = std::weak_ptr(self_)](std::vector<RouteWrite> done, WriteOutcome outcome) {
                    if (const auto alive = self.lock()) (*alive)->on_written(done, outcome);
                  });
  }
}

void Dataplane::tick() {
  if (resync_error_) resync();
  tend();
  routes_.retry();
  apply();
}

void Dataplane::next_hop_lost(const IpAddress& address) {
  if (!lost_.insert(address).second) return;
  writer_.lose(lost());
}

void Dataplane::next_hop_back(const IpAddress& address) {
  if (lost_.erase(address) == 0) return;
  writer_.lose(lost());
  tend();
}

void Dataplane::reach(std::vector<IpAddress> addresses, KernelWriter::OnReached done) {
  writer_.reach(std::move(addresses), [self = std::weak_ptr(self_), done = std::move(done)](
                                          Result<std::vector<netlink::Reach>> found) mutable {
    if (self.lock()) done(std::move(found));
  });
}

void Dataplane::tend() {
  tend_again_ = tend_queued_;
  if (std::exchange(tend_queued_, true)) return;
  auto in_use = routes_.deletes_allowed() ? routes_.forwardings_in_use() : std::nullopt;
  writer_.tend(std::move(in_use), [self = std::weak_ptr(self_)](const Result<NextHopReport>& report) {
    if (const auto alive = self.lock()) (*alive)->on_tended(report);
  });
}

void Dataplane::on_tended(const Result<NextHopReport>& report) {
  tend_queued_ = false;
  if (!report) return;  // read again with the next tick
  next_hops_.objects = report->objects;
  next_hops_.degraded = report->degraded;
  next_hops_.repaired += report->repaired;
  if (report->routes_in_doubt) resync();
  if (report->repaired != 0) routes_.retry();
  if (std::exchange(tend_again_, false)) tend();
  apply();
}

void Dataplane::resync() {
  resync_again_ = resync_queued_;
  if (std::exchange(resync_queued_, true)) return;
  writer_.dump([self = std::weak_ptr(self_)](Result<std::vector<KernelRoute>> routes) {
    if (const auto alive = self.lock()) (*alive)->on_dumped(routes);
  });
}

void Dataplane::on_kernel_event(const netlink::KernelEvent& event) {
  if (std::holds_alternative<netlink::Overflow>(event)) {
    resync();
  } else if (const auto* link = std::get_if<netlink::LinkEvent>(&event)) {
    // Container interfaces come and go all the time, and none of our routes lead there.
    if (link->link.name.starts_with(kContainerPrefix)) return;
    // With an interface that goes down the kernel drops its IPv4 routes without a word. One that comes up may
    // make next hops reachable.
    if (link->removed || !link->link.up) resync();
    // Next-hop objects go with the carrier already.
    tend();
    routes_.retry();
  } else if (const auto* next_hop = std::get_if<netlink::NextHopEvent>(&event)) {
    if (!netlink::is_agent_next_hop(next_hop->object.id)) return;
    // The kernel removes routes with their next hop, IPv4 ones without a word.
    if (next_hop->removed) {
      resync();
    } else {
      tend();
    }
  } else if (const auto* route = std::get_if<netlink::RouteEvent>(&event)) {
    const netlink::RouteKey& key = route->route.key;
    // What the number stands for only the kernel can say.
    if (!route->removed && route->route.nexthop_id != 0) return resync();
    Forwarding forwarding{.type = route->route.type, .next_hops = route->route.next_hops};
    forwarding.outdated = goes_by_object(forwarding);
    std::ranges::sort(forwarding.next_hops);
    resync_again_ |= resync_queued_;
    routes_.on_kernel_route(
        {key.destination, key.metric, std::make_shared<const Forwarding>(std::move(forwarding))},
        route->removed);
  }
  apply();
}

void Dataplane::on_written(const std::vector<RouteWrite>& writes, const WriteOutcome& outcome) {
  --writes_queued_;
  routes_.on_written(writes, outcome);
  apply();
}

void Dataplane::on_dumped(const Result<std::vector<KernelRoute>>& routes) {
  resync_queued_ = false;
  resync_error_.reset();
  if (routes) {
    routes_.on_dumped(*routes);
    routes_.retry();  // what was refused for the sake of a next hop may be possible now
  } else {
    resync_error_ = routes.error();
  }
  if (std::exchange(resync_again_, false)) resync();
  apply();
}

}  // namespace towpath::agent
