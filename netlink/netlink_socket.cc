#include "towpath/netlink/netlink_socket.h"

#include <fmt/format.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "netlink/kernel_error.h"
#include "netlink/message_reader.h"

namespace towpath::netlink {
namespace {

// The kernel fills at most 32 KiB per dump datagram, and a single answer is far smaller.
constexpr std::size_t kReceiveBytes = 64 * 1024;
// Must hold the largest batch: the kernel refuses a datagram that is larger than the send buffer.
constexpr int kSendBytes = 1 << 20;
// A dump that is interrupted this often in a row will not end.
constexpr int kDumpAttempts = 20;

Status set_option(int fd, int level, int option, int value, const char* name) {
  if (::setsockopt(fd, level, option, &value, sizeof value) == 0) return {};
  return fail_errno(errno, fmt::format("set {} on a netlink socket", name));
}

// The forced form passes the system limit but needs CAP_NET_ADMIN in the initial user namespace.
Status set_buffer(int fd, int forced, int plain, int bytes, const char* name) {
  if (::setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) == 0) return {};
  return set_option(fd, SOL_SOCKET, plain, bytes, name);
}

std::optional<std::int32_t> origin_of(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_NETLINK || part->cmsg_type != NETLINK_LISTEN_ALL_NSID) continue;
    std::int32_t id = 0;
    std::memcpy(&id, CMSG_DATA(part), sizeof id);
    return id;
  }
  return std::nullopt;
}

}  // namespace

NetlinkSocket::NetlinkSocket(UniqueFd fd)
    : fd_(std::move(fd)), buffer_(std::make_unique_for_overwrite<std::byte[]>(kReceiveBytes)) {}

Result<NetlinkSocket> NetlinkSocket::open(int protocol, int receive_buffer) {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd) return fail_errno(errno, "open a netlink socket");
  TOWPATH_TRY_STATUS(set_buffer(fd.get(), SO_SNDBUFFORCE, SO_SNDBUF, kSendBytes, "SO_SNDBUF"));
  TOWPATH_TRY_STATUS(set_buffer(fd.get(), SO_RCVBUFFORCE, SO_RCVBUF, receive_buffer, "SO_RCVBUF"));
  TOWPATH_TRY_STATUS(set_option(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, 1, "NETLINK_CAP_ACK"));
  TOWPATH_TRY_STATUS(set_option(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, 1, "NETLINK_EXT_ACK"));
  TOWPATH_TRY_STATUS(set_option(fd.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1, "NETLINK_GET_STRICT_CHK"));
  // The kernel chooses the port id. A socket without one would miss multicast messages.
  const sockaddr_nl any{.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = 0};
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) {
    return fail_errno(errno, "bind a netlink socket");
  }
  return NetlinkSocket(std::move(fd));
}

Status NetlinkSocket::make_room_to_send(std::size_t bytes) {
  constexpr std::size_t kOverhead = 4096;
  if (bytes + kOverhead <= kSendBytes) return {};
  return set_buffer(fd_.get(), SO_SNDBUFFORCE, SO_SNDBUF, static_cast<int>(bytes + kOverhead), "SO_SNDBUF");
}

Status NetlinkSocket::send(std::span<const std::byte> messages) {
  const sockaddr_nl kernel{.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = 0};
  for (;;) {
    const ssize_t sent = ::sendto(fd_.get(), messages.data(), messages.size(), 0,
                                  reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
    if (sent >= 0) return {};
    if (errno != EINTR) return fail_errno(errno, "send to the kernel over netlink");
  }
}

Result<std::span<const std::byte>> NetlinkSocket::receive() {
  for (;;) {
    sockaddr_nl from{};
    iovec part{buffer_.get(), kReceiveBytes};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(std::int32_t))> control;
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT);
    if (got < 0) {
      if (errno == EINTR) continue;
      return fail_errno(errno, "receive from the kernel over netlink");
    }
    if (message.msg_flags & MSG_TRUNC)
      return fail(ErrorKind::kSystem, "an answer of the kernel does not fit the buffer");
    if (from.nl_pid != 0)
      continue;  // only the kernel has address 0; any process may write to a netlink socket
    origin_ = origin_of(message);
    return std::span<const std::byte>(buffer_.get(), static_cast<std::size_t>(got));
  }
}

Result<std::span<const std::byte>> NetlinkSocket::receive_answer() {
  auto datagram = receive();
  if (!datagram && datagram.error().sys_errno == EAGAIN)
    return fail(ErrorKind::kSystem, "the kernel did not answer a netlink request");
  return datagram;
}

Status NetlinkSocket::dump(std::span<std::byte> request, const char* what,
                           const std::function<void()>& restart,
                           const std::function<void(const MessageView&)>& visit) {
  for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
    if (attempt != 0) restart();
    // A new number for each attempt: what is left of an earlier one cannot be taken for this one's.
    nlmsghdr header;
    std::memcpy(&header, request.data(), sizeof header);
    header.nlmsg_seq = next_sequence();
    std::memcpy(request.data(), &header, sizeof header);
    TOWPATH_TRY(const DumpEnd end, dump_once(request, what, visit));
    if (end == DumpEnd::kComplete) return {};
  }
  return fail(ErrorKind::kUnavailable,
              fmt::format("{}: the objects change faster than they can be read", what));
}

Result<NetlinkSocket::DumpEnd> NetlinkSocket::dump_once(
    std::span<const std::byte> request, const char* what,
    const std::function<void(const MessageView&)>& visit) {
  TOWPATH_TRY_STATUS(send(request));
  bool interrupted = false;
  for (;;) {
    auto datagram = receive_answer();
    if (!datagram) {
      if (datagram.error().sys_errno != ENOBUFS) return std::unexpected(std::move(datagram).error());
      interrupted = true;  // the dump itself goes on; read it to its end before asking again
      continue;
    }
    while (auto message = next_message(*datagram)) {
      if (message->header.nlmsg_seq != sequence_) continue;
      // The flag stands on whichever message the kernel was writing when it noticed.
      interrupted |= (message->header.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
      if (message->header.nlmsg_type == NLMSG_ERROR)
        return std::unexpected(make_error(read_answer(*message), what));
      if (message->header.nlmsg_type == NLMSG_DONE) {
        if (const auto answer = read_dump_end(*message); answer.sys_errno != 0) {
          return std::unexpected(make_error(answer, what));
        }
        return interrupted ? DumpEnd::kInterrupted : DumpEnd::kComplete;
      }
      if (!interrupted) visit(*message);
    }
  }
}

Result<std::uint32_t> NetlinkSocket::port_id() const {
  sockaddr_nl self{};
  socklen_t length = sizeof self;
  if (::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&self), &length) != 0) {
    return fail_errno(errno, "ask the address of a netlink socket");
  }
  return self.nl_pid;
}

Status NetlinkSocket::join(std::uint32_t group) {
  return set_option(fd_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, static_cast<int>(group),
                    "NETLINK_ADD_MEMBERSHIP");
}

Status NetlinkSocket::listen_to_all_namespaces() {
  return set_option(fd_.get(), SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, 1, "NETLINK_LISTEN_ALL_NSID");
}

}  // namespace towpath::netlink
