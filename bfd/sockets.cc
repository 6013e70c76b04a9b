#include "bfd/sockets.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace towpath::bfd {
namespace {

constexpr std::uint16_t kSingleHopPort = 3784;
constexpr std::uint16_t kMultihopPort = 4784;
constexpr std::uint16_t kFirstSourcePort = 49152;
constexpr std::uint32_t kSourcePorts = 65536 - kFirstSourcePort;
constexpr int kTtl = 255;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress socket_address(const IpAddress& address, std::uint16_t port) {
  SocketAddress out;
  if (address.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, address.octets().data(), sizeof in.sin_addr);
    std::memcpy(&out.storage, &in, sizeof in);
    out.size = sizeof in;
  } else {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    std::memcpy(&in.sin6_addr, address.octets().data(), sizeof in.sin6_addr);
    std::memcpy(&out.storage, &in, sizeof in);
    out.size = sizeof in;
  }
  return out;
}

template <class Raw>
IpAddress address_from(const Raw& raw) {
  return *IpAddress::from_bytes(std::as_bytes(std::span(&raw, 1)));
}

struct Option {
  int level;
  int name;
  int value;
  const char* words;
};

Result<UniqueFd> open_socket(AddressFamily family, std::span<const Option> options) {
  UniqueFd fd(::socket(to_af(family), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP));
  if (!fd) return fail_errno(errno, fmt::format("open a UDP socket for {}", format(family)));
  for (const Option& option : options) {
    if (::setsockopt(fd.get(), option.level, option.name, &option.value, sizeof option.value) != 0) {
      return fail_errno(errno, fmt::format("set {} on a UDP socket", option.words));
    }
  }
  return fd;
}

}  // namespace

std::uint16_t destination_port(bool multihop) {
  return multihop ? kMultihopPort : kSingleHopPort;
}

Result<ReceivingSocket> ReceivingSocket::open(SocketKind kind) {
  static constexpr std::array kIpv4Options{Option{IPPROTO_IP, IP_RECVTTL, 1, "IP_RECVTTL"},
                                           Option{IPPROTO_IP, IP_PKTINFO, 1, "IP_PKTINFO"}};
  static constexpr std::array kIpv6Options{Option{IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY"},
                                           Option{IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1, "IPV6_RECVHOPLIMIT"},
                                           Option{IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO"}};
  const bool ipv4 = kind.family == AddressFamily::kIpv4;
  TOWPATH_TRY(auto fd, open_socket(kind.family, ipv4 ? std::span<const Option>(kIpv4Options)
                                                     : std::span<const Option>(kIpv6Options)));
  const std::uint16_t port = destination_port(kind.multihop);
  const SocketAddress any = socket_address(IpAddress::any(kind.family), port);
  if (::bind(fd.get(), any.get(), any.size) != 0) {
    return fail_errno(errno, fmt::format("bind to UDP port {} for {} BFD", port, format(kind.family)));
  }
  return ReceivingSocket(std::move(fd), kind.family);
}

std::optional<Datagram> ReceivingSocket::receive() {
  sockaddr_storage from{};
  iovec part{.iov_base = buffer_.data(), .iov_len = buffer_.size()};
  alignas(cmsghdr) std::array<std::byte, 128> control;
  msghdr message{};
  message.msg_name = &from;
  message.msg_namelen = sizeof from;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t size = 0;
  do {
    size = ::recvmsg(fd_.get(), &message, 0);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return std::nullopt;

  Datagram datagram;
  datagram.payload = std::span(buffer_).first(static_cast<std::size_t>(size));
  if (family_ == AddressFamily::kIpv4) {
    datagram.from = address_from(reinterpret_cast<const sockaddr_in&>(from).sin_addr);
  } else {
    datagram.from = address_from(reinterpret_cast<const sockaddr_in6&>(from).sin6_addr);
  }
  for (cmsghdr* item = CMSG_FIRSTHDR(&message); item != nullptr; item = CMSG_NXTHDR(&message, item)) {
    const auto is = [item](int level, int type) {
      return item->cmsg_level == level && item->cmsg_type == type;
    };
    if (is(IPPROTO_IP, IP_TTL) || is(IPPROTO_IPV6, IPV6_HOPLIMIT)) {
      int ttl = 0;
      std::memcpy(&ttl, CMSG_DATA(item), sizeof ttl);
      datagram.ttl = static_cast<std::uint8_t>(ttl);
    } else if (is(IPPROTO_IP, IP_PKTINFO)) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(item), sizeof info);
      datagram.to = address_from(info.ipi_addr);
    } else if (is(IPPROTO_IPV6, IPV6_PKTINFO)) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(item), sizeof info);
      datagram.to = address_from(info.ipi6_addr);
    }
  }
  return datagram;
}

Result<SendingSocket> SendingSocket::open(AddressFamily family, const std::optional<IpAddress>& local,
                                          std::uint64_t seed) {
  // Class selector 6, as routing protocols use it.
  static constexpr std::array kIpv4Options{Option{IPPROTO_IP, IP_TTL, kTtl, "IP_TTL"},
                                           Option{IPPROTO_IP, IP_TOS, IPTOS_CLASS_CS6, "IP_TOS"}};
  static constexpr std::array kIpv6Options{Option{IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY"},
                                           Option{IPPROTO_IPV6, IPV6_UNICAST_HOPS, kTtl, "IPV6_UNICAST_HOPS"},
                                           Option{IPPROTO_IPV6, IPV6_TCLASS, IPTOS_CLASS_CS6, "IPV6_TCLASS"}};
  TOWPATH_TRY(auto fd,
              open_socket(family, family == AddressFamily::kIpv4 ? std::span<const Option>(kIpv4Options)
                                                                 : std::span<const Option>(kIpv6Options)));
  const IpAddress source = local.value_or(IpAddress::any(family));
  for (std::uint32_t attempt = 0; attempt < kSourcePorts; ++attempt) {
    const auto port = static_cast<std::uint16_t>(kFirstSourcePort + (seed + attempt) % kSourcePorts);
    const SocketAddress address = socket_address(source, port);
    if (::bind(fd.get(), address.get(), address.size) == 0) return SendingSocket(std::move(fd));
    if (errno != EADDRINUSE) {
      return fail_errno(errno, fmt::format("bind to source address {}", source.to_string()));
    }
  }
  return fail(ErrorKind::kExhausted, fmt::format("no source port from {} on is free", kFirstSourcePort));
}

Status SendingSocket::send(const IpAddress& to, std::uint16_t port, const EncodedPacket& packet) {
  const SocketAddress address = socket_address(to, port);
  for (;;) {
    if (::sendto(fd_.get(), packet.data(), packet.size(), MSG_NOSIGNAL, address.get(), address.size) >= 0) {
      return {};
    }
    if (errno != EINTR) return fail_errno(errno, fmt::format("send to {}", to.to_string()));
  }
}

}  // namespace towpath::bfd
