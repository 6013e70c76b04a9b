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
  routes_.retry();
  apply();
}

void Dataplane::resync() {
  if (resync_queued_) return;
  resync_queued_ = true;
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
    routes_.retry();
  } else if (const auto* next_hop = std::get_if<netlink::NextHopEvent>(&event)) {
    // The kernel removes routes with their next hop, IPv4 ones without a word.
    if (next_hop->removed && netlink::is_agent_next_hop(next_hop->object.id)) resync();
  } else if (const auto* route = std::get_if<netlink::RouteEvent>(&event)) {
    Forwarding forwarding{route->route.type, route->route.next_hops};
    std::ranges::sort(forwarding.next_hops);
    const netlink::RouteKey& key = route->route.key;
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
  } else {
    resync_error_ = routes.error();
  }
  apply();
}

}  // namespace towpath::agent
