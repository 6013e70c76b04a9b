#include "agent/dataplane/netlink_route_kernel.h"

#include <algorithm>
#include <iterator>

#include "towpath/netlink/batch.h"

namespace towpath::agent {
namespace {

// One system call. The number of requests is bounded so that even a refusal of each fits the receive buffer:
// the kernel drops what does not, and each refusal takes about 1.3 KiB of it.
constexpr std::size_t kBatchBytes = 112 * 1024;
constexpr std::size_t kBatchRequests = 2048;
constexpr int kReceiveBuffer = 4 << 20;

}  // namespace

Result<std::unique_ptr<NetlinkRouteKernel>> NetlinkRouteKernel::open(const Settings& settings) {
  TOWPATH_TRY(auto socket, netlink::NetlinkSocket::open(0, kReceiveBuffer));
  TOWPATH_TRY(const std::uint32_t port_id, socket.port_id());
  return std::unique_ptr<NetlinkRouteKernel>(new NetlinkRouteKernel(std::move(socket), port_id, settings));
}

WriteOutcome NetlinkRouteKernel::write(std::span<const RouteWrite> writes) {
  WriteOutcome outcome;
  netlink::Batch batch(socket_);
  netlink::Route route;
  route.key.table = settings_.table;
  route.protocol = settings_.protocol;
  std::size_t first = 0;  // index of the first write in the batch
  const auto send = [&](std::size_t next) {
    auto failures = batch.execute_all();
    if (failures) {
      for (auto& failure : *failures) {
        outcome.failures.push_back({first + failure.index, std::move(failure.error)});
      }
    } else if (!outcome.lost) {
      outcome.lost = std::move(failures).error();
    }
    first = next;
  };
  for (std::size_t i = 0; i < writes.size(); ++i) {
    const RouteWrite& write = writes[i];
    route.key.destination = write.prefix;
    route.key.metric = write.metric;
    if (write.forwarding) {
      route.type = write.forwarding->type;
      route.next_hops = write.forwarding->next_hops;
    } else {
      route.next_hops.clear();
    }
    switch (write.operation) {
      case RouteWrite::Operation::kAdd: batch.add_route(route); break;
      case RouteWrite::Operation::kReplace: batch.replace_route(route); break;
      case RouteWrite::Operation::kDelete: batch.delete_route(route); break;
    }
    if (batch.bytes() >= kBatchBytes || batch.size() >= kBatchRequests) send(i + 1);
  }
  if (!batch.empty()) send(writes.size());
  return outcome;
}

Result<std::vector<KernelRoute>> NetlinkRouteKernel::dump() {
  std::vector<KernelRoute> all;
  for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    const std::size_t before = all.size();
    // Neighbouring routes mostly have the same next hops; those share one value.
    ForwardingPtr last;
    const auto visit = [&](netlink::Route&& route) {
      Forwarding forwarding{route.type, std::move(route.next_hops)};
      std::ranges::sort(forwarding.next_hops);
      if (!last || *last != forwarding) last = std::make_shared<const Forwarding>(std::move(forwarding));
      all.push_back({route.key.destination, route.key.metric, last});
    };
    const netlink::RouteFilter filter{.table = settings_.table, .protocol = settings_.protocol};
    TOWPATH_TRY_STATUS(netlink::dump_routes(socket_, family, filter, [&] { all.resize(before); }, visit));
  }
  return all;
}

}  // namespace towpath::agent
