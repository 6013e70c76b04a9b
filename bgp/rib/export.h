// Which routes a peer may be told, and with which attributes (RFC 4271 sections 5.1 and 9.1.3, RFC 4456, RFC
// 1997).
//
// Pure functions. The peer's own routes are left out elsewhere: that depends on the peer, all here on its
// group only.
#pragma once

#include <optional>

#include "bgp/rib/attribute_table.h"
#include "bgp/rib/output.h"
#include "bgp/rib/route.h"
#include "bgp/rib/trial.h"

namespace towpath::bgp {

// What speaks against telling the route, before any rule is asked.
ExportRefusal refusal_by_session(const AttributeKeys& route, PeerKind source, Family family,
                                 const ExportTarget& target);
// And after the rules have said `policy`; without a policy they say nothing. The next hop is the one that the
// rules left.
ExportRefusal refusal_by_policy(const PolicyOutcome& policy, bool next_hop_is_v6, PeerKind source,
                                Family family, const ExportTarget& target);
// Whether BGP lets the route go to these peers at all.
bool may_export(const AttributeKeys& route, PeerKind source, const ExportTarget& target);
// May it, and is it where no policy decides?
bool is_exportable(const AttributeKeys& route, PeerKind source, Family family, const ExportTarget& target);

// The attributes and next hop as sent, without a policy. Only for what is exportable.
PathAttributes exported(PathAttributes attributes, const RibPeer& source, Family family,
                        const ExportTarget& target, const RibIdentity& identity);
// The same with target.policy; nothing where the route is not sent.
std::optional<PathAttributes> exported_by_policy(const Prefix& prefix, PathAttributes attributes,
                                                 const RibPeer& source, const ExportTarget& target,
                                                 const RibIdentity& identity);

// An adj-rib-out holds sets as they are in the RIB, unless its policy changes attributes: then as sent.
bool holds_sets_as_sent(const ExportTarget& target);
PathAttributes as_sent(PathAttributes held, const RibPeer& source, Family family, const ExportTarget& target,
                       const RibIdentity& identity);

}  // namespace towpath::bgp
