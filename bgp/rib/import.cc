#include "bgp/rib/import.h"

#include <algorithm>
#include <utility>

namespace towpath::bgp {
namespace {

bool is_usable(const NextHop& next_hop, const RibIdentity& identity) {
  const IpAddress& a = next_hop.address;
  if (a.is_unspecified() || a.is_loopback() || a.is_multicast()) return false;
  return std::ranges::find(identity.addresses, a) == identity.addresses.end();
}

// RFC 9234 section 5: nobody whom we serve may pass on what was for customers only, and a peer only what it
// itself has marked.
bool is_leak(const PathAttributes& attributes, const RibPeer& peer) {
  if (!peer.role || !attributes.only_to_customer) return false;
  if (*peer.role == Role::kPeer) return *attributes.only_to_customer != peer.as;
  return serves_peer(*peer.role);
}

// What speaks against all routes with these attributes.
PathExclusion exclusion_of(const PathAttributes& attributes, const NextHop& next_hop, const RibPeer& peer,
                           const RibIdentity& identity) {
  if (is_leak(attributes, peer)) return PathExclusion::kRouteLeak;
  if (!attributes.as_path.begins_with(peer.path_start)) return PathExclusion::kFirstAs;
  if (attributes.as_path.contains(identity.as)) return PathExclusion::kAsLoop;
  if (attributes.originator_id == identity.router_id) return PathExclusion::kOriginatorLoop;
  if (std::ranges::find(attributes.cluster_list, identity.cluster_id) != attributes.cluster_list.end()) {
    return PathExclusion::kClusterLoop;
  }
  return is_usable(next_hop, identity) ? PathExclusion::kNone : PathExclusion::kNextHop;
}

}  // namespace

RouteSource route_source(PeerKind kind) {
  if (kind == PeerKind::kLocal) return RouteSource::kOwn;
  return is_internal(kind) ? RouteSource::kInternal : RouteSource::kExternal;
}

Importer::Importer(RibTables& tables, const RibPeer& peer, const PathAttributes& received,
                   const NextHop& next_hop, AttributeId id)
    : tables_(tables),
      peer_(peer),
      id_(id),
      exclusion_(exclusion_of(received, next_hop, peer, tables.identity)),
      shut_down_(peer.kind == PeerKind::kExternal && received.has(kGracefulShutdown)),
      changes_(shut_down_ || (peer.import_policy && peer.import_policy->changes_attributes())) {
  route_.source = route_source(peer.kind);
  if (changes_ || (peer.import_policy && peer.import_policy->reads_attributes())) {
    route_.attributes = received;
    route_.attributes.next_hop = next_hop;
  }
}

Importer::Result Importer::import(const Prefix& prefix) {
  if (exclusion_ != PathExclusion::kNone) return {id_, exclusion_};
  route_.prefix = prefix;
  if (peer_.authorisation &&
      peer_.authorisation->apply(route_, tables_.identity.as).verdict == Verdict::kReject) {
    return {id_, PathExclusion::kNotAuthorised};
  }
  if (changes_) return change(prefix);
  // RFC 8212: what no rule accepts is not taken.
  const bool accepted =
      peer_.import_policy &&
      peer_.import_policy->apply(route_, tables_.identity.as).verdict.value_or(Verdict::kReject) !=
          Verdict::kReject;
  if (!accepted) return {id_, PathExclusion::kImportRules};
  if (!by_next_hop_) by_next_hop_ = taken(id_).exclusion;
  return {id_, *by_next_hop_};
}

Importer::Result Importer::taken(AttributeId attributes) {
  tables_.attributes.next_hops().use(tables_.attributes.hop(attributes));
  return {attributes, tables_.exclusion_by_next_hop(attributes)};
}

Importer::Result Importer::change(const Prefix& prefix) {
  PolicyRoute route = route_;
  route.prefix = prefix;
  PolicyOutcome outcome;
  if (peer_.import_policy) outcome = peer_.import_policy->apply(route, tables_.identity.as);
  if (outcome.verdict.value_or(Verdict::kReject) == Verdict::kReject) {
    return {id_, PathExclusion::kImportRules};
  }
  if (shut_down_) route.attributes.local_pref = kShutDownLocalPref;
  if (!outcome.changed && !shut_down_) return taken(id_);
  forget();
  changed_ = tables_.attributes.intern(route.attributes, route.attributes.next_hop);
  return taken(changed_);
}

void Importer::forget() {
  if (const AttributeId last = std::exchange(changed_, {})) tables_.attributes.unref(last);
}

}  // namespace towpath::bgp
