#include "agent/dataplane/netlink_route_kernel.h"

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <unordered_map>
#include <utility>

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
  next_hops_.forget_refusals();
  std::vector<std::size_t> indexes(writes.size());
  std::iota(indexes.begin(), indexes.end(), std::size_t{0});
  const auto again = write_some(writes, indexes, outcome);
  if (again.empty() || outcome.lost) return outcome;
  // An object of ours is gone, and word of it is still on its way. Reading them all tells.
  if (const auto report = audit(); !report || report->repaired == 0) return outcome;
  outcome.routes_in_doubt = true;
  std::erase_if(outcome.failures, [&](const WriteFailure& failure) {
    return std::ranges::binary_search(again, failure.index);
  });
  write_some(writes, again, outcome);
  std::ranges::sort(outcome.failures, {}, &WriteFailure::index);
  return outcome;
}

std::vector<std::size_t> NetlinkRouteKernel::write_some(std::span<const RouteWrite> writes,
                                                        std::span<const std::size_t> indexes,
                                                        WriteOutcome& outcome) {
  // First the objects: they need the socket, and few writes need new ones.
  std::unordered_map<const Forwarding*, Result<std::uint32_t>> numbers;
  for (const std::size_t i : indexes) {
    const Forwarding* forwarding = writes[i].forwarding.get();
    if (forwarding == nullptr || !goes_by_object(*forwarding) || numbers.contains(forwarding)) continue;
    numbers.emplace(forwarding, next_hops_.id_for(*forwarding));
  }
  std::vector<std::size_t> again;
  netlink::Batch batch(socket_);
  std::vector<std::size_t> sent;  // indexes of the writes in the batch
  netlink::Route route;
  route.key.table = settings_.table;
  route.protocol = settings_.protocol;
  const auto send = [&] {
    auto failures = batch.execute_all();
    if (failures) {
      for (auto& failure : *failures) {
        const std::size_t index = sent[failure.index];
        const bool by_object = writes[index].forwarding && numbers.contains(writes[index].forwarding.get());
        // "Nexthop id does not exist" is EINVAL.
        if (by_object && failure.error.sys_errno == EINVAL) again.push_back(index);
        outcome.failures.push_back({index, std::move(failure.error)});
      }
    } else if (!outcome.lost) {
      outcome.lost = std::move(failures).error();
    }
    sent.clear();
  };
  for (const std::size_t i : indexes) {
    const RouteWrite& write = writes[i];
    route.key.destination = write.prefix;
    route.key.metric = write.metric;
    route.nexthop_id = 0;
    route.next_hops.clear();
    if (write.forwarding) {
      route.type = write.forwarding->type;
      if (const auto number = numbers.find(write.forwarding.get()); number == numbers.end()) {
        route.next_hops = write.forwarding->next_hops;
      } else if (number->second) {
        route.nexthop_id = *number->second;
      } else {
        outcome.failures.push_back({i, number->second.error()});
        continue;
      }
    }
    switch (write.operation) {
      case RouteWrite::Operation::kAdd: batch.add_route(route); break;
      case RouteWrite::Operation::kReplace: batch.replace_route(route); break;
      case RouteWrite::Operation::kDelete: batch.delete_route(route); break;
    }
    sent.push_back(i);
    if (batch.bytes() >= kBatchBytes || batch.size() >= kBatchRequests) send();
  }
  if (!batch.empty()) send();
  std::ranges::sort(outcome.failures, {}, &WriteFailure::index);
  return again;
}

Result<std::vector<KernelRoute>> NetlinkRouteKernel::dump() {
  TOWPATH_TRY_STATUS(audit());
  std::vector<KernelRoute> all;
  std::unordered_map<std::uint32_t, ForwardingPtr> by_number;
  for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    const std::size_t before = all.size();
    // Neighbouring routes mostly have the same next hops; those share one value.
    ForwardingPtr last;
    const auto visit = [&](netlink::Route&& route) {
      if (route.nexthop_id != 0) {
        const auto [known, is_new] = by_number.try_emplace(route.nexthop_id);
        if (is_new) known->second = next_hops_.forwarding_of(route.nexthop_id);
        if (known->second) {
          all.push_back({route.key.destination, route.key.metric, known->second});
          return;
        }
      }
      Forwarding forwarding{.type = route.type, .next_hops = std::move(route.next_hops)};
      forwarding.outdated = route.nexthop_id != 0 || goes_by_object(forwarding);
      std::ranges::sort(forwarding.next_hops);
      if (!last || *last != forwarding) last = std::make_shared<const Forwarding>(std::move(forwarding));
      all.push_back({route.key.destination, route.key.metric, last});
    };
    const netlink::RouteFilter filter{.table = settings_.table, .protocol = settings_.protocol};
    TOWPATH_TRY_STATUS(netlink::dump_routes(socket_, family, filter, [&] { all.resize(before); }, visit));
  }
  return all;
}

Result<NextHopReport> NetlinkRouteKernel::tend(const std::optional<std::vector<ForwardingPtr>>& in_use) {
  if (in_use) next_hops_.sweep(*in_use);
  TOWPATH_TRY(NextHopReport report, audit());
  report.repaired = std::exchange(repaired_, 0);
  return report;
}

Result<NextHopReport> NetlinkRouteKernel::audit() {
  auto report = next_hops_.audit();
  if (report) repaired_ += report->repaired;
  return report;
}

}  // namespace towpath::agent
