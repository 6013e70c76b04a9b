// What becomes of a received route on its way into the RIB: may it be used, and with which attributes.
//
// Model
//   What speaks against all routes of an UPDATE (loops, an unusable next hop) is looked at once; then, prefix
//   by prefix, whether the peer may announce it, what its import policy says, and whether the next hop that
//   is left can be reached. A peer without a policy that reads or changes attributes costs no copy of them.
//
// Ownership: lives for one UPDATE. The attribute sets it hands out hold until the next import() or its end.
// Threading: owned by the loop.
#pragma once

#include <optional>

#include "bgp/rib/tables.h"

namespace towpath::bgp {

class Importer {
 public:
  // `id` is the set of `received` and `next_hop`; attributes.next_hop is not looked at.
  Importer(RibTables& tables, const RibPeer& peer, const PathAttributes& received, const NextHop& next_hop,
           AttributeId id);
  ~Importer() { forget(); }
  Importer(const Importer&) = delete;
  Importer& operator=(const Importer&) = delete;

  struct Result {
    AttributeId attributes;
    PathExclusion exclusion = PathExclusion::kNone;
  };
  Result import(const Prefix& prefix);

 private:
  Result change(const Prefix& prefix);
  Result taken(AttributeId attributes);
  void forget();

  RibTables& tables_;
  const RibPeer& peer_;
  const AttributeId id_;
  PathExclusion exclusion_;                   // of all prefixes
  std::optional<PathExclusion> by_next_hop_;  // of what is taken as it came; looked at once
  bool shut_down_;                            // RFC 8326: the peer is about to go
  bool changes_;                              // import() may hand out another set than id_
  PolicyRoute route_;
  AttributeId changed_;  // the last such set
};

// The route's source as rules name it.
RouteSource route_source(PeerKind kind);

}  // namespace towpath::bgp
