// BFD sessions on a thread of their own (RFC 5880 to 5883): finds out within a fraction of a second that the
// path to a neighbour is gone.
//
// Model
//   configure() says which sessions should be. The thread does nothing but speak BFD, with a monotonic clock,
//   ahead of the rest of the host's work where the kernel lets it; a change of a session's state goes to the
//   owner's loop as a value. Packets that have come are read before any detection time is judged, so that a
//   thread which was held up does not blame its peers.
//
// What ends with us
//   The thread ends with the process: its packets have a clear C bit. The destructor tells every peer that
//   the sessions end by decision (AdminDown), which is no failure of the path (RFC 5882 section 3.2).
//
// Ownership: `post` must stay callable while the service lives. A change that was posted before the
// destructor returned may still run afterwards; whoever it is for must be alive, or must have let the loop
// end. Threading: all calls from the owner's thread. Failure: a port that somebody else holds, or a source
// address that is not there, is tried again each second and stands in the session's status meanwhile.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "towpath/base/clock.h"
#include "towpath/bfd/session_config.h"

namespace towpath::bfd {

struct SessionChange {
  IpAddress remote;
  bool multihop = false;
  State from = State::kDown;
  State to = State::kDown;
  Diagnostic diagnostic = Diagnostic::kNone;
  // The peer says that it ended the session itself: no word about the path (RFC 5882 section 3.2).
  bool remote_admin_down = false;
  // The peer's BFD does not depend on its control plane, so its routing daemon's restart is no explanation
  // (RFC 5882 section 4.3).
  bool remote_control_plane_independent = false;

  // What a routing protocol must act on.
  bool path_lost() const { return from == State::kUp && to == State::kDown && !remote_admin_down; }
};

// One row of `towpathctl bfd`.
struct SessionStatus {
  SessionConfig config;
  State state = State::kDown;
  State remote_state = State::kDown;
  Diagnostic diagnostic = Diagnostic::kNone;
  Diagnostic remote_diagnostic = Diagnostic::kNone;
  Duration since{0};  // in this state
  Duration transmit_interval{0};
  Duration detection_time{0};  // 0 before the peer was heard
  std::uint32_t local_discriminator = 0;
  std::uint32_t remote_discriminator = 0;
  std::uint64_t ups = 0;  // how often Up was reached
  std::uint64_t packets_sent = 0;
  std::uint64_t packets_received = 0;
  std::uint64_t packets_discarded = 0;
  std::string last_error;  // what keeps it from working, or why a packet was discarded; empty: nothing
};

class Service {
 public:
  using Task = std::move_only_function<void()>;
  using Post = std::function<void(Task)>;  // runs a task on the owner's loop
  using OnChange = std::function<void(const SessionChange&)>;

  Service(Post post, OnChange on_change);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // All sessions that should be; at most one for each pair of remote address and hop kind. A change of timers
  // alone keeps the session (RFC 5880 section 6.8.3).
  void configure(const std::vector<SessionConfig>& sessions);
  // In the order of the configuration.
  std::vector<SessionStatus> sessions() const;

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
};

}  // namespace towpath::bfd
