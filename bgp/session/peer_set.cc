#include "bgp/session/peer_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

namespace towpath::bgp {
namespace {

// What a peer is told whose session ends because its configuration becomes `next`.
NotificationMessage farewell(const PeerConfig& next) {
  if (!next.shutdown) return {kOtherConfigurationChange, {}};
  return {kAdministrativeShutdown, shutdown_communication(*next.shutdown)};
}

PeerConfig peer_at(const PeerRange& range, const IpAddress& address) {
  PeerConfig peer = range.peer;
  peer.name += "/" + address.to_string();
  peer.address = address;
  peer.passive = true;  // what is not there cannot be connected to
  return peer;
}

}  // namespace

Status check_peers(const SpeakerConfig& config) {
  std::set<IpAddress> addresses;
  std::set<Prefix> prefixes;
  std::set<std::string_view> names;
  const auto twice = [&names](const std::string& name) { return !names.insert(name).second; };
  for (const PeerConfig& peer : config.peers) {
    if (twice(peer.name))
      return fail(ErrorKind::kInvalid, fmt::format("two peers have the name {}", peer.name));
    if (!addresses.insert(peer.address).second) {
      return fail(ErrorKind::kInvalid, fmt::format("peer {}: another peer has the address {}", peer.name,
                                                   peer.address.to_string()));
    }
  }
  for (const PeerRange& range : config.ranges) {
    const std::string& name = range.peer.name;
    if (twice(name)) return fail(ErrorKind::kInvalid, fmt::format("two peers have the name {}", name));
    if (!prefixes.insert(range.prefix).second) {
      return fail(ErrorKind::kInvalid,
                  fmt::format("peer {}: another one has the range {}", name, range.prefix.to_string()));
    }
  }
  return {};
}

void PeerSet::configure(const SpeakerConfig& config) {
  const LocalSpeaker before = std::exchange(local_, local_speaker(config));
  ranges_ = config.ranges;
  std::vector<PeerConfig> wanted = config.peers;
  for (const auto& peer : peers_) {
    const IpAddress& address = peer->config().address;
    if (!peer->config().of_range ||
        std::ranges::find(config.peers, address, &PeerConfig::address) != config.peers.end()) {
      continue;
    }
    if (const PeerRange* range = range_of(address)) wanted.push_back(peer_at(*range, address));
  }
  std::vector<std::shared_ptr<Peer>> next;
  for (PeerConfig& one : wanted) {
    std::shared_ptr<Peer> peer = take(one.address);
    if (peer != nullptr && before == local_ && !needs_new_session(peer->config(), one)) {
      if (peer->config() != one) peer->update(one);
      next.push_back(std::move(peer));
      continue;
    }
    if (peer != nullptr) peer->remove(farewell(one));
    added_.push_back(next.emplace_back(std::make_shared<Peer>(context_, local_, std::move(one))));
  }
  for (const auto& gone : peers_) {
    if (gone != nullptr) gone->remove(NotificationMessage{kPeerDeconfigured, {}});
  }
  peers_ = std::move(next);
}

void PeerSet::start_added() {
  for (const auto& peer : std::exchange(added_, {})) peer->start();
}

std::shared_ptr<Peer> PeerSet::find(const IpAddress& address) const {
  const auto found =
      std::ranges::find_if(peers_, [&](const auto& p) { return p->config().address == address; });
  return found == peers_.end() ? nullptr : *found;
}

// Takes the peer with this address out of the list.
std::shared_ptr<Peer> PeerSet::take(const IpAddress& address) {
  const auto found =
      std::ranges::find_if(peers_, [&](const auto& p) { return p && p->config().address == address; });
  return found == peers_.end() ? nullptr : std::exchange(*found, nullptr);
}

// The most specific one.
const PeerRange* PeerSet::range_of(const IpAddress& address) const {
  const PeerRange* best = nullptr;
  for (const PeerRange& range : ranges_) {
    const bool better = best == nullptr || range.prefix.length() > best->prefix.length();
    if (range.prefix.contains(address) && better) best = &range;
  }
  return best;
}

Result<std::shared_ptr<Peer>> PeerSet::admit(const IpAddress& address) {
  const PeerRange* range = range_of(address);
  if (range == nullptr) return fail(ErrorKind::kNotFound, "no such peer is configured");
  const auto known = std::ranges::count_if(peers_, [&](const auto& peer) {
    return peer->config().of_range && range_of(peer->config().address) == range;
  });
  if (std::cmp_greater_equal(known, range->limit)) {
    return fail(ErrorKind::kExhausted,
                fmt::format("peer {}: the range has its {} peers already", range->peer.name, range->limit));
  }
  auto peer = std::make_shared<Peer>(context_, local_, peer_at(*range, address));
  peer->start();
  if (peer->kept_down()) {
    peer->remove({});
    return fail(ErrorKind::kInvalid, fmt::format("peer {}: it is kept down", range->peer.name));
  }
  return peers_.emplace_back(std::move(peer));
}

bool PeerSet::forget_idle(TimePoint now) {
  std::erase_if(peers_, [&](const auto& peer) {
    if (!peer->config().of_range) return false;
    const auto idle_since = peer->idle_since();
    if (!idle_since || *idle_since + forget_after_ > now) return false;
    peer->remove({});
    return true;
  });
  return std::ranges::any_of(peers_, [](const auto& peer) { return peer->config().of_range; });
}

}  // namespace towpath::bgp
