#include "towpath/netlink/privilege.h"

#include <cerrno>
#include <limits>

#include "towpath/netlink/batch.h"

namespace towpath::netlink {

Status check_privilege() {
  TOWPATH_TRY(auto socket, NetlinkSocket::open());
  Batch batch(socket);
  // rtnetlink looks at the capability before it looks for the interface, and no interface has this number.
  batch.delete_link(IfIndex{std::numeric_limits<std::int32_t>::max()});
  const auto done = batch.execute();
  if (done || done.error().sys_errno != EPERM) return {};
  return std::unexpected(
      Error{ErrorKind::kSystem, EPERM, "this process may not change the network: it needs CAP_NET_ADMIN"});
}

}  // namespace towpath::netlink
