// Answers requests on the control socket.
//
// Model
//   One coroutine for each client: read a line, parse it, send slices of rows, end line; then the next
//   request. The next slice is made when the one before is written, so a reply of any length needs the memory
//   of one slice.
//
// A client cannot harm the agent
//   It is dropped when it takes no data for `write_timeout`, or sends no request for `idle_timeout`; its
//   request has a largest length; clients beyond `max_clients` are told so and closed.
//
// The socket file
//   Mode 0660. A stale one (nobody listens) is replaced; start() fails where somebody answers, and where the
//   path is no socket. stop() removes it, if it is still ours.
//
// Threading: the loop. Failure: start() says what is wrong; later trouble with a client ends that client
// only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "agent/control/row_source.h"
#include "towpath/base/error.h"

namespace towpath::agent {

struct ControlLimits {
  std::size_t max_clients = 32;
  std::chrono::milliseconds write_timeout{10000};
  std::chrono::milliseconds idle_timeout{60000};
  std::chrono::milliseconds work_timeout{30000};  // for a request that the agent has to work for
};

class ControlServer {
 public:
  // `backend` must live until stop().
  ControlServer(boost::asio::io_context& loop, ControlBackend& backend, ControlLimits limits = {});
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  Status start(const std::string& path);
  // Closes the socket and every client at once. Idempotent.
  void stop();
  std::size_t clients() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace towpath::agent
