// Serves the agent's metrics and its health over HTTP.
//
// GET /metrics  200 and the text for Prometheus, made anew for each request.
// GET /health   200 where all is well, else 503; the body says why in one line.
// All else is 404 or 405. There is neither TLS nor a password: the address is loopback unless configured
// otherwise, and nothing in the answers is secret.
//
// A client cannot harm the agent: it has 10 seconds for its request and for taking the answer, a request has
// at most 8 KiB and no body, and beyond 16 clients connections are closed at once.
//
// Threading: the loop. Failure: start() says what is wrong; trouble with a client ends that client only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "towpath/base/error.h"
#include "towpath/bgp/config.h"

namespace towpath::agent {

struct MetricsPages {
  std::function<std::string()> metrics;
  std::function<std::string()> problem;  // empty: all is well
};

class MetricsServer {
 public:
  // What the pages read must live until stop().
  MetricsServer(boost::asio::io_context& loop, MetricsPages pages);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // Port 0 takes a free one. kSystem names address and port.
  Status start(const bgp::ListenAddress& at);
  // Closes the socket and every client at once. Idempotent.
  void stop();
  std::uint16_t port() const;  // 0 unless started

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace towpath::agent
