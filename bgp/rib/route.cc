#include "bgp/rib/route.h"

namespace towpath::bgp {

std::string_view format(PeerKind kind) {
  switch (kind) {
    case PeerKind::kLocal: return "local";
    case PeerKind::kExternal: return "external";
    case PeerKind::kInternal: return "internal";
    case PeerKind::kClient: return "client";
  }
  return "unknown";
}

std::string_view format(PathExclusion exclusion) {
  switch (exclusion) {
    case PathExclusion::kNone: return "used";
    case PathExclusion::kImportRules: return "rejected by the import policy";
    case PathExclusion::kNotAuthorised: return "the peer may not announce this prefix";
    case PathExclusion::kRouteLeak: return "a route leak: ONLY_TO_CUSTOMER says that it is not for us";
    case PathExclusion::kFirstAs: return "AS_PATH does not begin with the peer's AS";
    case PathExclusion::kAsLoop: return "our AS is in AS_PATH";
    case PathExclusion::kOriginatorLoop: return "we are the originator";
    case PathExclusion::kClusterLoop: return "our cluster id is in CLUSTER_LIST";
    case PathExclusion::kNextHop: return "next hop not usable";
    case PathExclusion::kUnreachable: return "no route to the next hop";
  }
  return "unknown";
}

std::string_view format(DecisionRung rung) {
  switch (rung) {
    case DecisionRung::kLocal: return "originated here";
    case DecisionRung::kLocalPref: return "local preference";
    case DecisionRung::kAsPathLength: return "AS path length";
    case DecisionRung::kOrigin: return "origin";
    case DecisionRung::kMed: return "MED";
    case DecisionRung::kExternal: return "external over internal";
    case DecisionRung::kIgpMetric: return "metric of the next hop";
    case DecisionRung::kRouterId: return "router id";
    case DecisionRung::kClusterListLength: return "cluster list length";
    case DecisionRung::kPeerAddress: return "peer address";
    case DecisionRung::kPathId: return "path id";
    case DecisionRung::kSame: return "no difference";
  }
  return "unknown";
}

}  // namespace towpath::bgp
