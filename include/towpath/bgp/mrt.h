// Routes as MRT records, the form in which tables are kept and handed on (RFC 6396 section 4.3,
// TABLE_DUMP_V2; RFC 8050 where paths have identifiers).
//
// A dump is one table of peers, then a record for each prefix, whose entries name their peers by the place in
// that table. Attributes are as on a session with four-octet AS numbers; of MP_REACH_NLRI only the next hop
// is there (RFC 6396 section 4.3.4). Pure; times are seconds since 1970.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "towpath/base/address.h"
#include "towpath/base/ids.h"
#include "towpath/base/prefix.h"
#include "towpath/bgp/path_attributes.h"

namespace towpath::bgp {

struct MrtPeer {
  RouterId router_id;  // 0 where there has been no session
  IpAddress address;
  AsNumber as;
};

struct MrtPath {
  std::uint16_t peer = 0;
  std::uint32_t originated = 0;  // when it came
  std::uint32_t path_id = 0;     // RFC 7911; 0: it has none
  const PathAttributes* attributes = nullptr;
};

// Both append one record. At most 65535 peers, and as many paths; a name of at most 65535 octets.
void append_mrt_peers(std::uint32_t time, RouterId collector, std::string_view view,
                      std::span<const MrtPeer> peers, std::vector<std::byte>& out);
// `sequence` counts the records of a dump from 0. The form with identifiers if one of the paths has one. A
// path whose attributes exceed the format's 65535 octets, which no session brings, is left out.
void append_mrt_route(std::uint32_t time, std::uint32_t sequence, const Prefix& prefix,
                      std::span<const MrtPath> paths, std::vector<std::byte>& out);

}  // namespace towpath::bgp
