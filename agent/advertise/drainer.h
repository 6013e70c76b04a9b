// Takes this host out of service without a lost packet, and back: `towpathctl drain` and `undrain`.
//
// Model
//   announced   every route goes out with GRACEFUL_SHUTDOWN (RFC 8326): whoever has another way takes it
//   withdrawn   after the wait: the routes go; until the peers have been told so
//   closed      the sessions end with Cease, Administrative Shutdown and the reason (RFC 9003), and stay down
//
//   A file in the state directory says so from the beginning on: an agent that restarts meanwhile stays away
//   from its peers. A boot ends it, as it ends everything there.
//
// Ownership: `loop` and `events` outlive it. Threading: the loop. Failure: a file that cannot be written is
// reported; the drain goes on.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/advertise/boot_file.h"
#include "towpath/base/clock.h"
#include "towpath/base/error.h"
#include "towpath/bgp/drain.h"

namespace towpath::agent {

class DrainEvents {
 public:
  virtual ~DrainEvents() = default;
  // phase() or reason() is another one than before.
  virtual void drain_changed() = 0;
  // Whether every peer has been handed all that there is to tell.
  virtual bool all_told() = 0;
  virtual void drain_problem(std::string_view what, const Error& error) = 0;
};

class Drainer {
 public:
  // How long a peer that reads nothing may hold up the end.
  static constexpr std::chrono::seconds kLongestFlush{5};

  // phase() is kClosed where an earlier agent of this boot was drained.
  Drainer(boost::asio::io_context& loop, DrainEvents& events, const std::string& state_dir);

  // Where it is being drained already, nothing changes.
  void start(std::chrono::seconds wait, const std::string& reason);
  void undo();
  void stop() { timer_.cancel(); }

  bgp::Drain phase() const { return phase_; }
  const std::string& reason() const { return reason_; }
  // Until the routes go; 0 in other phases.
  std::chrono::seconds left() const;

 private:
  void load();
  void enter(bgp::Drain phase);
  void wait_until_told();

  DrainEvents& events_;
  std::optional<BootFile> file_;  // none: the kernel does not say which boot this is
  bgp::Drain phase_ = bgp::Drain::kNone;
  std::string reason_;
  TimePoint until_{};  // of the present phase
  boost::asio::steady_timer timer_;
  std::uint64_t round_ = 0;  // tells a wait that was given up, and whose end the loop may hold already
};

}  // namespace towpath::agent
