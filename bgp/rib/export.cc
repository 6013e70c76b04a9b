#include "bgp/rib/export.h"

#include <algorithm>
#include <utility>

#include "bgp/rib/import.h"

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

// RFC 8950 section 4: an IPv4 route whose next hop stays an IPv6 address is for peers that take such next
// hops.
bool fits_session(bool next_hop_is_v6, Family family, const ExportTarget& target) {
  return !next_hop_is_v6 || family != Family::kIpv4Unicast || target.session.extended_next_hop;
}

bool exported_by_default(PeerKind source, const ExportTarget& target) {
  if (source == PeerKind::kLocal || is_reflected(source, target.kind)) return true;
  return target.scope == ExportScope::kAll;
}

// What the policy says of the next hop; own routes have none of their own that could stay.
bool sends_next_hop_self(const PolicyOutcome& policy, PeerKind source, const ExportTarget& target) {
  const bool stays = policy.next_hop == NextHopRule::kUnchanged && source == PeerKind::kLocal;
  if (!policy.next_hop || stays) return needs_next_hop_self(source, target);
  return *policy.next_hop == NextHopRule::kSelf;
}

// What BGP does to attributes on their way out. `policy` says what was decided about MED and next hop.
void send(PathAttributes& a, const RibPeer& source, Family family, const ExportTarget& target,
          const RibIdentity& identity, const PolicyOutcome& policy) {
  if (sends_next_hop_self(policy, source.kind, target)) a.next_hop = *target.next_hop_self[index(family)];
  if (source.kind != PeerKind::kLocal) {
    // RFC 4271 section 5: unknown transitive attributes go on, marked Partial; others do not.
    std::erase_if(a.unknown, [](const UnknownAttribute& u) { return (u.flags & kTransitive) == 0; });
    for (UnknownAttribute& u : a.unknown) u.flags = static_cast<std::uint8_t>(u.flags | kPartial);
  }
  const bool last = target.drain == Drain::kAnnounced;
  if (last) add_community(a, CommunityPattern::of(kGracefulShutdown));  // RFC 8326 section 4
  if (target.kind == PeerKind::kExternal) {
    if (target.keeps_own_as && target.local_as != identity.as) a.as_path.prepend(identity.as);
    if (target.role && serves_peer(*target.role) && !a.only_to_customer) a.only_to_customer = target.local_as;
    a.as_path.prepend(target.local_as);  // RFC 4271 section 5.1.2
    a.local_pref.reset();                // section 5.1.5
    // Section 5.1.4: a MED that a neighbour AS sent is not for other ones.
    if (source.kind != PeerKind::kLocal && !policy.med_set) a.med.reset();
    a.originator_id.reset();  // RFC 4456 section 8: both are for inside the AS
    a.cluster_list.clear();
    return;
  }
  if (!a.local_pref) a.local_pref = kDefaultLocalPref;  // RFC 4271 section 5.1.5
  if (last) a.local_pref = kShutDownLocalPref;          // inside the AS the sender says it, not the receiver
  if (is_reflected(source.kind, target.kind)) {
    // RFC 4456 section 8. The first reflector names the originator, each puts its cluster in front.
    if (!a.originator_id) a.originator_id = source.router_id;
    a.cluster_list.insert(a.cluster_list.begin(), identity.cluster_id);
  }
}

ExportRefusal refusal_by_bgp(const AttributeKeys& route, PeerKind source, const ExportTarget& target) {
  if (target.drain == Drain::kWithdrawn || target.drain == Drain::kClosed) return ExportRefusal::kDrained;
  if (route.no_advertise) return ExportRefusal::kToNobody;                                        // RFC 1997
  if (route.no_export && target.kind == PeerKind::kExternal) return ExportRefusal::kToNoOtherAs;  // RFC 1997
  if (route.only_to_customer && target.role && is_served_by_peer(*target.role)) {
    return ExportRefusal::kOnlyToCustomer;  // RFC 9234
  }
  // RFC 4271 section 9.2, but for RFC 4456.
  const bool stays = is_internal(source) && is_internal(target.kind) && !is_reflected(source, target.kind);
  return stays ? ExportRefusal::kInternal : ExportRefusal::kNone;
}

}  // namespace

