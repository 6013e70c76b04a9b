// What becomes of a received route on its way into the RIB: may it be used, and with which attributes.
//
// Model
//   What speaks against all routes of an UPDATE (loops, an unusable next hop) is looked at once; then, prefix
//   by prefix, whether the peer may announce it and what its import policy says. A peer without a policy that
//   reads or changes attributes costs no copy of them.
//
// Ownership: lives for one UPDATE. The attribute sets it hands out hold until the next import() or its end.
// Threading: owned by the loop.
#pragma once

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
  void forget();

  RibTables& tables_;
  const RibPeer& peer_;
  const AttributeId id_;
  PathExclusion exclusion_;
  bool shut_down_;  // RFC 8326: the peer is about to go
  bool changes_;    // import() may hand out another set than id_
  PolicyRoute route_;
  AttributeId changed_;  // the last such set
};

// The route's source as rules name it.
RouteSource route_source(PeerKind kind);

}  // namespace towpath::bgp
