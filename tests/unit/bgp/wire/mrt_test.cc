// MRT records against the figures of RFC 6396 section 4.3 and RFC 8050, octet by octet.
#include "towpath/bgp/mrt.h"

#include <gtest/gtest.h>

#include "tests/unit/bgp/wire/wire_bytes.h"

namespace towpath::bgp {
namespace {

using namespace test;

constexpr std::uint32_t kTime = 0x65000001;

PathAttributes attributes(const char* next_hop) {
  PathAttributes out;
  out.as_path.segments = {{SegmentType::kSequence, {AsNumber{65001}, AsNumber{4200000001}}}};
  out.next_hop.address = address(next_hop);
  return out;
}

TEST(Mrt, TableOfPeers) {
  const MrtPeer peers[] = {{RouterId{0xC0000201}, address("0.0.0.0"), AsNumber{64512}},
                           {RouterId{0xC0000202}, address("2001:db8::2"), AsNumber{4200000001}}};
  Bytes out;
  append_mrt_peers(kTime, RouterId{0xC0000201}, "all", peers, out);
  EXPECT_EQ(hex(out), hex(bytes("65000001 000d 0001 00000031"
                                "c0000201 0003 616c6c 0002"
                                "02 c0000201 00000000 0000fc00"
                                "03 c0000202 20010db8000000000000000000000002 fa56ea01")));
}

TEST(Mrt, Ipv4RouteHasItsNextHopInItsPlace) {
  const PathAttributes one = attributes("192.0.2.1");
  const MrtPath paths[] = {{.peer = 1, .originated = 0x64ffffff, .attributes = &one}};
  Bytes out;
  append_mrt_route(kTime, 7, prefix("10.64.1.0/26"), paths, out);
  EXPECT_EQ(hex(out), hex(bytes("65000001 000d 0002 0000002b"
                                "00000007 1a 0a400100 0001"
                                "0001 64ffffff 0018"
                                "40 01 01 00"
                                "40 02 0a 02 02 0000fde9 fa56ea01"
                                "40 03 04 c0000201")));
}

TEST(Mrt, Ipv6RouteHasTheNextHopAloneInMpReach) {
  PathAttributes one = attributes("2001:db8::1");
  one.as_path.segments.clear();
  one.next_hop.link_local = address("fe80::1");
  const MrtPath paths[] = {{.peer = 0, .originated = 1, .attributes = &one}};
  Bytes out;
  append_mrt_route(kTime, 0, prefix("fd00::/16"), paths, out);
  EXPECT_EQ(hex(out),
            hex(bytes("65000001 000d 0004 0000003c"
                      "00000000 10 fd00 0001"
                      "0000 00000001 002b"
                      "80 0e 21 20 20010db8000000000000000000000001 fe800000000000000000000000000001"
                      "40 01 01 00"
                      "40 02 00")));
}

TEST(Mrt, PathIdentifiersMakeAllEntriesOfTheRecordHaveThem) {
  const PathAttributes one = attributes("192.0.2.1");
  const PathAttributes other = attributes("2001:db8::1");  // IPv4 over IPv6, RFC 8950
  const MrtPath paths[] = {{.peer = 1, .originated = 1, .path_id = 9, .attributes = &one},
                           {.peer = 2, .originated = 2, .attributes = &other}};
  Bytes out;
  append_mrt_route(kTime, 0, prefix("0.0.0.0/0"), paths, out);
  EXPECT_EQ(hex(out), hex(bytes("65000001 000d 0008 0000005c"
                                "00000000 00 0002"
                                "0001 00000001 00000009 0018"
                                "40 01 01 00 40 02 0a 02 02 0000fde9 fa56ea01 40 03 04 c0000201"
                                "0002 00000002 00000000 0025"
                                "80 0e 11 10 20010db8000000000000000000000001"
                                "40 01 01 00 40 02 0a 02 02 0000fde9 fa56ea01")));
}

TEST(Mrt, ARouteOfOurOwnHasTheUnspecifiedNextHopOfItsFamily) {
  const PathAttributes own;
  const MrtPath paths[] = {{.peer = 0, .originated = 1, .attributes = &own}};
  Bytes ipv4;
  append_mrt_route(kTime, 0, prefix("10.0.0.0/8"), paths, ipv4);
  EXPECT_NE(hex(ipv4).find(hex(bytes("40030400000000"))), std::string::npos) << hex(ipv4);
  Bytes ipv6;
  append_mrt_route(kTime, 0, prefix("fd00::/8"), paths, ipv6);
  EXPECT_NE(hex(ipv6).find(hex(bytes("800e1110" + std::string(32, '0')))), std::string::npos) << hex(ipv6);
}

}  // namespace
}  // namespace towpath::bgp
