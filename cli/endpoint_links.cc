#include "cli/endpoint_links.h"

#include <string>

#include "towpath/ipam/endpoint_names.h"
#include "towpath/netlink/batch.h"
#include "towpath/netlink/link.h"

namespace towpath::cli {

Status remove_links(const ipam::AttachmentId& attachment) {
  TOWPATH_TRY(auto socket, netlink::NetlinkSocket::open());
  for (const std::string& name : {ipam::host_ifname(attachment), ipam::shaping_ifname(attachment)}) {
    const auto link = netlink::find_link(socket, name);
    if (!link && link.error().kind == ErrorKind::kNotFound) continue;
    if (!link) return std::unexpected(link.error());
    const bool is_ours = (link->kind == "veth" || link->kind == "ifb") &&
                         (link->alias.empty() || link->alias == attachment.to_string());
    if (!is_ours) continue;
    netlink::Batch batch(socket);
    batch.delete_link(link->index);
    const Status removed = batch.execute();
    // Its sandbox may end at this moment and take it along.
    if (!removed && removed.error().kind != ErrorKind::kNotFound) return removed;
  }
  return {};
}

}  // namespace towpath::cli
