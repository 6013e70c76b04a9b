#include "bgp/session/peer_config.h"

#include <gtest/gtest.h>

namespace towpath::bgp {
namespace {

const LocalSpeaker kLocal{AsNumber{65001}, RouterId{1}, RouterId{1}};

PeerConfig external() {
  PeerConfig peer;
  peer.name = "b";
  peer.as = AsNumber{65002};
  return peer;
}

TEST(PeerConfig, OnlyWhatTheSessionWasNegotiatedByNeedsANewOne) {
  struct Case {
    const char* field;
    void (*change)(PeerConfig&);
    bool reset;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"name", [](PeerConfig& p) { p.name = "c"; }, false},
           {"connect_retry", [](PeerConfig& p) { p.connect_retry = std::chrono::seconds(7); }, false},
           {"import", [](PeerConfig& p) { p.import_policy = PolicyPtr({RouteRule{}}); }, false},
           {"export", [](PeerConfig& p) { p.export_scope = ExportScope::kAll; }, false},
           {"next_hop", [](PeerConfig& p) { p.next_hop_self[0] = IpAddress::v4(1); }, false},
           {"as", [](PeerConfig& p) { p.as = AsNumber{65003}; }, true},
           {"port", [](PeerConfig& p) { p.port = 1179; }, true},
           {"local_address", [](PeerConfig& p) { p.local_address = IpAddress::v4(1); }, true},
           {"passive", [](PeerConfig& p) { p.passive = true; }, true},
           {"hold_time", [](PeerConfig& p) { p.hold_time = std::chrono::seconds(30); }, true},
           {"families", [](PeerConfig& p) { p.families[1] = false; }, true},
           {"ttl", [](PeerConfig& p) { p.ttl = 2; }, true},
           {"route_reflector_client", [](PeerConfig& p) { p.route_reflector_client = true; }, true},
       }) {
    PeerConfig changed = external();
    c.change(changed);
    EXPECT_EQ(needs_new_session(external(), changed), c.reset) << c.field;
  }
  EXPECT_FALSE(needs_new_session(external(), external()));
}

TEST(PeerConfig, AnExternalPeerIsOneHopAwayUnlessConfigured) {
  PeerConfig peer = external();
  EXPECT_EQ(packet_ttl(kLocal, peer), 1);
  peer.ttl = 5;
  EXPECT_EQ(packet_ttl(kLocal, peer), 5);
  peer.as = kLocal.as;
  EXPECT_EQ(packet_ttl(kLocal, peer), 5);
  peer.ttl = 0;
  EXPECT_EQ(packet_ttl(kLocal, peer), 0);
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
  EXPECT_EQ(capabilities.graceful_restart->restart_time, kRestartTime);
  ASSERT_TRUE(capabilities.graceful_restart->families[0]);
  EXPECT_TRUE(capabilities.graceful_restart->families[0]->forwarding_preserved);
  EXPECT_FALSE(capabilities.graceful_restart->families[1]);
}

}  // namespace
}  // namespace towpath::bgp
