// Prints one stream of our encoder's messages a line, for another implementation's dissector:
//
//   NAME AS_OCTETS MESSAGES HEX
//
// No extended messages: tshark 4.0 of Debian 12 takes 4096 octets for the most that a message can have.
//
// AS_OCTETS: 2 or 4, which the dissector cannot know from a lone UPDATE. MESSAGES: how many there are in the
// stream.
#include <cstdio>
#include <string>
#include <vector>

#include "wire_bytes.h"

namespace towpath::bgp::test {
namespace {

void print(const std::string& name, bool four_octet_as, std::size_t messages, const Bytes& stream) {
  std::printf("%s %d %zu %s\n", name.c_str(), four_octet_as ? 4 : 2, messages, hex(stream).c_str());
}

PathAttributes all_attributes() {
  PathAttributes a;
  a.origin = Origin::kIncomplete;
  a.as_path = {{{SegmentType::kSequence, {AsNumber{65001}, AsNumber{4200000000}}},
                {SegmentType::kSet, {AsNumber{65003}, AsNumber{65004}}}}};
  a.med = 50;
  a.local_pref = 200;
  a.atomic_aggregate = true;
  a.aggregator = Aggregator{AsNumber{65001}, RouterId{0xC0000203}};
  a.communities = {kNoExport, Community{65000U << 16 | 1}};
  a.originator_id = RouterId{0xC0000204};
  a.cluster_list = {RouterId{0xC0000205}, RouterId{0xC0000206}};
  a.extended_communities = {ExtendedCommunity{0x0002'FDE8'0000'0064}};
  a.large_communities = {LargeCommunity{4200000000, 1, 2}};
  a.only_to_customer = AsNumber{65001};
  return a;
}

PathAttributes plain_attributes() {
  PathAttributes a;
  a.as_path.prepend(AsNumber{65001}, 2);
  return a;
}

std::vector<Prefix> prefixes(Family family, std::uint32_t count) {
  std::vector<Prefix> all;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (family == Family::kIpv4Unicast) {
      all.push_back(Prefix::v4(0x0A000000 + (i << 8), static_cast<std::uint8_t>(24 + i % 9)));
    } else {
      all.push_back(Prefix::v6(0x20010DB800000000 + i, 0, static_cast<std::uint8_t>(64 + i % 65)));
    }
  }
  return all;
}

struct BulkShape {
  const char* name;
  Family family;
  const char* next_hop;
  const char* link_local;
};

void print_bulk(const BulkShape& shape, const PathAttributes& attributes, bool four_octet_as,
                const char* suffix, std::uint32_t count) {
  SessionParameters session = external();
  session.four_octet_as = four_octet_as;
  EncodedAttributes encoded;
  encode_attributes(attributes, session, encoded);
  NextHop next_hop{address(shape.next_hop), {}};
  if (shape.link_local != nullptr) next_hop.link_local = address(shape.link_local);
  Bytes announced;
  AnnouncePacker announce(encoded, shape.family, next_hop, session, announced);
  for (const Prefix& p : prefixes(shape.family, count)) announce.add(p);
  print(std::string("announce-") + shape.name + suffix, four_octet_as, announce.finish(), announced);
  Bytes withdrawn;
  WithdrawPacker withdraw(shape.family, session, withdrawn);
  for (const Prefix& p : prefixes(shape.family, count)) withdraw.add(p);
  print(std::string("withdraw-") + shape.name + suffix, four_octet_as, withdraw.finish(), withdrawn);
}

void print_updates() {
  const BulkShape shapes[] = {
      {"ipv4", Family::kIpv4Unicast, "192.0.2.1", nullptr},
      {"ipv4-over-ipv6", Family::kIpv4Unicast, "2001:db8::1", nullptr},
      {"ipv6", Family::kIpv6Unicast, "2001:db8::1", nullptr},
      {"ipv6-link-local", Family::kIpv6Unicast, "2001:db8::1", "fe80::1"},
  };
  for (const BulkShape& shape : shapes) {
    print_bulk(shape, plain_attributes(), true, "-one", 1);
    print_bulk(shape, plain_attributes(), true, "-bulk", 3000);
    print_bulk(shape, all_attributes(), true, "-all-attributes", 3);
    print_bulk(shape, all_attributes(), false, "-two-octet", 3);
  }
  for (const Family family : kAllFamilies) {
    Bytes out;
    encode_end_of_rib(family, out);
    print(std::string("end-of-rib-") + std::string(format(family)), true, 1, out);
  }
  PathAttributes local;
  local.local_pref = 100;
  print_bulk(shapes[0], local, true, "-local", 1);
  PathAttributes many = plain_attributes();
  many.communities.assign(300, Community{65000U << 16 | 1});
  many.as_path.prepend(AsNumber{65001}, 400);
  print_bulk(shapes[0], many, true, "-long-attributes", 3);
}

void print_opens() {
  OpenMessage open{AsNumber{65001}, 9, RouterId{0xC0000201}, {}};
  const auto print_open = [&](const char* name) {
    Bytes out;
    if (encode_open(open, out)) print(name, true, 1, out);
  };
  print_open("open-plain");
  Capabilities& c = open.capabilities;
  c.multiprotocol = {true, true};
  c.route_refresh = true;
  c.four_octet_as = open.as;
  auto& restart = c.graceful_restart.emplace();
  restart.restart_time = std::chrono::seconds(120);
  restart.families = {GracefulRestart::FamilyState{true}, GracefulRestart::FamilyState{false}};
  print_open("open-usual");
  c.enhanced_route_refresh = c.extended_message = c.extended_next_hop = true;
  c.role = Role::kCustomer;
  c.add_path = {AddPathMode::kBoth, AddPathMode::kReceive};
  restart.notification = restart.restarting = true;
  auto& long_lived = c.long_lived_graceful_restart.emplace();
  long_lived.families[0] = LongLivedGracefulRestart::FamilyState{true, std::chrono::seconds(3600)};
  open.as = AsNumber{4200000000};
  c.four_octet_as = open.as;
  print_open("open-every-capability");
}

void print_others() {
  Bytes out;
  encode_keepalive(out);
  print("keepalive", true, 1, out);
  for (std::uint8_t subtype = 0; subtype <= 2; ++subtype) {
    out.clear();
    encode_route_refresh({2, 1, subtype}, out);
    print("route-refresh-" + std::to_string(subtype), true, 1, out);
  }
  const auto notification = [&](const char* name, const NotificationMessage& message) {
    out.clear();
    encode_notification(message, out);
    print(name, true, 1, out);
  };
  notification("notification-hold-timer", {kHoldTimerExpired, {}});
  notification("notification-shutdown",
               {kAdministrativeShutdown, shutdown_communication("maintenance until 6")});
  notification("notification-hard-reset",
               hard_reset({kAdministrativeShutdown, shutdown_communication("bye")}));
  notification("notification-version", {kUnsupportedVersion, bytes("0004")});
  notification("notification-origin", {kInvalidOrigin, bytes("40010109")});
  notification("notification-collision", {kCollisionResolution, {}});
}

}  // namespace
}  // namespace towpath::bgp::test

int main() {
  towpath::bgp::test::print_opens();
  towpath::bgp::test::print_updates();
  towpath::bgp::test::print_others();
  return 0;
}
