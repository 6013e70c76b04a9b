#include "bgp/rib/export.h"

#include <algorithm>

namespace towpath::bgp {
namespace {

constexpr std::uint8_t kTransitive = 0x40;
constexpr std::uint8_t kPartial = 0x20;

// RFC 4456 section 6: from a client to all, from anyone to a client. Other internal routes stay where they
// are (RFC 4271 section 9.2).
bool is_reflected(PeerKind source, PeerKind target) {
  return is_internal(source) && is_internal(target) &&
         (source == PeerKind::kClient || target == PeerKind::kClient);
}

bool needs_next_hop_self(PeerKind source, const ExportTarget& target) {
  if (source == PeerKind::kLocal || target.kind == PeerKind::kExternal) return true;
  return source == PeerKind::kExternal && target.next_hop_self_to_internal;
}

}  // namespace

bool is_exportable(const AttributeKeys& route, PeerKind source, Family family, const ExportTarget& target) {
  if (!target.session.of(family).enabled) return false;
  if (route.no_advertise) return false;                                     // RFC 1997
  if (route.no_export && target.kind == PeerKind::kExternal) return false;  // RFC 1997
  if (needs_next_hop_self(source, target) && !target.next_hop_self[index(family)]) return false;
  if (source == PeerKind::kLocal) return true;
  if (is_reflected(source, target.kind)) return true;
  if (is_internal(source) && is_internal(target.kind)) return false;
  return target.scope == ExportScope::kAll;
}

PathAttributes exported(PathAttributes a, const RibPeer& source, Family family, const ExportTarget& target,
                        const RibIdentity& identity) {
  if (needs_next_hop_self(source.kind, target)) a.next_hop = *target.next_hop_self[index(family)];
  if (source.kind != PeerKind::kLocal) {
    // RFC 4271 section 5: unknown transitive attributes go on, marked Partial; others do not.
    std::erase_if(a.unknown, [](const UnknownAttribute& u) { return (u.flags & kTransitive) == 0; });
    for (UnknownAttribute& u : a.unknown) u.flags = static_cast<std::uint8_t>(u.flags | kPartial);
  }
  if (target.kind == PeerKind::kExternal) {
    a.as_path.prepend(target.local_as);  // RFC 4271 section 5.1.2
    a.local_pref.reset();                // section 5.1.5
    // Section 5.1.4: a MED that a neighbour AS sent is not for other ones.
    if (source.kind != PeerKind::kLocal) a.med.reset();
    a.originator_id.reset();  // RFC 4456 section 8: both are for inside the AS
    a.cluster_list.clear();
    return a;
  }
  if (!a.local_pref) a.local_pref = kDefaultLocalPref;  // RFC 4271 section 5.1.5
  if (is_reflected(source.kind, target.kind)) {
    // RFC 4456 section 8. The first reflector names the originator, each puts its cluster in front.
    if (!a.originator_id) a.originator_id = source.router_id;
    a.cluster_list.insert(a.cluster_list.begin(), identity.cluster_id);
  }
  return a;
}

}  // namespace towpath::bgp
