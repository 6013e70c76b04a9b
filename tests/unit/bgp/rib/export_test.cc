#include "bgp/rib/export.h"

#include <gtest/gtest.h>

#include "rib_fixture.h"

namespace towpath::bgp {
namespace {

constexpr Family kV4 = Family::kIpv4Unicast;
constexpr Family kV6 = Family::kIpv6Unicast;

struct Row {
  PeerKind source;
  PeerKind target;
  bool all;  // with ExportScope::kAll
  bool own;  // with ExportScope::kOwn
  const char* reason;
};

TEST(Export, WhoIsToldWhat) {
  using enum PeerKind;
  const Row rows[] = {{kLocal, kExternal, true, true, "what we originate goes to everyone"},
                      {kLocal, kInternal, true, true, "what we originate goes to everyone"},
                      {kLocal, kClient, true, true, "what we originate goes to everyone"},
                      {kExternal, kExternal, true, false, "transit only when asked for"},
                      {kExternal, kInternal, true, false, "transit only when asked for"},
                      {kExternal, kClient, true, false, "transit only when asked for"},
                      {kInternal, kExternal, true, false, "transit only when asked for"},
                      {kInternal, kInternal, false, false,
                       "RFC 4271 9.2: internal routes are not passed on to internal peers"},
                      {kInternal, kClient, true, true, "RFC 4456 6: from a non-client to clients"},
                      {kClient, kExternal, true, false, "transit only when asked for"},
                      {kClient, kInternal, true, true, "RFC 4456 6: from a client to non-clients"},
                      {kClient, kClient, true, true, "RFC 4456 6: from a client to other clients"}};
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(format(row.source)) + " to " + std::string(format(row.target)) + ": " +
                 row.reason);
    for (const Family family : kAllFamilies) {
      EXPECT_EQ(is_exportable({}, row.source, family, target(row.target, ExportScope::kAll)), row.all);
      EXPECT_EQ(is_exportable({}, row.source, family, target(row.target, ExportScope::kOwn)), row.own);
    }
  }
}

TEST(Export, WellKnownCommunities) {
  PathAttributes a;
  for (const Community c : {kNoExport, kNoExportSubconfed}) {
    a.communities = {c};
    EXPECT_FALSE(is_exportable(AttributeKeys::of(a), PeerKind::kExternal, kV4, target(PeerKind::kExternal)));
    EXPECT_TRUE(is_exportable(AttributeKeys::of(a), PeerKind::kExternal, kV4, target(PeerKind::kInternal)));
  }
  a.communities = {kNoAdvertise};
  EXPECT_FALSE(is_exportable(AttributeKeys::of(a), PeerKind::kExternal, kV4, target(PeerKind::kInternal)));
  EXPECT_FALSE(is_exportable(AttributeKeys::of(a), PeerKind::kLocal, kV4, target(PeerKind::kExternal)));
}

TEST(Export, WhatIsForCustomersGoesToNobodyElse) {
  // RFC 9234 section 5, by our role toward the peer.
  PathAttributes marked;
  marked.only_to_customer = AsNumber{65009};
  struct RoleRow {
    std::optional<Role> role;
    bool told;       // a route with ONLY_TO_CUSTOMER
    bool is_marked;  // one without
  };
  for (const RoleRow& row :
       {RoleRow{std::nullopt, true, false}, RoleRow{Role::kProvider, true, true},
        RoleRow{Role::kRouteServer, true, true}, RoleRow{Role::kPeer, false, true},
        RoleRow{Role::kCustomer, false, false}, RoleRow{Role::kRouteServerClient, false, false}}) {
    SCOPED_TRACE(row.role ? format(*row.role) : "none");
    ExportTarget t = target(PeerKind::kExternal);
    t.role = row.role;
    const RibPeer source = rib_peer("192.0.2.9", PeerKind::kExternal);
    EXPECT_EQ(is_exportable(AttributeKeys::of(marked), PeerKind::kExternal, kV4, t), row.told);
    EXPECT_TRUE(is_exportable({}, PeerKind::kExternal, kV4, t));
    EXPECT_EQ(exported({}, source, kV4, t, identity()).only_to_customer,
              row.is_marked ? std::optional(t.local_as) : std::nullopt);
    EXPECT_EQ(exported(marked, source, kV4, t, identity()).only_to_customer, AsNumber{65009})
        << "set once only";
  }
}

