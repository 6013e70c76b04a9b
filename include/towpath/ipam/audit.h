// Compares what the state store says with itself and with the host. Pure.
//
// What counts as a sandbox that is gone
//   No network namespace with the recorded inode is at its path, and the place of that path can be seen. For
//   an endpoint of ours also: no interface of the host bears its alias, because a veth pair lives as long as
//   both its namespaces do. An address of the stand-alone IPAM plugin has no such interface; there no process
//   may run in a namespace with that inode either, unless a younger record explains it, because the kernel
//   uses inode numbers again. Everything else is alive, or cannot be told.
//
// A look at a host that is at work may see an ADD or a DEL half done. Who looks twice and keeps the findings
// of both looks (in_both()) has none of these.
#pragma once

#include <compare>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/base/address.h"
#include "towpath/base/clock.h"
#include "towpath/ipam/attachment_id.h"
#include "towpath/ipam/host_observation.h"
#include "towpath/ipam/store_snapshot.h"

namespace towpath::ipam {

enum class FindingKind : std::uint8_t {
  kSandboxGone,    // the address is held for a container whose sandbox is gone
  kUnfinished,     // an ADD began and has not come to its end
  kNoRoute,        // the host has no route to the container's address, or a better one elsewhere
  kNotInSandbox,   // the container's interface does not have the address
  kNoAllocation,   // a route or an interface of a container, and no record
  kOutsideBlocks,  // the address is of no block
  kDoubleUse,      // the address has more than one user
  kRecord,         // a record contradicts itself
  kIndex,          // bitmaps, numbers and lists of the store do not agree with its records
};

std::string_view format(FindingKind kind);  // "sandbox-gone"

// What can be done about a finding without asking anybody, and without taking an address from anybody alive.
enum class Repair : std::uint8_t {
  kNone,
  kRelease,  // of the record, by its generation
  kRebuild,  // of the indexes, from the records
};

std::string_view format(Repair repair);  // "none", "release", "rebuild"

struct Finding {
  FindingKind kind = FindingKind::kIndex;
  std::string address{};         // or a block, or empty
  AttachmentId attachment{};     // empty where no container is concerned
  std::uint64_t generation = 0;  // of the attachment's record; 0: it has none
  std::string reason{};          // one line
  Repair repair = Repair::kNone;

  friend auto operator<=>(const Finding&, const Finding&) = default;
};

enum class SandboxFate : std::uint8_t { kAlive, kGone, kUnknown };

// `records`: all of the store, among them younger ones that explain an inode.
SandboxFate sandbox_fate(const EndpointRecord& record, std::span<const EndpointRecord> records,
                         const HostObservation& host);

// Ordered by kind, then as the store orders what they are about. `now` tells an ADD that is under way from
// one that was killed.
std::vector<Finding> audit(const StoreSnapshot& store, const HostObservation& host, WallTime now);

// Addresses that somebody on this host has, or that routes lead to, whatever the records say.
std::set<IpAddress> addresses_in_use(const HostObservation& host);

std::vector<Finding> in_both(std::span<const Finding> first, std::span<const Finding> second);

}  // namespace towpath::ipam
