#include "agent/advertise/health_monitor.h"

#include <fmt/format.h>

#include <boost/asio/error.hpp>
#include <utility>

namespace towpath::agent {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

asio::ip::tcp::endpoint endpoint(const HealthCheck& check) {
  error_code ignored;  // the text of an address is an address
  return {asio::ip::make_address(check.address.to_string(), ignored), check.port};
}

}  // namespace

HealthMonitor::HealthMonitor(asio::io_context& loop, HealthCheck check, std::function<void()> changed)
    : check_(check),
      changed_(std::move(changed)),
      gate_(check.rise, check.fall),
      socket_(loop),
      timer_(loop) {}

void HealthMonitor::stop() {
  stopped_ = true;
  error_code ignored;  // closing is best effort
  socket_.close(ignored);
  timer_.cancel();
}

void HealthMonitor::begin() {
  if (stopped_) return;
  began_ = std::chrono::steady_clock::now();
  ++round_;
  timer_.expires_at(began_ + check_.timeout);
  timer_.async_wait([weak = weak_from_this(), round = round_](const error_code& error) {
    const auto self = weak.lock();
    if (!error && self != nullptr) self->on_result(round, asio::error::timed_out);
  });
  socket_.async_connect(endpoint(check_), [weak = weak_from_this(), round = round_](const error_code& error) {
    if (const auto self = weak.lock()) self->on_result(round, error);
  });
}

// The first of the two ends of a round counts.
void HealthMonitor::on_result(std::uint64_t round, const error_code& error) {
  if (stopped_ || round != round_) return;
  ++round_;
  error_code ignored;  // closing is best effort
  socket_.close(ignored);
  problem_ = error ? fmt::format("connect to {} port {}: {}", check_.address.to_string(), check_.port,
                                 error.message())
                   : std::string();
  const bool changed = gate_.on_result(!error);
  wait_for_next();
  if (changed) changed_();
}

void HealthMonitor::wait_for_next() {
  timer_.expires_at(began_ + check_.interval);
  timer_.async_wait([weak = weak_from_this()](const error_code& error) {
    const auto self = weak.lock();
    if (!error && self != nullptr) self->begin();
  });
}

}  // namespace towpath::agent
