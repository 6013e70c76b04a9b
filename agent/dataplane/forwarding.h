// What a kernel route does with a packet: the values behind the routes the agent writes, each kept once.
//
// Model
//   A host learns very many prefixes and very few different ways to send packets. A Forwarding is such a way;
//   a ForwardingTable gives each a small number, counts who uses it, and drops it with the last user.
//
// Threading: Forwarding values are immutable and shared between threads; the table belongs to one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "towpath/netlink/route.h"

namespace towpath::agent {

struct Forwarding {
  netlink::RouteType type = netlink::RouteType::kUnicast;
  std::vector<netlink::NextHop> next_hops{};  // sorted; empty for a blackhole
  // Of a route in the kernel: it forwards so, but not by a next-hop object of ours as it should. Never
  // wanted.
  bool outdated = false;
  friend bool operator==(const Forwarding&, const Forwarding&) = default;
};
using ForwardingPtr = std::shared_ptr<const Forwarding>;

// Next hops in the order in which values are compared.
Forwarding make_unicast(std::vector<netlink::NextHop> next_hops);
Forwarding make_blackhole();

// Is a route to refer to a next-hop object? One to what is on a link itself stays without.
bool goes_by_object(const Forwarding& forwarding);

// Does the kernel do what is wanted? A wanted next hop without a device is met by any device, because the
// kernel finds it by the address and then says which.
bool satisfies(const Forwarding& kernel, const Forwarding& wanted);

// 0 is no forwarding at all.
using ForwardingId = std::uint32_t;

class ForwardingTable {
 public:
  // The number of this value, with one use more.
  ForwardingId acquire(Forwarding value);
  void acquire(ForwardingId id);
  // Both ignore 0.
  void release(ForwardingId id);

  const Forwarding& get(ForwardingId id) const { return *slots_[id].value; }
  const ForwardingPtr& share(ForwardingId id) const { return slots_[id].value; }
  std::size_t size() const { return ids_.size(); }
  std::vector<ForwardingPtr> values() const;

 private:
  struct Slot {
    ForwardingPtr value{};
    std::uint64_t uses = 0;
  };
  struct Hash {
    std::size_t operator()(const Forwarding* value) const;
  };
  struct Equal {
    bool operator()(const Forwarding* a, const Forwarding* b) const { return *a == *b; }
  };
  std::vector<Slot> slots_ = std::vector<Slot>(1);
  std::vector<ForwardingId> free_;
  std::unordered_map<const Forwarding*, ForwardingId, Hash, Equal> ids_;
};

}  // namespace towpath::agent
