// The peers of the speaker: those of the configuration, and those that came out of a range of addresses.
//
// Model
//   configure() compares with what is there by address and touches only peers that differ. A peer of a range
//   is made when it connects (admit()), is then a peer like any other, and is forgotten when it has had no
//   connection and no route for `forget_after`: not at once, so that its stale routes and its back-off count.
//
// Ownership: owns the peers; `context` outlives it. Threading: the loop. Failure: admit() says why not.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bgp/session/peer.h"
#include "towpath/base/clock.h"
#include "towpath/base/error.h"
#include "towpath/bgp/config.h"

namespace towpath::bgp {

// What a configuration must keep for its peers to be told apart.
Status check_peers(const SpeakerConfig& config);

class PeerSet {
 public:
  PeerSet(PeerContext& context, std::chrono::seconds forget_after)
      : context_(context), forget_after_(forget_after) {}

  // Peers that are new are started by start_added(), so that listeners can be prepared for them in between.
  void configure(const SpeakerConfig& config);
  void start_added();

  // Those of the configuration in its order, then those of ranges.
  const std::vector<std::shared_ptr<Peer>>& all() const { return peers_; }
  std::span<const PeerRange> ranges() const { return ranges_; }
  // Null for a stranger.
  std::shared_ptr<Peer> find(const IpAddress& address) const;
  // A new peer for someone who connected, started; the error says why there is none.
  Result<std::shared_ptr<Peer>> admit(const IpAddress& address);
  // Lets go of peers of ranges whose time is over; whether some are left.
  bool forget_idle(TimePoint now);

 private:
  const PeerRange* range_of(const IpAddress& address) const;
  std::shared_ptr<Peer> take(const IpAddress& address);

  PeerContext& context_;
  std::chrono::seconds forget_after_;
  LocalSpeaker local_{};
  std::vector<PeerRange> ranges_;
  std::vector<std::shared_ptr<Peer>> peers_;
  std::vector<std::shared_ptr<Peer>> added_;
};

}  // namespace towpath::bgp
