// Checks one service again and again by connecting to it.
//
// Ownership: shared_ptr because what the loop still holds looks back at it; `loop` outlives it.
// Threading: the loop. Failure: none; a check that fails is a result.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "agent/advertise/health_gate.h"
#include "agent/advertise/service_prefix.h"
#include "towpath/base/clock.h"

namespace towpath::agent {

class HealthMonitor final : public std::enable_shared_from_this<HealthMonitor> {
 public:
  // `changed` is called when healthy() has become another one, and never after stop().
  HealthMonitor(boost::asio::io_context& loop, HealthCheck check, std::function<void()> changed);

  void start() { begin(); }
  void stop();

  std::optional<bool> healthy() const { return gate_.healthy(); }
  // Why the last check failed; empty where it did not.
  const std::string& problem() const { return problem_; }

 private:
  void begin();
  void on_result(std::uint64_t round, const boost::system::error_code& error);
  void wait_for_next();

  HealthCheck check_;
  std::function<void()> changed_;
  HealthGate gate_;
  std::string problem_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;  // of the attempt, then until the next one
  TimePoint began_{};
  std::uint64_t round_ = 0;
  bool stopped_ = false;
};

}  // namespace towpath::agent
