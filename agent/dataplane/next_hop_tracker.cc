#include "agent/dataplane/next_hop_tracker.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "towpath/base/unique_fd.h"

namespace towpath::agent {
namespace {

constexpr std::chrono::milliseconds kQuiet{100};
constexpr std::chrono::milliseconds kLongest{500};

constexpr netlink::Reach kUnknown{.found = true};

}  // namespace

Result<std::unique_ptr<NextHopTracker>> NextHopTracker::open(boost::asio::io_context& loop,
                                                             Dataplane& dataplane,
                                                             netlink::RouteOwner own_routes, Owner owner) {
  TOWPATH_TRY(auto monitor, netlink::ReachabilityMonitor::open(own_routes.protocol));
  TOWPATH_TRY(auto socket, netlink::NetlinkSocket::open());
  std::unique_ptr<NextHopTracker> tracker(new NextHopTracker(loop, dataplane, own_routes, std::move(owner),
                                                             std::move(socket), std::move(monitor)));
  // A descriptor of Asio's own: it closes what it is given.
  UniqueFd fd(::fcntl(tracker->monitor_.fd(), F_DUPFD_CLOEXEC, 0));
  if (!fd) return fail_errno(errno, "dup");
  boost::system::error_code ec;
  tracker->readable_.assign(fd.get(), ec);
  if (ec) return fail(ErrorKind::kSystem, ec.message());
  (void)fd.release();
  tracker->watch();
  return tracker;
}

NextHopTracker::NextHopTracker(boost::asio::io_context& loop, Dataplane& dataplane,
                               netlink::RouteOwner own_routes, Owner owner, netlink::NetlinkSocket socket,
                               netlink::ReachabilityMonitor monitor)
    : dataplane_(dataplane),
      own_routes_(own_routes),
      owner_(std::move(owner)),
      socket_(std::move(socket)),
      monitor_(std::move(monitor)),
      readable_(loop),
      timer_(loop) {}

netlink::Reach NextHopTracker::look(const IpAddress& next_hop) {
  const auto found = netlink::look_up(socket_, own_routes_, {&next_hop, 1});
  if (found && !found->front().hidden) return found->front();
  look_again_soon();
  return kUnknown;
}

// Until the timer has run out the socket is left alone: a flood of changes costs one look at its end.
void NextHopTracker::watch() {
  if (std::exchange(watching_, true)) return;
  readable_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [this, alive = std::weak_ptr(alive_)](boost::system::error_code ec) {
                         if (ec || alive.expired()) return;
                         watching_ = false;
                         look_again_soon();
                       });
}

void NextHopTracker::look_again_soon() {
  if (std::exchange(waiting_, true)) return;
  first_change_ = std::chrono::steady_clock::now();
  monitor_.take();
  wait();
}

void NextHopTracker::wait() {
  timer_.expires_after(kQuiet);
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](boost::system::error_code ec) {
    if (ec || alive.expired()) return;
    const bool quiet = !monitor_.take();
    if (!quiet && std::chrono::steady_clock::now() < first_change_ + kLongest) return wait();
    look_again();
  });
}

void NextHopTracker::look_again() {
  auto hops = std::make_shared<const std::vector<IpAddress>>(owner_.in_use());
  dataplane_.reach(*hops, [this, hops, alive = std::weak_ptr(alive_)](const auto& found) {
    if (alive.expired()) return;
    waiting_ = false;
    watch();
    if (found)
      owner_.found(*hops, *found);
    else
      look_again_soon();
  });
}

}  // namespace towpath::agent
