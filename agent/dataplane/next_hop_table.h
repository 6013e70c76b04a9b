// The next-hop objects in the kernel behind the agent's routes: makes them, finds them again after a restart,
// keeps them right.
//
// Model
//   A route refers to an object by number. A forwarding with one next hop is a single object; one with
//   several is a group, with members that only groups refer to: so a member that is lost can be taken out of
//   all its groups by one message, and no route goes with it. What is wanted mostly names no device; the
//   kernel wants one, so it is looked up, and looked up again with each audit. An object keeps its number
//   while its device changes: routes need not be written again.
//
// What counts as ours: a number from netlink::kNextHopIdFirst on with our protocol number, and what we made,
// whatever others made of it since. Other objects are never changed or removed, also when they have a number
// of that range.
//
// Audit
//   Reads all objects and puts right what somebody changed, what lies behind another device now, and groups
//   that miss a member which can be had again. A single object or group that is gone took its routes along:
//   it is forgotten here, said so in the report, and made anew with the next route that needs it.
//
// A group with some of its members works, and counts as right; it is `degraded`. Without any it cannot be.
//
// Ownership: the socket outlives it. Threading: one thread, the kernel writer's; calls block on the kernel.
// Failure: of a single object or of all members, from id_for(); else the next audit tries again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "agent/dataplane/forwarding.h"
#include "agent/dataplane/route_kernel.h"
#include "towpath/base/error.h"
#include "towpath/netlink/batch.h"
#include "towpath/netlink/next_hop_object.h"

namespace towpath::agent {

class NextHopTable {
 public:
  NextHopTable(netlink::NetlinkSocket& socket, std::uint8_t protocol)
      : socket_(&socket), protocol_(protocol) {}

  // The number for routes that forward so (kUnicast), made if need be. A refusal is remembered until
  // forget_refusals(), so that many routes with one bad next hop cost one attempt.
  Result<std::uint32_t> id_for(const Forwarding& wanted);
  void forget_refusals() { refusals_.clear(); }

  // What a route with this number does; nothing for objects that are not ours.
  ForwardingPtr forwarding_of(std::uint32_t id) const;

  Result<NextHopReport> audit();
  // These are out of reach although the kernel does not see it, and no others: takes them out of all groups
  // that have others, in one message each. One that is not named any more comes back with the next audit.
  void lose(std::span<const IpAddress> lost);
  // Removes what no route uses that forwards as one of `in_use` does. The caller knows of all of our routes.
  void sweep(std::span<const ForwardingPtr> in_use);

 private:
  enum class Kind : std::uint8_t { kSingle, kMember, kGroup };
  struct Object {
    Kind kind = Kind::kSingle;
    netlink::NextHop key{};                        // as wanted: without a device, any will do
    std::vector<netlink::NextHopMember> wanted{};  // of a group
    netlink::NextHopObject kernel{};               // as written or read last
    bool there = false;                            // in the kernel; of singles and groups only such are kept
  };
  using Objects = std::map<std::uint32_t, Object>;
  using Members = std::vector<netlink::NextHopMember>;

  void adopt(const std::vector<netlink::NextHopObject>& found);
  void forget(Objects::iterator object);
  std::map<netlink::NextHop, std::uint32_t>& by_key(Kind kind) {
    return kind == Kind::kMember ? members_ : singles_;
  }
  // Kinds kSingle and kMember. An object that is refused stays as a member without being there.
  Result<std::uint32_t> hop_id(Kind kind, const netlink::NextHop& wanted);
  Result<std::uint32_t> group_id(const Forwarding& wanted);
  Status make(Object& object, std::uint32_t id, bool replace);
  std::uint32_t free_id();
  // How the kernel reaches these: with the device, 0 where it does not, and behind a gateway by that gateway
  // (the kernel takes none that is behind another one itself); one system call.
  std::vector<netlink::NextHop> ways_to(const std::vector<netlink::NextHop>& hops);
  // What a route with this object is said to do: its next hop as wanted, not the gateway before it.
  static netlink::NextHop meaning(const Object& object);
  // Of the wanted members those that are there, without lost ones if others are left.
  Members present(const Object& group) const;
  bool is_lost(const netlink::NextHop& key) const { return key.via && lost_.contains(*key.via); }
  void repair_hops(const std::map<std::uint32_t, netlink::NextHopObject>& found, NextHopReport& report);
  void repair_groups(const std::map<std::uint32_t, netlink::NextHopObject>& found, NextHopReport& report);

  netlink::NetlinkSocket* socket_;
  std::uint8_t protocol_;
  Objects objects_;
  std::map<netlink::NextHop, std::uint32_t> singles_, members_;  // by Object::key
  std::map<Members, std::uint32_t> groups_;                      // by Object::wanted
  std::map<netlink::NextHop, Error> refusals_;
  std::set<IpAddress> lost_;
  std::set<std::uint32_t> foreign_;  // numbers of our range that others have
  std::uint32_t last_id_ = netlink::kNextHopIdFirst - 1;
};

}  // namespace towpath::agent
