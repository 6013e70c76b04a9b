// Addresses and hop limits between our own types and Asio's.
#pragma once

#include <netinet/in.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>

#include "bgp/session/peer_config.h"
#include "towpath/base/address.h"

namespace towpath::bgp {

inline boost::asio::ip::tcp::endpoint to_endpoint(const IpAddress& address, std::uint16_t port) {
  if (address.is_v4()) return {boost::asio::ip::address_v4(address.v4_host_order()), port};
  boost::asio::ip::address_v6::bytes_type bytes;
  std::ranges::copy(address.octets(), bytes.begin());
  return {boost::asio::ip::address_v6(bytes), port};
}

inline IpAddress to_address(const boost::asio::ip::address& address) {
  return address.is_v4() ? IpAddress::v4(address.to_v4().to_uint())
                         : IpAddress::v6(address.to_v6().to_bytes());
}

// Of an open socket or acceptor. Accepted sockets inherit them.
template <class Socket>
void set_hop_limits(Socket& socket, bool is_v6, HopLimits hops, boost::system::error_code& error) {
  namespace option = boost::asio::detail::socket_option;
  using Ipv4Ttl = option::integer<IPPROTO_IP, IP_TTL>;
  using Ipv4Least = option::integer<IPPROTO_IP, IP_MINTTL>;
  using Ipv6Hops = option::integer<IPPROTO_IPV6, IPV6_UNICAST_HOPS>;
  using Ipv6Least = option::integer<IPPROTO_IPV6, IPV6_MINHOPCOUNT>;
  if (is_v6) {
    if (hops.sent != 0) socket.set_option(Ipv6Hops(hops.sent), error);
    if (!error) socket.set_option(Ipv6Least(hops.least), error);
  } else {
    if (hops.sent != 0) socket.set_option(Ipv4Ttl(hops.sent), error);
    if (!error) socket.set_option(Ipv4Least(hops.least), error);
  }
}

}  // namespace towpath::bgp
