// The files below /proc/sys/net of the calling thread's network namespace.
//
// Keys are paths below /proc/sys: "net/ipv4/ip_forward". They are not written with dots because an interface
// name may hold one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::netlink {

struct SysctlChange {
  std::string key;
  std::string before;
  std::string after;
};

// Without the newline. kNotFound when the kernel has no such setting.
Result<std::string> read_sysctl(std::string_view key);
Status write_sysctl(std::string_view key, std::string_view value);
// Writes only when the value differs; true when it did.
Result<bool> ensure_sysctl(std::string_view key, std::string_view value);

// Turns this host into a router for both families, and says what that changed. An interface that takes its
// IPv6 default route from router advertisements (accept_ra 1) would lose it with forwarding on; it gets
// accept_ra 2 first, which means: also as a router. A kernel without IPv6 is no error.
Result<std::vector<SysctlChange>> enable_forwarding();

// The same for who does it all the time: asks the kernel over netlink first, and opens no file where
// forwarding is on. `socket` is one of the calling thread's namespace.
Status ensure_forwarding(NetlinkSocket& socket);

}  // namespace towpath::netlink
