// TCP_MD5SIG, the kernel's RFC 2385: segments from the peer that are not signed with its key are dropped, and
// ours to it are signed.
#pragma once

#include <string_view>

#include "towpath/base/error.h"
#include "towpath/base/prefix.h"

namespace towpath::bgp {

// Of a TCP socket in any state; accepted sockets inherit it. `from` are the addresses of the peers that it is
// for. Replaces the earlier key of exactly these; an empty secret takes it away.
Status set_md5_key(int socket, const Prefix& from, std::string_view secret);

}  // namespace towpath::bgp
