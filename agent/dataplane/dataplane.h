// The agent's hand on the kernel: what is wanted goes in, and the kernel follows.
//
// Model
//   Joins RouteSyncer (what should be, what is) and KernelWriter (the thread that writes). apply() sends off
//   what there is to write, a few thousand routes at a time, and goes on by itself when the answer comes,
//   until nothing is left. tick() is for what failed or is in doubt: it tries again, and reads the kernel
//   when that is needed.
//
// After a restart: start() reads the kernel before anything is written, and adopts what is ours.
//
// Ownership: owns both. `post` runs a task on the owner's loop, later (not inside the call); a task that runs
// after the Dataplane is gone does nothing. The routes in the kernel stay when it goes. Threading: owned by
// the loop. start() blocks for one dump, nothing else does. Failure: of start() only. A route that the kernel
// refuses stays pending and shows in routes().
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <set>

#include "agent/dataplane/kernel_writer.h"
#include "agent/dataplane/route_kernel.h"
#include "agent/dataplane/route_syncer.h"
#include "towpath/netlink/kernel_monitor.h"

namespace towpath::agent {

class Dataplane {
 public:
  static Result<std::unique_ptr<Dataplane>> start(std::unique_ptr<RouteKernel> kernel,
                                                  RouteSyncer::Metrics metrics, KernelWriter::Post post);

  // Say what is wanted here, then apply().
  RouteSyncer& routes() { return routes_; }
  const RouteSyncer& routes() const { return routes_; }

  // Call after changes, once for many. Cheap when there is nothing to do.
  void apply();
  // Once a second or so.
  void tick();
  // The next hop is known to be out of reach, or is back. Routes that have others do without it within one
  // kernel message; routes that have none keep it, because whoever chooses routes may have something better.
  void next_hop_lost(const IpAddress& address);
  void next_hop_back(const IpAddress& address);
  // How the routes of others lead to these addresses; the answer comes later, one for each, or none where the
  // kernel could not be asked.
  void reach(std::vector<IpAddress> addresses, KernelWriter::OnReached done);
  // From a KernelMonitor, of which more than one event may come before anything is written.
  void on_kernel_event(const netlink::KernelEvent& event);
  void resync();

  const NextHopCounters& next_hops() const { return next_hops_; }

  // The last resync could not read the kernel.
  const std::optional<Error>& resync_error() const { return resync_error_; }

 private:
  Dataplane(RouteSyncer routes, std::unique_ptr<RouteKernel> kernel, KernelWriter::Post post)
      : routes_(std::move(routes)), writer_(std::move(kernel), std::move(post)) {}
  void on_written(const std::vector<RouteWrite>& writes, const WriteOutcome& outcome);
  void on_dumped(const Result<std::vector<KernelRoute>>& routes);
  // Reads the next-hop objects and puts them right; cheap beside a resync.
  void tend();
  void on_tended(const Result<NextHopReport>& report);
  std::vector<IpAddress> lost() const { return {lost_.begin(), lost_.end()}; }

  RouteSyncer routes_;
  std::size_t writes_queued_ = 0;
  // Queued, and asked for again since: what was changed meanwhile may lie behind where the reader is.
  bool resync_queued_ = false, resync_again_ = false;
  bool tend_queued_ = false, tend_again_ = false;
  std::set<IpAddress> lost_;
  NextHopCounters next_hops_;
  std::optional<Error> resync_error_;
  std::shared_ptr<Dataplane*> self_ = std::make_shared<Dataplane*>(this);  // weakly held by tasks
  KernelWriter writer_;                                                    // last: its thread ends first
};

}  // namespace towpath::agent
