// TCP_MD5SIG, the kernel's RFC 2385: segments from the peer that are not signed with its key are dropped, and
// ours to it are signed.
#pragma once

#include <string_view>

#include "towpath/base/address.h"
#include "towpath/base/error.h"

namespace towpath::bgp {

// Of a TCP socket in any state; accepted sockets inherit it. Replaces the peer's earlier key; an empty secret
// takes it away.
Status set_md5_key(int socket, const IpAddress& peer, std::string_view secret);

}  // namespace towpath::bgp
