#include "agent/endpoint/remove_shaping.h"

#include "towpath/ipam/endpoint_names.h"
#include "towpath/netlink/batch.h"
#include "towpath/netlink/link.h"

namespace towpath::agent {

Status remove_shaping(const ipam::AttachmentId& endpoint) {
  TOWPATH_TRY(auto socket, netlink::NetlinkSocket::open());
  const auto link = netlink::find_link(socket, ipam::shaping_ifname(endpoint));
  if (!link) return link.error().kind == ErrorKind::kNotFound ? Status{} : std::unexpected(link.error());
  // An ADD that was killed before it named the ifb left no alias.
  if (link->kind != "ifb" || (!link->alias.empty() && link->alias != endpoint.to_string())) return {};
  netlink::Batch batch(socket);
  batch.delete_link(link->index);
  return batch.execute();
}

}  // namespace towpath::agent
