// Accepts TCP connections on one configured address.
//
// Ownership: the accept loop keeps the listener alive; after close() it ends and accepts no more.
// Threading: owned by the loop.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "bgp/session/peer_config.h"
#include "towpath/base/error.h"
#include "towpath/bgp/config.h"

namespace towpath::bgp {

class Listener : public std::enable_shared_from_this<Listener> {
 public:
  using OnAccept = std::function<void(boost::asio::ip::tcp::socket)>;

  // Binds and listens; the error names the address. Nothing is accepted before run().
  static Result<std::shared_ptr<Listener>> bind(boost::asio::any_io_executor executor,
                                                const ListenAddress& address);

  // `on_accept` gets each connection until close().
  void run(OnAccept on_accept);
  // Connections from farther away are not even answered (RFC 5082); see HopLimits.
  void set_hop_limits(HopLimits hops);
  // RFC 2385: from where connections must be signed, and with what; the most specific prefix counts. Returns
  // those whose key the kernel did not take; no connection from there comes about.
  std::map<Prefix, Error> set_md5_keys(const std::map<Prefix, std::string>& secrets);
  void close();

  // As configured.
  const ListenAddress& address() const { return address_; }
  // With the real port where the configured one is 0.
  ListenAddress bound() const;

 private:
  Listener(boost::asio::any_io_executor executor, const ListenAddress& address);
  boost::asio::awaitable<void> accept_loop(std::shared_ptr<Listener> self);

  ListenAddress address_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  OnAccept on_accept_;
  std::map<Prefix, std::string> md5_secrets_;  // that the kernel has
};

}  // namespace towpath::bgp