std::string_view format(ExportRefusal refusal) {
  switch (refusal) {
    case ExportRefusal::kNone: return "told";
    case ExportRefusal::kNoRoute: return "no route of exactly this prefix is in use";
    case ExportRefusal::kOwnRoute: return "the best path came from this peer";
    case ExportRefusal::kDrained: return "this host is being drained";
    case ExportRefusal::kFamily: return "the session does not have this address family";
    case ExportRefusal::kToNobody: return "the route has the community NO_ADVERTISE";
    case ExportRefusal::kToNoOtherAs:
      return "the route has the community NO_EXPORT, and the peer is external";
    case ExportRefusal::kOnlyToCustomer: return "ONLY_TO_CUSTOMER says that it is not for this peer";
    case ExportRefusal::kInternal: return "from an internal peer to another one, without reflection";
    case ExportRefusal::kRules: return "rejected by the export policy";
    case ExportRefusal::kScope: return "no rule accepts it, and without one only own routes are told";
    case ExportRefusal::kIpv6NextHop:
      return "the IPv4 route has an IPv6 next hop, which the session does not take";
    case ExportRefusal::kNextHop: return "this host has no next hop of this address family for the peer";
  }
  return "unknown";
}

ExportRefusal refusal_by_session(const AttributeKeys& route, PeerKind source, Family family,
                                 const ExportTarget& target) {
  if (!target.session.of(family).enabled) return ExportRefusal::kFamily;
  return refusal_by_bgp(route, source, target);
}

ExportRefusal refusal_by_policy(const PolicyOutcome& policy, bool next_hop_is_v6, PeerKind source,
                                Family family, const ExportTarget& target) {
  if (policy.verdict == Verdict::kReject) return ExportRefusal::kRules;
  if (!policy.verdict && !exported_by_default(source, target)) return ExportRefusal::kScope;
  if (sends_next_hop_self(policy, source, target)) {
    return target.next_hop_self[index(family)] ? ExportRefusal::kNone : ExportRefusal::kNextHop;
  }
  return fits_session(next_hop_is_v6, family, target) ? ExportRefusal::kNone : ExportRefusal::kIpv6NextHop;
}

bool may_export(const AttributeKeys& route, PeerKind source, const ExportTarget& target) {
  return refusal_by_bgp(route, source, target) == ExportRefusal::kNone;
}

bool is_exportable(const AttributeKeys& route, PeerKind source, Family family, const ExportTarget& target) {
  return refusal_by_session(route, source, family, target) == ExportRefusal::kNone &&
         refusal_by_policy({}, route.next_hop_is_v6, source, family, target) == ExportRefusal::kNone;
}

PathAttributes exported(PathAttributes a, const RibPeer& source, Family family, const ExportTarget& target,
                        const RibIdentity& identity) {
  send(a, source, family, target, identity, {});
  return a;
}

std::optional<PathAttributes> exported_by_policy(const Prefix& prefix, PathAttributes attributes,
                                                 const RibPeer& source, const ExportTarget& target,
                                                 const RibIdentity& identity) {
  PolicyRoute route{prefix, route_source(source.kind), std::move(attributes)};
  const PolicyOutcome outcome = target.policy->apply(route, target.local_as);
  const Family family = unicast(prefix.family());
  const bool next_hop_is_v6 = route.attributes.next_hop.address.is_v6();
  if (refusal_by_policy(outcome, next_hop_is_v6, source.kind, family, target) != ExportRefusal::kNone) {
    return std::nullopt;
  }
  route.attributes.discard = false;  // how we treat packets is nobody else's business
  send(route.attributes, source, family, target, identity, outcome);
  return std::move(route.attributes);
}

bool holds_sets_as_sent(const ExportTarget& target) {
  return target.policy && target.policy->changes_attributes();
}

PathAttributes as_sent(PathAttributes held, const RibPeer& source, Family family, const ExportTarget& target,
                       const RibIdentity& identity) {
  if (holds_sets_as_sent(target)) return held;
  return exported(std::move(held), source, family, target, identity);
}

}  // namespace towpath::bgp
