// Writes the seeds of the corpus bgp_decode: sound messages of every kind from our encoder, and broken ones
// by hand.
//
// usage: bgp_decode_seeds DIRECTORY
#include <cstdio>
#include <fstream>
#include <string>

#include "wire_bytes.h"

namespace towpath::bgp::test {
namespace {

// Session flags as bgp_decode.cc reads them.
constexpr unsigned kFourOctet = 0x01;
constexpr unsigned kExtendedNextHop = 0x02;
constexpr unsigned kInternal = 0x04;
constexpr unsigned kExtendedMessages = 0x08;
constexpr unsigned kAddPath = 0x10;
constexpr unsigned kConfederation = 0x80;

std::string g_directory;
bool g_failed = false;

void seed(const char* name, unsigned flags, const Bytes& stream) {
  const Bytes file = Bytes{static_cast<std::byte>(flags), std::byte{16}} + stream;
  std::ofstream out(g_directory + "/" + name, std::ios::binary);
  out.write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
  if (!out.flush()) g_failed = true;
}

void update_seed(const char* name, unsigned flags, const Bytes& withdrawn, const Bytes& attributes,
                 const Bytes& nlri) {
  seed(name, flags, message(MessageType::kUpdate, update_body(withdrawn, attributes, nlri)));
}

// An attribute beside the mandatory ones of an internal peer.
void attribute_seed(const char* name, const char* attributes) {
  update_seed(name, kFourOctet | kInternal, {}, mandatory() + local_pref() + bytes(attributes), nlri());
}

Bytes open_message(const char* rest) {
  return message(MessageType::kOpen, bytes("04 fde8 0009 c0000201") + bytes(rest));
}

void write_opens() {
  seed("open-plain", 0, open_message("00"));
  OpenMessage open{AsNumber{4200000000}, 9, RouterId{1}, {}};
  Capabilities& c = open.capabilities;
  c.multiprotocol = {true, true};
  c.route_refresh = c.enhanced_route_refresh = c.extended_message = c.extended_next_hop = true;
  c.role = Role::kPeer;
  c.four_octet_as = open.as;
  c.add_path = {AddPathMode::kBoth, AddPathMode::kSend};
  c.graceful_restart.emplace().families[0].emplace();
  c.long_lived_graceful_restart.emplace().families[1].emplace();
  c.other = {{73, bytes("0268310000")}};
  Bytes out;
  if (!encode_open(open, out)) g_failed = true;
  seed("open-all-capabilities", 0, out);
  c.other.push_back({200, Bytes(255)});
  out.clear();
  if (!encode_open(open, out)) g_failed = true;
  seed("open-extended-parameters", 0, out);
  seed("open-many-parameters", 0, open_message("0e 02 06 010400010001 02 02 0200 02 00"));
  seed("open-cut-parameter", 0, open_message("03 02 05 00"));
  seed("open-cut-capability", 0, open_message("04 02 02 41 04"));
  seed("open-as-zero", 0, open_message("08 02 06 41 04 00000000"));
  seed("open-unknown-parameter", 0, open_message("02 c8 00"));
  seed("open-two-roles", 0, open_message("08 02 06 09 01 03 09 01 00"));
  seed("open-version", 0, message(MessageType::kOpen, bytes("03 fde8 0009 c0000201 00")));
}

void write_small_messages() {
  seed("keepalives", 0, repeat(message(MessageType::kKeepalive, {}), 20));
  seed("notification-shutdown", 0, message(MessageType::kNotification, bytes("06 02 05 68656c6c6f")));
  seed("notification-hard-reset", 0, message(MessageType::kNotification, bytes("06 09 06 02 02 6869")));
  seed("notification-controls", 0, message(MessageType::kNotification, bytes("06 04 06 1b5b33c3a9e2")));
  seed("refresh", 0, message(MessageType::kRouteRefresh, bytes("0002 01 01")));
  seed("refresh-wrong-length", 0, message(MessageType::kRouteRefresh, bytes("0002 01")));
  seed("refresh-unknown-subtype", 0, message(MessageType::kRouteRefresh, bytes("0002 09 01 00")));
  seed("header-marker", 0, Bytes(19));
  seed("header-length", 0, Bytes(16, std::byte{0xFF}) + bytes("0012 04"));
  seed("header-type", 0, Bytes(16, std::byte{0xFF}) + bytes("0013 09"));
}

void write_updates() {
  update_seed("end-of-rib-ipv4", kFourOctet, {}, {}, {});
  update_seed("end-of-rib-ipv6", kFourOctet, {}, bytes("90 0f 0003 0002 01"), {});
  update_seed("announce-ipv4", kFourOctet, {}, mandatory(), nlri() + bytes("00 20 0a010203"));
  update_seed("withdraw-ipv4", kFourOctet, bytes("08 0a 00"), {}, {});
  update_seed("announce-ipv6", kFourOctet, {}, mp_reach() + origin() + as_path(), {});
  update_seed("withdraw-ipv6", kFourOctet, {}, bytes("90 0f 000a 0002 01 30 20010db80002"), {});
  update_seed("all-four-parts", kFourOctet, bytes("08 0a"),
              mp_reach() + mandatory() + bytes("80 0f 04 0002 01 00"), nlri());
  update_seed(
      "two-next-hops", kFourOctet, {},
      bytes("90 0e 0026 0002 01 20 20010db8000000000000000000000001 fe800000000000000000000000000001 00 00") +
          origin() + as_path(),
      {});
  update_seed(
      "ipv4-over-ipv6", kFourOctet | kExtendedNextHop, {},
      bytes("90 0e 0018 0001 01 10 20010db8000000000000000000000001 00 10 0a01") + origin() + as_path(), {});
  update_seed("ipv4-in-mp-reach", kFourOctet, {},
              bytes("90 0e 000c 0001 01 04 c0000201 00 10 0a01") + origin() + as_path(), {});
  update_seed("add-path", kFourOctet | kAddPath, bytes("00000007 10 0a02"), mandatory(),
              bytes("00000001 10 0a01 ffffffff 10 0a01"));
  update_seed("two-octet", 0, {},
              origin() + bytes("40 02 06 02 02 fde9 5ba0") + next_hop() +
                  bytes("c0 07 06 5ba0 00000001 c0 11 06 02 01 00010001 c0 12 08 00010001 00000001"),
              nlri());
  update_seed("two-octet-set", 0, {},
              origin() + bytes("40 02 0a 02 01 fde9 01 02 5ba0 0007") + next_hop() +
                  bytes("c0 11 0a 01 02 00010001 00000007"),
              nlri());
  update_seed("confederation", kFourOctet | kConfederation, {},
              origin() + bytes("40 02 0c 03 01 0000fde9 02 01 0000fdea") + next_hop(), nlri());
  update_seed("extended-message", kFourOctet | kExtendedMessages, {},
              mandatory() + attribute(0xD0, 8, repeat(bytes("ffffff01"), 1500)), nlri());
  attribute_seed(
      "every-attribute",
      "80 04 04 00000032 40 06 00 c0 07 08 fa56ea00 c0000203 c0 08 08 ffffff01 fde80001 80 09 04 c0000204"
      "80 0a 08 00000001 00000002 c0 10 08 0002fde800000064 c0 19 14 0000000000000000000000000000000000000000"
      "c0 20 18 000000010000000200000003 000000010000000200000003 c0 23 04 0000fde9 e0 ff 01 00");
}

void write_broken_updates() {
  attribute_seed("unknown-well-known", "40 63 00");
  attribute_seed("unknown-non-transitive", "80 63 01 00");
  attribute_seed("overrun", "80 04 ff 00");
  attribute_seed("one-octet-left", "80");
  attribute_seed("repeated", "40 01 01 02 c0 63 00 c0 63 00");
  attribute_seed("bad-med", "80 04 03 000001");
  attribute_seed("bad-flags", "40 08 04 00000001");
  attribute_seed("long-form", "d0 23 0004 0000fde9");
  attribute_seed("aggregator-as-zero", "c0 07 08 00000000 00000001");
  update_seed("missing-everything", kFourOctet, {}, {}, nlri());
  update_seed("no-route-to-withdraw", kFourOctet, {}, mandatory() + bytes("80 04 00"), {});
  update_seed("local-pref-from-outside", kFourOctet, {}, mandatory() + local_pref(), nlri());
  update_seed("prefix-too-long", kFourOctet, {}, mandatory(), bytes("21 0a01020304"));
  update_seed("prefix-cut", kFourOctet, {}, mandatory(), bytes("20 0a01"));
  update_seed("prefix-trailing-bits", kFourOctet, bytes("09 0aff"), mandatory(), bytes("04 ff"));
  update_seed("mp-twice", kFourOctet, {}, mp_reach() + mp_reach(), {});
  update_seed("mp-next-hop-length", kFourOctet, {}, bytes("80 0e 0a 0002 01 04 c0000201 00 00"), {});
  update_seed("mp-unknown-family", kFourOctet, {}, bytes("80 0e 0a 0019 46 04 c0000201 00 00"), {});
  update_seed("segment-empty", kFourOctet, {}, origin() + bytes("40 02 02 02 00") + next_hop(), nlri());
  update_seed("segment-overrun", kFourOctet, {}, origin() + bytes("40 02 06 02 09 0000fde9") + next_hop(),
              nlri());
  seed("lengths-exceed", kFourOctet, message(MessageType::kUpdate, bytes("ffff 0000")));
}

void write_session() {
  Bytes stream = open_message("00") + message(MessageType::kKeepalive, {});
  PathAttributes attributes;
  attributes.as_path.prepend(AsNumber{65001}, 3);
  EncodedAttributes encoded;
  encode_attributes(attributes, external(), encoded);
  AnnouncePacker packer(encoded, Family::kIpv4Unicast, {address("192.0.2.1"), {}}, external(), stream);
  for (std::uint32_t i = 0; i < 100; ++i) packer.add(Prefix::v4(0x0A000000 + (i << 8), 24));
  packer.finish();
  encode_end_of_rib(Family::kIpv4Unicast, stream);
  encode_notification({kAdministrativeShutdown, shutdown_communication("bye")}, stream);
  seed("session", kFourOctet, stream);
}

}  // namespace
}  // namespace towpath::bgp::test

int main(int argc, char** argv) {
  using namespace towpath::bgp::test;
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
    return 2;
  }
  g_directory = argv[1];
  write_opens();
  write_small_messages();
  write_updates();
  write_broken_updates();
  write_session();
  if (g_failed) std::fprintf(stderr, "cannot write all seeds to %s\n", argv[1]);
  return g_failed ? 1 : 0;
}
