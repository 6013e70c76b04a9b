#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "bgp/session/endpoint.h"
#include "bgp/session/listener.h"
#include "bgp/session/md5_signature.h"

namespace towpath::bgp {
namespace {

namespace asio = boost::asio;
using asio::redirect_error;
using asio::use_awaitable;
using asio::ip::tcp;
using boost::system::error_code;

// After an error such as "too many open files": let others free something.
constexpr std::chrono::milliseconds kPause{100};

void rethrow(std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

Listener::Listener(asio::any_io_executor executor, const ListenAddress& address)
    : address_(address), acceptor_(executor), pause_(executor) {}

Result<std::shared_ptr<Listener>> Listener::bind(asio::any_io_executor executor,
                                                 const ListenAddress& address) {
  std::shared_ptr<Listener> listener(new Listener(executor, address));
  tcp::acceptor& acceptor = listener->acceptor_;
  error_code error;
  acceptor.open(address.address.is_v4() ? tcp::v4() : tcp::v6(), error);
  if (!error && address.address.is_v6()) acceptor.set_option(asio::ip::v6_only(true), error);
  // A restarted agent must not wait for connections of its predecessor to leave TIME_WAIT.
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(to_endpoint(address.address, address.port), error);
  if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (!error) acceptor.non_blocking(true, error);
  if (error) {
    return fail_errno(error.value(),
                      fmt::format("listen on {} port {}", address.address.to_string(), address.port));
  }
  return listener;
}

void Listener::run(OnAccept on_accept) {
  on_accept_ = std::move(on_accept);
  asio::co_spawn(acceptor_.get_executor(), accept_loop(shared_from_this()), rethrow);
}

void Listener::set_hop_limits(HopLimits hops) {
  error_code ignored;  // every connection sets them again for itself
  bgp::set_hop_limits(acceptor_, address_.address.is_v6(), hops, ignored);
}

std::map<Prefix, Error> Listener::set_md5_keys(const std::map<Prefix, std::string>& secrets) {
  std::map<Prefix, Error> failed;
  std::erase_if(md5_secrets_, [&](const auto& old) {
    return !secrets.contains(old.first) && set_md5_key(acceptor_.native_handle(), old.first, {});
  });
  for (const auto& [peer, secret] : secrets) {
    if (const auto known = md5_secrets_.find(peer); known != md5_secrets_.end() && known->second == secret)
      continue;
    if (auto status = set_md5_key(acceptor_.native_handle(), peer, secret)) {
      md5_secrets_[peer] = secret;
    } else {
      failed.emplace(peer, std::move(status).error());
    }
  }
  return failed;
}

asio::awaitable<void> Listener::accept_loop([[maybe_unused]] std::shared_ptr<Listener> self) {
  while (acceptor_.is_open()) {
    error_code error;
    tcp::socket socket(acceptor_.get_executor());
    co_await acceptor_.async_accept(socket, redirect_error(use_awaitable, error));
    if (!acceptor_.is_open()) co_return;
    if (!error) {
      on_accept_(std::move(socket));
      continue;
    }
    pause_.expires_after(kPause);
    co_await pause_.async_wait(redirect_error(use_awaitable, error));
  }
}

void Listener::close() {
  error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  on_accept_ = nullptr;
}

ListenAddress Listener::bound() const {
  error_code error;
  const auto endpoint = acceptor_.local_endpoint(error);
  return error ? address_ : ListenAddress{address_.address, endpoint.port()};
}

}  // namespace towpath::bgp
