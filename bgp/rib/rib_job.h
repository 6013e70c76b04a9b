// Something that goes over all prefixes of a family in slices. A part of Rib.
#pragma once

#include <cstdint>
#include <optional>

#include "bgp/rib/rib.h"

namespace towpath::bgp {

struct Rib::Job {
  enum class Kind : std::uint8_t { kSweep, kImportRules, kMultipath, kNextHops };
  Kind kind = Kind::kSweep;
  PeerId peer;  // kMultipath, kNextHops: of no meaning
  Family family = Family::kIpv4Unicast;
  std::optional<Prefix> next;  // from the start where empty
  std::uint8_t epoch = 0;      // kSweep: what is older goes
  // kNextHops: those that changed from `since` on are looked at. What changes while the job is under way is
  // left to another round, so a next hop that changes all the time holds up no other.
  std::uint32_t since = 0, until = 0;
};

}  // namespace towpath::bgp
