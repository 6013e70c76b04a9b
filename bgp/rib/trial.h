// What a route would meet on its way in or out: an answer for people, which changes nothing.
//
// Rib::try_import() and Rib::try_export() go through the very functions that real routes go through; only the
// reports of the rules are made beside them. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bgp/rib/route.h"
#include "towpath/bgp/path_attributes.h"
#include "towpath/bgp/route_policy.h"

namespace towpath::bgp {

struct ImportTrial {
  PathExclusion exclusion = PathExclusion::kNone;
  std::vector<RuleReport> rules;  // each one that was asked, in order
  std::string decided_by;         // the rule that had the last word; empty: no rule decided
  PathAttributes received;        // as the import policy sees it
  PathAttributes used;            // as the selection would see it; `received` where the route is excluded
};

// Why a peer is not told the route of a prefix.
enum class ExportRefusal : std::uint8_t {
  kNone,
  kNoRoute,         // no path of exactly this prefix may be used
  kOwnRoute,        // the best path came from this very peer
  kDrained,         // this host is being taken out of service
  kFamily,          // the session does not have this address family
  kToNobody,        // NO_ADVERTISE (RFC 1997)
  kToNoOtherAs,     // NO_EXPORT, and the peer is in another AS (RFC 1997)
  kOnlyToCustomer,  // ONLY_TO_CUSTOMER, and we do not serve the peer (RFC 9234 section 5)
  kInternal,     // from one internal peer to another one, and no reflection (RFC 4271 section 9.2, RFC 4456)
  kRules,        // a rule of the export policy rejects it
  kScope,        // no rule decides, and the peer is told only what this host originates
  kIpv6NextHop,  // of an IPv4 route, toward a session without RFC 8950
  kNextHop,      // no address of ours in this family to name as next hop
};
std::string_view format(ExportRefusal refusal);

struct ExportTrial {
  ExportRefusal refusal = ExportRefusal::kNone;
  std::vector<RuleReport> rules;
  std::string decided_by;
  std::optional<PeerId> source;  // of the best path; none with kNoRoute
  PathAttributes held;           // of the best path
  PathAttributes sent;           // empty where the route is refused
};

}  // namespace towpath::bgp
