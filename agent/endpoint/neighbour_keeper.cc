#include "agent/endpoint/neighbour_keeper.h"

#include <optional>
#include <vector>

#include "towpath/ipam/endpoint_names.h"
#include "towpath/netlink/batch.h"
#include "towpath/netlink/link.h"
#include "towpath/netlink/sandbox.h"

namespace towpath::agent {
namespace {

using netlink::Link;
using netlink::NetlinkSocket;

constexpr std::size_t kLooksPerTurn = 32;

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

// Whatever is gone meanwhile has no neighbours to keep.
Status unless_gone(const Error& error) {
  return error.kind == ErrorKind::kNotFound ? Status{} : std::unexpected(error);
}

Status write_neighbours(NetlinkSocket& host, NetlinkSocket& inside, const ipam::EndpointRecord& record) {
  const auto there = netlink::find_link(inside, record.attachment.ifname);
  if (!there) return unless_gone(there.error());
  const auto here = netlink::find_link(host, record.host_ifname);
  if (!here) return unless_gone(here.error());
  // An interface that is down has no neighbours; that it comes up will be noticed.
  if (!there->up || peer_of(*there) != here->index) return {};
  netlink::Batch to_container(host);
  netlink::Batch to_host(inside);
  for (const IpAddress& address : record.addresses) {
    to_container.set_neighbour(here->index, address, there->mac);
    to_host.set_neighbour(there->index, ipam::next_hop_of(address.family()), here->mac);
  }
  for (netlink::Batch* batch : {&to_container, &to_host}) {
    if (const auto written = batch->execute(); !written) return unless_gone(written.error());
  }
  return {};
}

}  // namespace

Result<NeighbourKeeper> NeighbourKeeper::open(const ipam::StateStore& store) {
  // First to listen, then to list: no change falls between the two.
  TOWPATH_TRY(auto monitor, netlink::SandboxMonitor::open());
  TOWPATH_TRY(auto host, NetlinkSocket::open());
  NeighbourKeeper keeper(store, std::move(monitor), std::move(host));
  TOWPATH_TRY_STATUS(keeper.note_all());
  return keeper;
}

Status NeighbourKeeper::note_all() {
  TOWPATH_TRY(const auto records, store_->endpoints());
  for (const ipam::EndpointRecord& record : records) due_.insert(record.attachment);
  return {};
}

// The making of one interface is several changes, which come together.
void NeighbourKeeper::note(const std::vector<netlink::SandboxLink>& changed) {
  std::set<std::pair<std::int32_t, IfIndex>> seen;
  for (const netlink::SandboxLink& inside : changed) {
    if (inside.link.kind != "veth" || !seen.emplace(inside.sandbox, inside.link.index).second) continue;
    if (const auto endpoint = endpoint_of(host_, inside)) due_.insert(*endpoint);
  }
}

Status NeighbourKeeper::on_readable() {
  TOWPATH_TRY(const auto changes, monitor_.read());
  if (changes.lost) TOWPATH_TRY_STATUS(note_all());
  note(changes.links);
  return look();
}

Status NeighbourKeeper::look() {
  Status first;
  for (std::size_t looks = 0; looks < kLooksPerTurn && !due_.empty(); ++looks) {
    const ipam::AttachmentId endpoint = *due_.begin();
    due_.erase(due_.begin());
    if (auto mended = mend(endpoint); !mended && first) first = std::move(mended);
  }
  return first;
}

Status NeighbourKeeper::mend(const ipam::AttachmentId& endpoint) {
  TOWPATH_TRY(const auto record, store_->find(endpoint));
  // A pending one is still in the plugin's hands; the stand-alone IPAM plugin's has no pair of ours.
  if (!record || record->state != ipam::AllocationState::kLive || record->host_ifname.empty()) return {};
  const auto sandbox = netlink::Sandbox::open(record->sandbox);
  if (!sandbox) return unless_gone(sandbox.error());
  if (sandbox->inode() != record->sandbox_inode) return {};
  TOWPATH_TRY(NetlinkSocket inside, sandbox->open_socket());
  return write_neighbours(host_, inside, *record);
}

}  // namespace towpath::agent
