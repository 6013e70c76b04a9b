// Addresses between our own types and Asio's.
#pragma once

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>

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

}  // namespace towpath::bgp