TEST(Export, AHostThatGoesIsUsedLast) {
  // RFC 8326 section 4: the community for other ASes, and inside ours what they make of it.
  ExportTarget t = target(PeerKind::kExternal);
  t.drain = Drain::kAnnounced;
  const RibPeer own = rib_peer("192.0.2.9", PeerKind::kLocal);
  EXPECT_TRUE(is_exportable({}, PeerKind::kLocal, kV4, t));
  EXPECT_TRUE(exported({}, own, kV4, t, identity()).has(kGracefulShutdown));
  EXPECT_FALSE(exported({}, own, kV4, t, identity()).local_pref);
  PathAttributes marked;
  marked.communities = {kGracefulShutdown};
  EXPECT_EQ(exported(marked, own, kV4, t, identity()).communities.size(), 1U) << "once is enough";
  for (const PeerKind kind : {PeerKind::kInternal, PeerKind::kClient}) {
    t = target(kind);
    t.drain = Drain::kAnnounced;
    PathAttributes preferred;
    preferred.local_pref = 300;
    const PathAttributes sent = exported(preferred, own, kV4, t, identity());
    EXPECT_TRUE(sent.has(kGracefulShutdown));
    EXPECT_EQ(sent.local_pref, 0U);
  }
  t.drain = Drain::kWithdrawn;
  for (const PeerKind source : {PeerKind::kLocal, PeerKind::kExternal, PeerKind::kClient}) {
    EXPECT_FALSE(is_exportable({}, source, kV4, t));
    EXPECT_FALSE(may_export({}, source, t)) << "whatever a policy says";
  }
}

TEST(Export, OnlyFamiliesOfTheSessionAndOnlyWithANextHop) {
  ExportTarget t = target(PeerKind::kExternal);
  t.session.families[index(kV6)].enabled = false;
  EXPECT_FALSE(is_exportable({}, PeerKind::kLocal, kV6, t));
  t = target(PeerKind::kExternal);
  t.next_hop_self[index(kV6)].reset();
  EXPECT_FALSE(is_exportable({}, PeerKind::kLocal, kV6, t));
  EXPECT_TRUE(is_exportable({}, PeerKind::kLocal, kV4, t));
  t.kind = PeerKind::kInternal;
  EXPECT_TRUE(is_exportable({}, PeerKind::kExternal, kV6, t)) << "the learned next hop stays";
  t.next_hop_self_to_internal = true;
  EXPECT_FALSE(is_exportable({}, PeerKind::kExternal, kV6, t));
}

// RFC 8950 section 4: the next hop stays as it is, so the route is for those who can read it.
TEST(Export, IPv4RoutesWithIPv6NextHopsAreForPeersThatTakeThem) {
  PathAttributes a = attributes({65001});
  a.next_hop = next_hop("2001:db8:1::1");
  const AttributeKeys keys = AttributeKeys::of(a);
  ExportTarget t = target(PeerKind::kClient);
  const RibPeer source = rib_peer("10.0.0.5", PeerKind::kClient);
  EXPECT_FALSE(is_exportable(keys, PeerKind::kClient, kV4, t));
  EXPECT_TRUE(is_exportable(keys, PeerKind::kClient, kV6, t));
  EXPECT_TRUE(is_exportable(keys, PeerKind::kExternal, kV4, target(PeerKind::kExternal)))
      << "it becomes ours";
  t.policy = accept_all();
  EXPECT_FALSE(exported_by_policy(prefix("10.1.0.0/16"), a, source, t, identity()));
  t.session.extended_next_hop = true;
  EXPECT_TRUE(is_exportable(keys, PeerKind::kClient, kV4, t));
  const auto sent = exported_by_policy(prefix("10.1.0.0/16"), a, source, t, identity());
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->next_hop, a.next_hop);
}

PathAttributes learned() {
  PathAttributes a = attributes({65001});
  a.next_hop = next_hop("198.51.100.1");
  a.med = 50;
  a.local_pref = 300;
  a.unknown = {{0x80, 99, {}}, {0xC0, 100, {std::byte{1}}}};
  return a;
}

