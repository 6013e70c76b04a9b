// Something that goes over all prefixes of a family in slices. A part of Rib.
#pragma once

#include <cstdint>
#include <optional>

#include "bgp/rib/rib.h"

namespace towpath::bgp {

struct Rib::Job {
  enum class Kind : std::uint8_t { kSweep, kImportRules, kMultipath };
  Kind kind = Kind::kSweep;
  PeerId peer;  // kMultipath: of no meaning
  Family family = Family::kIpv4Unicast;
  std::optional<Prefix> next;  // from the start where empty
  std::uint8_t epoch = 0;      // kSweep: what is older goes
};

}  // namespace towpath::bgp
