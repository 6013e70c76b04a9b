// Whether this process may change the network of its namespace.
#pragma once

#include "towpath/base/error.h"

namespace towpath::netlink {

// Asks the kernel, by an order that changes nothing: what counts is CAP_NET_ADMIN in the user namespace that
// owns the network namespace, which the process's own capabilities do not tell. kSystem with EPERM.
Status check_privilege();

}  // namespace towpath::netlink