PathAttributes sent(PathAttributes a, PeerKind from, PeerKind to) {
  return exported(std::move(a), rib_peer("10.0.0.5", from), kV4, target(to), identity());
}

TEST(Export, TowardExternalPeers) {
  PathAttributes a = learned();
  a.originator_id = RouterId{7};
  a.cluster_list = {{8}};
  a = sent(std::move(a), PeerKind::kInternal, PeerKind::kExternal);
  EXPECT_EQ(a.as_path, as_path({65000, 65001})) << "RFC 4271 5.1.2";
  EXPECT_EQ(a.next_hop, next_hop("192.0.2.1")) << "RFC 4271 5.1.3";
  EXPECT_FALSE(a.med) << "RFC 4271 5.1.4";
  EXPECT_FALSE(a.local_pref) << "RFC 4271 5.1.5";
  EXPECT_FALSE(a.originator_id);
  EXPECT_TRUE(a.cluster_list.empty());
  ASSERT_EQ(a.unknown.size(), 1U) << "RFC 4271 5: only transitive ones go on";
  EXPECT_EQ(a.unknown[0].flags, 0xE0) << "RFC 4271 5: with the Partial bit";
}

TEST(Export, OurOwnRoutesKeepTheirMed) {
  PathAttributes a;
  a.med = 5;
  EXPECT_EQ(sent(a, PeerKind::kLocal, PeerKind::kExternal).med, 5U);
  EXPECT_EQ(sent(a, PeerKind::kLocal, PeerKind::kExternal).as_path, as_path({65000}));
  const PathAttributes inside = sent(a, PeerKind::kLocal, PeerKind::kInternal);
  EXPECT_TRUE(inside.as_path.segments.empty());
  EXPECT_EQ(inside.local_pref, 100U);
  EXPECT_EQ(inside.next_hop, next_hop("192.0.2.1"));
  EXPECT_FALSE(inside.originator_id) << "nothing is reflected here";
}

TEST(Export, ExternalRoutesTowardInternalPeers) {
  PathAttributes a = learned();
  a.local_pref.reset();
  const PathAttributes out = sent(a, PeerKind::kExternal, PeerKind::kClient);
  EXPECT_EQ(out.as_path, a.as_path) << "RFC 4271 5.1.2: nothing is prepended inside the AS";
  EXPECT_EQ(out.next_hop, a.next_hop) << "RFC 4271 5.1.3";
  EXPECT_EQ(out.med, 50U);
  EXPECT_EQ(out.local_pref, 100U) << "RFC 4271 5.1.5";
  EXPECT_FALSE(out.originator_id) << "RFC 4456: an external route is not reflected";
  ExportTarget t = target(PeerKind::kInternal);
  t.next_hop_self_to_internal = true;
  EXPECT_EQ(exported(a, rib_peer("10.0.0.5", PeerKind::kExternal), kV4, t, identity()).next_hop,
            next_hop("192.0.2.1"));
}

TEST(Export, ReflectedRoutes) {
  const PathAttributes out = sent(learned(), PeerKind::kClient, PeerKind::kInternal);
  EXPECT_EQ(out.originator_id, rib_peer("10.0.0.5", PeerKind::kClient).router_id) << "RFC 4456 8";
  EXPECT_EQ(out.cluster_list, (std::vector<RouterId>{{0x0A000001}})) << "RFC 4456 8";
  EXPECT_EQ(out.next_hop, next_hop("198.51.100.1")) << "RFC 4456 10";
  EXPECT_EQ(out.local_pref, 300U);
  PathAttributes again = learned();
  again.originator_id = RouterId{7};
  again.cluster_list = {{8}};
  again = sent(again, PeerKind::kInternal, PeerKind::kClient);
  EXPECT_EQ(again.originator_id, RouterId{7}) << "RFC 4456 8: set once, by the first reflector";
  EXPECT_EQ(again.cluster_list, (std::vector<RouterId>{{0x0A000001}, {8}}))
      << "RFC 4456 8: each one prepends";
}

}  // namespace
}  // namespace towpath::bgp
