#include "bgp/wire/session_parameters.h"

#include <gtest/gtest.h>

namespace towpath::bgp {
namespace {

constexpr auto kV4 = index(Family::kIpv4Unicast);
constexpr auto kV6 = index(Family::kIpv6Unicast);

struct Sides {
  OpenMessage ours{AsNumber{65001}, 9, RouterId{1}, {}};
  OpenMessage theirs{AsNumber{65002}, 9, RouterId{2}, {}};
  SessionParameters negotiated() const { return negotiate(ours, theirs); }
};

TEST(Negotiate, WithoutCapabilitiesIpv4IsImplied) {
  const SessionParameters session = Sides().negotiated();
  EXPECT_TRUE(session.families[kV4].enabled);
  EXPECT_FALSE(session.families[kV6].enabled);
  EXPECT_FALSE(session.four_octet_as);
  EXPECT_EQ(session.max_receive, 4096U);
  EXPECT_EQ(session.max_send, 4096U);
}

TEST(Negotiate, MultiprotocolForIpv6AloneSwitchesIpv4Off) {
  Sides sides;
  sides.ours.capabilities.multiprotocol = {true, true};
  sides.theirs.capabilities.multiprotocol = {false, true};
  EXPECT_FALSE(sides.negotiated().families[kV4].enabled);
  EXPECT_TRUE(sides.negotiated().families[kV6].enabled);
}

TEST(Negotiate, MultiprotocolForAFamilyWeDoNotRouteSwitchesIpv4OffToo) {
  Sides sides;
  sides.theirs.capabilities.other.push_back({1, {std::byte{0}, std::byte{25}, std::byte{0}, std::byte{70}}});
  EXPECT_FALSE(sides.negotiated().families[kV4].enabled);
}

TEST(Negotiate, PeerTypeFollowsTheRealAs) {
  Sides sides;
  EXPECT_EQ(sides.negotiated().peer_type, PeerType::kExternal);
  sides.theirs.as = sides.ours.as;
  EXPECT_EQ(sides.negotiated().peer_type, PeerType::kInternal);
}

TEST(Negotiate, FourOctetsAndExtendedNextHopNeedBoth) {
  Sides sides;
  sides.ours.capabilities.four_octet_as = AsNumber{65001};
  sides.ours.capabilities.extended_next_hop = true;
  EXPECT_FALSE(sides.negotiated().four_octet_as);
  EXPECT_FALSE(sides.negotiated().extended_next_hop);
  sides.theirs.capabilities.four_octet_as = AsNumber{65002};
  sides.theirs.capabilities.extended_next_hop = true;
  EXPECT_TRUE(sides.negotiated().four_octet_as);
  EXPECT_TRUE(sides.negotiated().extended_next_hop);
}

TEST(Negotiate, ExtendedMessagesAreAsymmetric) {
  Sides sides;
  sides.ours.capabilities.extended_message = true;
  EXPECT_EQ(sides.negotiated().max_receive, 65535U) << "we must take what we announced";
  EXPECT_EQ(sides.negotiated().max_send, 4096U) << "the peer announced nothing";
  std::swap(sides.ours.capabilities, sides.theirs.capabilities);
  EXPECT_EQ(sides.negotiated().max_receive, 4096U);
  EXPECT_EQ(sides.negotiated().max_send, 4096U) << "FRR refuses them from a peer that announced nothing";
  sides.ours.capabilities.extended_message = true;
  EXPECT_EQ(sides.negotiated().max_receive, 65535U);
  EXPECT_EQ(sides.negotiated().max_send, 65535U);
}

TEST(Negotiate, AddPathNeedsASenderAndAReceiver) {
  for (unsigned ours = 0; ours < 4; ++ours) {
    for (unsigned theirs = 0; theirs < 4; ++theirs) {
      Sides sides;
      sides.ours.capabilities.add_path[kV6] = static_cast<AddPathMode>(ours);
      sides.theirs.capabilities.add_path[kV6] = static_cast<AddPathMode>(theirs);
      const SessionParameters session = sides.negotiated();
      EXPECT_EQ(session.families[kV6].add_path_receive, (ours & 1) != 0 && (theirs & 2) != 0)
          << ours << theirs;
      EXPECT_EQ(session.families[kV6].add_path_send, (ours & 2) != 0 && (theirs & 1) != 0) << ours << theirs;
      EXPECT_FALSE(session.families[kV4].add_path_receive || session.families[kV4].add_path_send);
    }
  }
}

}  // namespace
}  // namespace towpath::bgp
