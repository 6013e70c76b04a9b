// What the kernel said about one request (struct nlmsgerr with its extended attributes).
#pragma once

#include <string>
#include <string_view>

#include "netlink/message_reader.h"
#include "towpath/base/error.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::netlink {

struct KernelAnswer {
  int sys_errno = 0;      // 0: done
  std::string_view text;  // the kernel's own words, often empty; points into the datagram
};

// From an NLMSG_ERROR message.
KernelAnswer read_answer(const MessageView& message);
// From the end of a dump, NLMSG_DONE.
KernelAnswer read_dump_end(const MessageView& message);

// "OPERATION: TEXT (ERRNO)", with the kind that follows from the errno.
Error make_error(const KernelAnswer& answer, std::string_view operation);

// Waits for the answer to a request that removes something and asks for an acknowledgement. What is not there
// is removed.
Status receive_removal(NetlinkSocket& socket, std::uint32_t sequence, std::string_view operation);

// What a request asks for, in words: "add route 10.64.1.0/26 via 192.0.2.7 ifindex 3". Written only when it
// failed.
std::string describe_request(const MessageView& request);

}  // namespace towpath::netlink
