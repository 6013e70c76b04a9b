#include "bgp/session/peer_config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

namespace towpath::bgp {
namespace {

const LocalSpeaker kLocal{AsNumber{65001}, RouterId{1}, RouterId{1}};

PeerConfig external() {
  PeerConfig peer;
  peer.name = "b";
  peer.as = AsNumber{65002};
  return peer;
}

TEST(PeerConfig, EachFieldHasOneEffect) {
  struct Case {
    const char* key;
    void (*change)(PeerConfig&);
    ChangeEffect effect;
  };
  using enum ChangeEffect;
  const std::initializer_list<Case> cases{
      {"name", [](PeerConfig& p) { p.name = "c"; }, kLive},
      {"as", [](PeerConfig& p) { p.as = AsNumber{65003}; }, kReset},
      {"local_as", [](PeerConfig& p) { p.local_as = LocalAs{AsNumber{65009}}; }, kReset},
      {"port", [](PeerConfig& p) { p.port = 1179; }, kReset},
      {"local_address", [](PeerConfig& p) { p.local_address = IpAddress::v4(1); }, kReset},
      {"passive", [](PeerConfig& p) { p.passive = true; }, kReset},
      {"hold_time", [](PeerConfig& p) { p.hold_time = std::chrono::seconds(30); }, kReset},
      {"send_hold_time", [](PeerConfig& p) { p.send_hold_time = std::chrono::seconds(30); }, kLive},
      {"connect_retry", [](PeerConfig& p) { p.connect_retry = std::chrono::seconds(7); }, kLive},
      {"families", [](PeerConfig& p) { p.families[1] = false; }, kReset},
      {"next_hop", [](PeerConfig& p) { p.next_hop_self[0] = IpAddress::v4(1); }, kRefresh},
      {"ttl", [](PeerConfig& p) { p.ttl = 2; }, kReset},
      {"ttl_security", [](PeerConfig& p) { p.ttl_security = 1; }, kReset},
      {"md5_key_file", [](PeerConfig& p) { p.md5 = Md5Key{"/key", "secret", ""}; }, kReset},
      {"md5_rekey", [](PeerConfig& p) { p.md5_rekey = Md5Rekey::kLive; }, kLive},
      {"extended_messages", [](PeerConfig& p) { p.extended_messages = true; }, kReset},
      {"extended_next_hop", [](PeerConfig& p) { p.extended_next_hop = true; }, kReset},
      {"add_path", [](PeerConfig& p) { p.add_path = AddPathMode::kReceive; }, kReset},
      {"add_path_limit", [](PeerConfig& p) { p.add_path_limit = 2; }, kRefresh},
      {"maximum_prefixes", [](PeerConfig& p) { p.maximum_prefixes.limits[0] = 5; }, kLive},
      {"restart_time", [](PeerConfig& p) { p.restart_time = std::chrono::seconds(1); }, kReset},
      {"role", [](PeerConfig& p) { p.role = Role::kPeer; }, kReset},
      {"role_strict", [](PeerConfig& p) { p.role_strict = true; }, kReset},
      {"shutdown", [](PeerConfig& p) { p.shutdown = "why"; }, kReset},
      {"route_reflector_client", [](PeerConfig& p) { p.route_reflector_client = true; }, kReset},
      {"enforce_first_as", [](PeerConfig& p) { p.enforce_first_as = false; }, kRefresh},
      {"export", [](PeerConfig& p) { p.export_scope = ExportScope::kAll; }, kRefresh},
      {"import", [](PeerConfig& p) { p.import_policy = PolicyPtr({RouteRule{}}); }, kRefresh},
      {"blocks", [](PeerConfig& p) { p.authorisation = PolicyPtr({RouteRule{}}); }, kRefresh},
  };
  for (const PeerField& field : peer_fields()) {
    const auto* found = std::ranges::find(cases, field.key, &Case::key);
    ASSERT_NE(found, cases.end()) << field.key << " has no row here";
    PeerConfig changed = external();
    found->change(changed);
    EXPECT_TRUE(field.differs(external(), changed)) << field.key;
    EXPECT_EQ(field.effect, found->effect) << field.key;
    EXPECT_EQ(needs_new_session(external(), changed), found->effect == kReset) << field.key;
  }
  EXPECT_EQ(peer_fields().size(), cases.size());
  EXPECT_FALSE(needs_new_session(external(), external()));
}

// docs/configuration.md has the same table, row by row.
TEST(PeerConfig, TheDocumentedEffectsAreThoseOfTheCode) {
  std::ifstream page(TOWPATH_CONFIGURATION_PAGE);
  std::vector<std::string> documented;
  bool in_table = false;
  for (std::string line; std::getline(page, line);) {
    in_table = in_table ? line.starts_with("|") : line == "| key | effect |";
    if (in_table && line.starts_with("| `")) documented.push_back(line);
  }
  std::vector<std::string> expected;
  for (const PeerField& field : peer_fields()) {
    expected.push_back("| `" + std::string(field.key) + "` | " + std::string(format(field.effect)) + " |");
  }
  EXPECT_EQ(documented, expected);
}

TEST(PeerConfig, AnExternalPeerIsOneHopAwayUnlessConfigured) {
  PeerConfig peer = external();
  EXPECT_EQ(hop_limits(kLocal, peer), (HopLimits{1, 0}));
  peer.ttl = 5;
  EXPECT_EQ(hop_limits(kLocal, peer), (HopLimits{5, 0}));
  peer.as = kLocal.as;
  EXPECT_EQ(hop_limits(kLocal, peer), (HopLimits{5, 0}));
  peer.ttl = 0;
  EXPECT_EQ(hop_limits(kLocal, peer), (HopLimits{0, 0}));
}

TEST(PeerConfig, TtlSecurityCountsHops) {
  PeerConfig peer = external();
  peer.ttl_security = 1;
  EXPECT_EQ(hop_limits(kLocal, peer), (HopLimits{255, 255}));
  peer.ttl_security = 3;
  EXPECT_EQ(hop_limits(kLocal, peer), (HopLimits{255, 253}));
}

TEST(PeerConfig, TheOpenNamesTheAsThatThePeerKnows) {
  PeerConfig peer = external();
  peer.local_as = LocalAs{AsNumber{65009}};
  const auto settings = session_settings(kLocal, peer, {});
  EXPECT_EQ(settings.open.as.value, 65009U);
  EXPECT_EQ(settings.open.capabilities.four_octet_as->value, 65009U);
}

TEST(PeerConfig, PathsBeginWithThePeersAsBehindOurLocalAs) {
  const AsNumber as{65002};
  using Start = std::vector<AsNumber>;
  PeerConfig peer = external();
  EXPECT_EQ(path_start(kLocal, peer, as), Start{as});
  peer.local_as = LocalAs{AsNumber{65009}};
  EXPECT_EQ(path_start(kLocal, peer, as), (Start{AsNumber{65009}, as}));
  peer.local_as->no_prepend = true;
  EXPECT_EQ(path_start(kLocal, peer, as), Start{as});
  peer.role = Role::kRouteServerClient;
  EXPECT_EQ(path_start(kLocal, peer, as), Start{}) << "a route server does not add its own";
  peer.role.reset();
  peer.enforce_first_as = false;
  EXPECT_EQ(path_start(kLocal, peer, as), Start{});
  PeerConfig internal = external();
  internal.as = PeerAs::internal();
  EXPECT_EQ(path_start(kLocal, internal, kLocal.as), Start{});
}

TEST(PeerConfig, ARoleIsToldToExternalPeersOnly) {
  PeerConfig peer = external();
  peer.role = Role::kCustomer;
  EXPECT_EQ(session_settings(kLocal, peer, {}).open.capabilities.role, Role::kCustomer);
  peer.as = PeerAs::internal();
  EXPECT_EQ(session_settings(kLocal, peer, {}).open.capabilities.role, std::nullopt);
}

TEST(PeerConfig, WithoutARestartTimeWeOnlyHelpOthers) {
  PeerConfig peer = external();
  peer.restart_time = std::chrono::seconds(0);
  const auto restart = session_settings(kLocal, peer, {}).open.capabilities.graceful_restart;
  ASSERT_TRUE(restart);
  EXPECT_FALSE(restart->families[0] || restart->families[1]);
}

TEST(PeerConfig, KindFollowsTheAs) {
  PeerConfig peer = external();
  EXPECT_EQ(peer_kind(kLocal, peer), PeerKind::kExternal);
  peer.as = kLocal.as;
  EXPECT_EQ(peer_kind(kLocal, peer), PeerKind::kInternal);
  peer.route_reflector_client = true;
  EXPECT_EQ(peer_kind(kLocal, peer), PeerKind::kClient);
}

TEST(PeerConfig, TheOpenAnnouncesWhatIsConfigured) {
  PeerConfig peer = external();
  peer.families = {true, false};
  peer.hold_time = std::chrono::seconds(30);
  const auto settings = session_settings(kLocal, peer, {.restarting = true, .forwarding_preserved = true});
  EXPECT_EQ(settings.peer_as, peer.as);
  EXPECT_EQ(settings.open.as, kLocal.as);
  EXPECT_EQ(settings.open.hold_time, 30);
  const Capabilities& capabilities = settings.open.capabilities;
  EXPECT_TRUE(capabilities.multiprotocol[0]);
  EXPECT_FALSE(capabilities.multiprotocol[1]);
  EXPECT_EQ(capabilities.four_octet_as, kLocal.as);
  ASSERT_TRUE(capabilities.graceful_restart);
  EXPECT_TRUE(capabilities.graceful_restart->restarting);
  EXPECT_EQ(capabilities.graceful_restart->restart_time, peer.restart_time);
  ASSERT_TRUE(capabilities.graceful_restart->families[0]);
  EXPECT_TRUE(capabilities.graceful_restart->families[0]->forwarding_preserved);
  EXPECT_FALSE(capabilities.graceful_restart->families[1]);
}

}  // namespace
}  // namespace towpath::bgp
