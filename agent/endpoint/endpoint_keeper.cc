#include "agent/endpoint/endpoint_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "towpath/ipam/endpoint_names.h"
#include "towpath/netlink/batch.h"
#include "towpath/netlink/host_side.h"
#include "towpath/netlink/interface_state.h"
#include "towpath/netlink/route.h"
#include "towpath/netlink/sandbox.h"

namespace towpath::agent {
namespace {

using netlink::Link;
using netlink::NetlinkSocket;

constexpr std::size_t kLooksPerTurn = 32;
constexpr std::uint64_t kTicksPerAudit = 60;

// The index of a veth's other end. The kernel does not say one that is the same as its own.
IfIndex peer_of(const Link& link) {
  return link.peer ? link.peer : link.index;
}

// Whose host end is the other end of this interface?
std::optional<ipam::AttachmentId> endpoint_of(NetlinkSocket& host, const netlink::SandboxLink& inside) {
  const auto link = netlink::find_link(host, peer_of(inside.link));
  if (!link || link->peer_namespace != inside.sandbox || peer_of(*link) != inside.link.index)
    return std::nullopt;
  return ipam::parse_alias(link->alias);
}

// Whatever is gone meanwhile has nothing to keep.
Status unless_gone(const Error& error) {
  return error.kind == ErrorKind::kNotFound ? Status{} : std::unexpected(error);
}

// The host end, unless another has its name.
Result<std::optional<Link>> find_host_end(NetlinkSocket& host, const ipam::EndpointRecord& record) {
  auto link = netlink::find_link(host, record.host_ifname);
  if (!link) {
    TOWPATH_TRY_STATUS(unless_gone(link.error()));
    return std::nullopt;
  }
  if (link->alias != record.attachment.to_string()) return std::nullopt;
  return *std::move(link);
}

// Those that the kernel would use now.
Result<std::vector<netlink::Route>> look_up(NetlinkSocket& host, const std::vector<IpAddress>& addresses) {
  netlink::Batch batch(host);
  for (const IpAddress& address : addresses) batch.get_route(address);
  std::vector<netlink::Route> routes;
  // A refusal: there is no route.
  TOWPATH_TRY_STATUS(batch.execute_all([&](const netlink::MessageView& reply) {
    if (auto route = netlink::parse_route(reply)) routes.push_back(*std::move(route));
  }));
  return routes;
}

void add_word(std::string& list, std::string_view word) {
  if (!list.empty()) list += ", ";
  list += word;
}

bool leads_there(const netlink::Route& found, const netlink::Route& wanted) {
  return found.key == wanted.key && found.type == wanted.type && found.next_hops == wanted.next_hops;
}

// What has the key of a route of ours, of what the lookup found or else of the whole table; nothing: a rule
// led the lookup to another table, and ours may well be where it was.
Result<std::optional<netlink::Route>> find_taker(NetlinkSocket& host, const netlink::RouteKey& key,
                                                 const std::vector<netlink::Route>& found) {
  if (const auto same = std::ranges::find(found, key, &netlink::Route::key); same != found.end())
    return *same;
  const auto destination = [](const netlink::Route& route) { return route.key.destination; };
  if (std::ranges::find(found, key.destination, destination) != found.end()) return std::nullopt;
  // The kernel answers no lookup that ends at a blackhole.
  TOWPATH_TRY(const auto routes, netlink::dump_routes(host, key.destination.family(),
                                                      {.table = key.table, .protocol = std::nullopt}));
  if (const auto same = std::ranges::find(routes, key, &netlink::Route::key); same != routes.end())
    return *same;
  return std::nullopt;
}

Status take_place_back(NetlinkSocket& host, const netlink::Route& route,
                       const std::vector<netlink::Route>& found, bool& any_written) {
  TOWPATH_TRY(const auto taker, find_taker(host, route.key, found));
  if (!taker) return {};
  if (taker->protocol != netlink::kEndpointRouteProtocol) {
    return fail(ErrorKind::kConflict,
                fmt::format("somebody put another route in the place of the one to a container: {}",
                            netlink::format(*taker)));
  }
  netlink::Batch batch(host);
  batch.replace_route(route);
  if (const auto replaced = batch.execute(); !replaced) return unless_gone(replaced.error());
  any_written = true;
  return {};
}

Status mend_routes(NetlinkSocket& host, const std::vector<netlink::Route>& missing,
                   const std::vector<netlink::Route>& found, bool& any_written) {
  if (missing.empty()) return {};
  netlink::Batch batch(host);
  for (const netlink::Route& route : missing) batch.add_route(route);
  TOWPATH_TRY(const auto failures, batch.execute_all());
  any_written |= failures.size() < missing.size();
  Status first;
  for (const netlink::Batch::Failure& failure : failures) {
    Status status = failure.error.kind == ErrorKind::kExists
                        ? take_place_back(host, missing.at(failure.index), found, any_written)
                        : unless_gone(failure.error);
    if (first) first = std::move(status);
  }
  return first;
}

// Those of `wanted` that are not there; true if any was.
Result<bool> write_missing(NetlinkSocket& socket, IfIndex device,
                           const std::vector<netlink::Neighbour>& wanted) {
  std::vector<IpAddress> addresses;
  addresses.reserve(wanted.size());
  for (const netlink::Neighbour& neighbour : wanted) addresses.push_back(neighbour.address);
  TOWPATH_TRY(const auto found, netlink::find_neighbours(socket, device, addresses));
  netlink::Batch batch(socket);
  for (const netlink::Neighbour& neighbour : wanted) {
    if (std::ranges::find(found, neighbour) == found.end())
      batch.set_neighbour(device, neighbour.address, neighbour.mac);
  }
  if (batch.empty()) return false;
  TOWPATH_TRY_STATUS(batch.execute());
  return true;
}

}  // namespace

Result<EndpointKeeper> EndpointKeeper::open(const ipam::StateStore& store, std::uint32_t own_port,
                                            Report report) {
  TOWPATH_TRY(auto host, NetlinkSocket::open());
  TOWPATH_TRY(const std::uint32_t port, host.port_id());
  // First to listen, then to list: no change falls between the two.
  TOWPATH_TRY(auto host_side, netlink::HostSideMonitor::open({own_port, port}));
  TOWPATH_TRY(auto sandboxes, netlink::SandboxMonitor::open());
  EndpointKeeper keeper(store, std::move(host_side), std::move(sandboxes), std::move(host),
                        std::move(report));
  TOWPATH_TRY_STATUS(keeper.note_all());
  return keeper;
}

Status EndpointKeeper::note_all() {
  TOWPATH_TRY(const auto records, store_->endpoints());
  owners_.clear();
  std::map<ipam::AttachmentId, MacAddress> macs;
  for (const ipam::EndpointRecord& record : records) {
    due_.insert(record.attachment);
    if (auto known = macs_.extract(record.attachment)) macs.insert(std::move(known));
  }
  macs_ = std::move(macs);
  return {};
}

Status EndpointKeeper::read_host() {
  TOWPATH_TRY(const auto changes, host_side_.read());
  if (changes.lost) TOWPATH_TRY_STATUS(note_all());
  culprit_ = changes.culprit;
  for (const IpAddress& address : changes.addresses) {
    if (const auto owner = owners_.find(address); owner != owners_.end()) due_.insert(owner->second);
  }
  for (const IfIndex device : changes.devices) {
    if (const auto link = netlink::find_link(host_, device)) on_link(*link);
  }
  return {};
}

// The making of one interface is several changes, which come together.
Status EndpointKeeper::read_sandboxes() {
  TOWPATH_TRY(const auto changes, sandboxes_.read());
  if (changes.lost) TOWPATH_TRY_STATUS(note_all());
  std::set<std::pair<std::int32_t, IfIndex>> seen;
  for (const netlink::SandboxLink& inside : changes.links) {
    if (inside.link.kind != "veth" || !seen.emplace(inside.sandbox, inside.link.index).second) continue;
    if (const auto endpoint = endpoint_of(host_, inside)) due_.insert(*endpoint);
  }
  return {};
}

void EndpointKeeper::on_link(const Link& link) {
  if (!link.name.starts_with(ipam::kHostIfnamePrefix)) return;
  if (const auto endpoint = ipam::parse_alias(link.alias)) due_.insert(*endpoint);
}

Status EndpointKeeper::tick() {
  this_tick_.clear();
  due_.merge(later_);
  later_.clear();
  if (++ticks_ % kTicksPerAudit == 0) return note_all();
  return {};
}

Status EndpointKeeper::look() {
  Status first;
  for (std::size_t looks = 0; looks < kLooksPerTurn && !due_.empty(); ++looks) {
    const ipam::AttachmentId endpoint = *due_.begin();
    due_.erase(due_.begin());
    if (auto mended = mend(endpoint); !mended && first) first = std::move(mended);
  }
  return first;
}

Status EndpointKeeper::mend(const ipam::AttachmentId& endpoint) {
  TOWPATH_TRY(const auto record, store_->find(endpoint));
  if (!record) return {};
  if (record->state != ipam::AllocationState::kLive) {
    later_.insert(endpoint);
    return {};
  }
  if (record->host_ifname.empty()) return {};  // the stand-alone IPAM plugin's has no pair of ours
  for (const IpAddress& address : record->addresses) owners_.insert_or_assign(address, endpoint);
  if (const auto repairs = this_tick_.find(endpoint);
      repairs != this_tick_.end() && repairs->second >= kRepairsPerTick) {
    later_.insert(endpoint);
    return {};
  }
  TOWPATH_TRY(const auto host_end, find_host_end(host_, *record));
  if (!host_end) return {};
  std::string mended;
  Status status = mend_host_end(*record, *host_end, mended);
  if (auto neighbours = mend_neighbours(*record, host_end->index, mended); !neighbours && status)
    status = std::move(neighbours);
  // A write that failed is not tried more often than the tick comes.
  if (!status) this_tick_[endpoint] = kRepairsPerTick;
  if (mended.empty()) return status;
  ++this_tick_[endpoint];
  ++repaired_;
  report_({.endpoint = endpoint, .what = mended, .culprit = culprit_});
  return status;
}

Status EndpointKeeper::mend_host_end(const ipam::EndpointRecord& record, const Link& link,
                                     std::string& mended) {
  const bool is_right = link.up && link.mac == netlink::kHostMac;
  if (!is_right) {
    netlink::Batch batch(host_);
    batch.set_link(link.index, {.mac = netlink::kHostMac, .up = true});
    if (const auto set = batch.execute(); !set) return unless_gone(set.error());
    add_word(mended, "the interface");
  }
  TOWPATH_TRY(const auto found, look_up(host_, record.addresses));
  std::vector<netlink::Route> missing;
  for (const IpAddress& address : record.addresses) {
    netlink::Route wanted = netlink::host_route(address, link.index);
    if (!std::ranges::any_of(found, [&](const auto& route) { return leads_there(route, wanted); }))
      missing.push_back(std::move(wanted));
  }
  bool any_written = false;
  Status status = mend_routes(host_, missing, found, any_written);
  if (any_written) add_word(mended, "the routes");
  return status;
}

Status EndpointKeeper::mend_neighbours(const ipam::EndpointRecord& record, IfIndex device,
                                       std::string& mended) {
  const auto sandbox = netlink::Sandbox::open(record.sandbox);
  if (!sandbox) return unless_gone(sandbox.error());
  if (sandbox->inode() != record.sandbox_inode) return {};
  TOWPATH_TRY(NetlinkSocket inside, sandbox->open_socket());
  const auto there = netlink::find_link(inside, record.attachment.ifname);
  if (!there) return unless_gone(there.error());
  // An interface that is down has no neighbours; that it comes up will be noticed.
  if (!there->up || peer_of(*there) != device) return {};
  std::vector<netlink::Neighbour> on_host, in_sandbox;
  for (const IpAddress& address : record.addresses) {
    on_host.push_back({address, there->mac, true});
    const netlink::Neighbour back{ipam::next_hop_of(address.family()), netlink::kHostMac, true};
    if (std::ranges::find(in_sandbox, back) == in_sandbox.end()) in_sandbox.push_back(back);
  }
  const auto host_written = write_missing(host_, device, on_host);
  if (!host_written) return unless_gone(host_written.error());
  const auto inside_written = write_missing(inside, there->index, in_sandbox);
  if (!inside_written) return unless_gone(inside_written.error());
  const auto before = macs_.find(record.attachment);
  const bool same_mac = before != macs_.end() && before->second == there->mac;
  if (same_mac && (*host_written || *inside_written)) add_word(mended, "the neighbours");
  macs_.insert_or_assign(record.attachment, there->mac);
  return {};
}

}  // namespace towpath::agent
