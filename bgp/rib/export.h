// Which routes a peer may be told, and with which attributes (RFC 4271 sections 5.1 and 9.1.3, RFC 4456, RFC
// 1997).
//
// Pure functions. The peer's own routes are left out elsewhere: that depends on the peer, all here on its
// group only.
#pragma once

#include "bgp/rib/attribute_table.h"
#include "bgp/rib/output.h"
#include "bgp/rib/route.h"

namespace towpath::bgp {

bool is_exportable(const AttributeKeys& route, PeerKind source, Family family, const ExportTarget& target);

// The attributes and next hop as sent. Only for what is exportable.
PathAttributes exported(PathAttributes attributes, const RibPeer& source, Family family,
                        const ExportTarget& target, const RibIdentity& identity);

}  // namespace towpath::bgp
