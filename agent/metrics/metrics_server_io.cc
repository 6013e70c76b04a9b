#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <exception>
#include <set>
#include <utility>

#include "agent/metrics/metrics_server.h"

namespace towpath::agent {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Request = http::request<http::empty_body>;
using Response = http::response<http::string_body>;

constexpr std::chrono::seconds kPatience{10};
constexpr std::size_t kMostClients = 16;
constexpr std::uint32_t kLongestRequest = 8192;

struct Client {
  explicit Client(tcp::socket&& socket) : stream(std::move(socket)) {}
  beast::tcp_stream stream;
  beast::flat_buffer input{kLongestRequest};
};
using ClientPtr = std::shared_ptr<Client>;

Response make_response(const Request& request, http::status status, std::string body,
                       std::string_view type = "text/plain; charset=utf-8") {
  Response response(status, request.version());
  response.set(http::field::content_type, type);
  response.keep_alive(request.keep_alive());
  response.body() = std::move(body);
  response.prepare_payload();
  return response;
}

Response answer(const Request& request, const MetricsPages& pages) {
  const std::string_view target(request.target().data(), request.target().size());
  const std::string_view path = target.substr(0, target.find('?'));
  if (path != "/metrics" && path != "/health")
    return make_response(request, http::status::not_found, "There are /metrics and /health.\n");
  if (request.method() != http::verb::get) {
    Response response = make_response(request, http::status::method_not_allowed, "Only GET.\n");
    response.set(http::field::allow, "GET");
    return response;
  }
  if (path == "/metrics")
    return make_response(request, http::status::ok, pages.metrics(),
                         "text/plain; version=0.0.4; charset=utf-8");
  const std::string problem = pages.problem();
  if (problem.empty()) return make_response(request, http::status::ok, "ok\n");
  return make_response(request, http::status::service_unavailable, problem + '\n');
}

tcp::endpoint endpoint_of(const bgp::ListenAddress& at) {
  return {asio::ip::make_address(at.address.to_string()), at.port};
}

}  // namespace

struct MetricsServer::State {
  State(asio::io_context& loop_, MetricsPages pages_)
      : loop(loop_), pages(std::move(pages_)), acceptor(loop_) {}

  asio::io_context& loop;
  MetricsPages pages;
  tcp::acceptor acceptor;
  std::set<ClientPtr> clients;

  static asio::awaitable<void> accept_clients(std::shared_ptr<State> state);
  static asio::awaitable<void> serve(std::shared_ptr<State> state, ClientPtr client);
};

asio::awaitable<void> MetricsServer::State::accept_clients(std::shared_ptr<State> state) {
  while (state->acceptor.is_open()) {
    error_code ec;
    tcp::socket socket = co_await state->acceptor.async_accept(asio::redirect_error(asio::use_awaitable, ec));
    if (ec == asio::error::operation_aborted) co_return;
    if (ec) {
      // Out of descriptors, most likely; the waiting client stays in the backlog.
      asio::steady_timer pause(state->loop, std::chrono::milliseconds(100));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ec));
      continue;
    }
    if (state->clients.size() >= kMostClients) continue;  // closes it
    const auto client = std::make_shared<Client>(std::move(socket));
    state->clients.insert(client);
    // A coroutine of ours ends by itself and lets nothing through but what would be a bug: rethrown to end
    // the process.
    asio::co_spawn(state->loop, serve(state, client), [state, client](std::exception_ptr failure) {
      client->stream.close();
      state->clients.erase(client);
      if (failure) std::rethrow_exception(failure);
    });
  }
}

asio::awaitable<void> MetricsServer::State::serve(std::shared_ptr<State> state, ClientPtr client) {
  for (bool goes_on = true; goes_on;) {
    error_code ec;
    http::request_parser<http::empty_body> parser;
    parser.header_limit(kLongestRequest);
    client->stream.expires_after(kPatience);
    co_await http::async_read(client->stream, client->input, parser,
                              asio::redirect_error(asio::use_awaitable, ec));
    // After stop() what the pages read may be gone.
    if (ec || !state->acceptor.is_open()) co_return;
    const Response response = answer(parser.get(), state->pages);
    client->stream.expires_after(kPatience);
    co_await http::async_write(client->stream, response, asio::redirect_error(asio::use_awaitable, ec));
    goes_on = !ec && response.keep_alive();
  }
}

MetricsServer::MetricsServer(asio::io_context& loop, MetricsPages pages)
    : state_(std::make_shared<State>(loop, std::move(pages))) {}

MetricsServer::~MetricsServer() {
  stop();
}

Status MetricsServer::start(const bgp::ListenAddress& at) {
  const tcp::endpoint endpoint = endpoint_of(at);
  tcp::acceptor& acceptor = state_->acceptor;
  const auto failed = [&](const error_code& ec) {
    error_code ignored;
    acceptor.close(ignored);
    return fail_errno(ec.value(),
                      fmt::format("metrics: listen on {} port {}", at.address.to_string(), at.port));
  };
  error_code ec;
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) return failed(ec);
  asio::co_spawn(state_->loop, State::accept_clients(state_), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  return {};
}

void MetricsServer::stop() {
  error_code ignored;  // closing is best effort
  state_->acceptor.close(ignored);
  for (const ClientPtr& client : state_->clients) client->stream.close();
}

std::uint16_t MetricsServer::port() const {
  error_code ec;
  const auto endpoint = state_->acceptor.local_endpoint(ec);
  return ec ? std::uint16_t{0} : endpoint.port();
}

}  // namespace towpath::agent
