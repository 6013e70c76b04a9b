// The elements, rules and flows of port mappings, against the real kernel. What the rules do to the traffic
// of containers is in tests/netns/agent/ports_test.cc.
#include "towpath/netlink/port_maps.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "tests/support/netlink_fixture.h"
#include "towpath/netlink/anti_spoofing.h"
#include "towpath/netlink/conntrack.h"

namespace towpath::netlink {
namespace {

using ::testing::HasSubstr;

IpAddress ip(const char* text) {
  return *IpAddress::parse(text);
}

// One of each kind.
PortState example() {
  PortState state;
  for (const std::uint8_t protocol : {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP}) {
    state.ports[{AddressFamily::kIpv4, protocol, {}, 8080}] = {ip("10.9.0.1"), 80};
    state.ports[{AddressFamily::kIpv6, protocol, {}, 8080}] = {ip("fd00:9::1"), 80};
    state.ports[{AddressFamily::kIpv4, protocol, ip("192.0.2.1"), 8081}] = {ip("10.9.0.1"), 81};
    state.ports[{AddressFamily::kIpv6, protocol, ip("2001:db8::1"), 8081}] = {ip("fd00:9::1"), 81};
  }
  state.hairpins = {ip("10.9.0.1"), ip("fd00:9::1")};
  return state;
}

PortChange to_make(const PortState& state) {
  PortChange change;
  change.add_ports.assign(state.ports.begin(), state.ports.end());
  change.add_hairpins.assign(state.hairpins.begin(), state.hairpins.end());
  return change;
}

class PortMapsTest : public test::NetlinkTest {
 protected:
  void SetUp() override {
    NetlinkTest::SetUp();
    if (IsSkipped()) return;
    maps_.emplace(*PortMaps::open());
    nft_.emplace(*NetlinkSocket::open(NETLINK_NETFILTER));
  }
  static void expect_ok(const Status& status) { ASSERT_TRUE(status) << status.error().message; }
  PortState adopted() {
    auto state = PortMaps::open()->adopt();
    EXPECT_TRUE(state) << state.error().message;
    return state ? *state : PortState();
  }
  std::optional<PortMaps> maps_;
  std::optional<NetlinkSocket> nft_;
};

TEST_F(PortMapsTest, AFreshProcessFindsWhatTheLastOneMade) {
  EXPECT_EQ(adopted(), PortState()) << "nothing, and no error";
  const PortState made = example();
  expect_ok(maps_->change(to_make(made)));
  EXPECT_EQ(adopted(), made);
  for (const auto& [key, target] : made.ports) {
    const auto found = find_port_target(*nft_, key);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(*found, target);
  }
}

TEST_F(PortMapsTest, AChangeTouchesWhatItNames) {
  expect_ok(maps_->change(to_make(example())));
  const PortKey moved{AddressFamily::kIpv4, IPPROTO_TCP, {}, 8080};
  const PortKey gone{AddressFamily::kIpv6, IPPROTO_UDP, {}, 8080};
  PortChange change;
  change.remove_ports = {{moved, {}}, {gone, {}}};
  change.add_ports = {{moved, {ip("10.9.0.2"), 8000}}};
  change.remove_hairpins = {ip("10.9.0.1")};
  expect_ok(maps_->change(change));
  PortState wanted = example();
  wanted.ports[moved] = {ip("10.9.0.2"), 8000};
  wanted.ports.erase(gone);
  wanted.hairpins.erase(ip("10.9.0.1"));
  EXPECT_EQ(adopted(), wanted);
  EXPECT_EQ(*find_port_target(*nft_, gone), std::nullopt);
}

TEST_F(PortMapsTest, ARefusedChangeChangesNothing) {
  expect_ok(maps_->change(to_make(example())));
  PortChange change;
  change.add_hairpins = {ip("10.9.0.7")};
  change.remove_ports = {{{AddressFamily::kIpv4, IPPROTO_TCP, {}, 9999}, {}}};
  const auto refused = maps_->change(change);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(refused.error().message, HasSubstr("delete elements of set inet towpath ports_any4"));
  EXPECT_EQ(adopted(), example());
}

TEST_F(PortMapsTest, ThousandsAtOnce) {
  PortChange change;
  for (std::uint16_t port = 1; port <= 5000; ++port) {
    change.add_ports.push_back(
        {{AddressFamily::kIpv6, IPPROTO_TCP, ip("2001:db8::1"), port}, {ip("fd00:9::1"), port}});
  }
  expect_ok(maps_->change(change));
  EXPECT_EQ(adopted().ports.size(), 5000U);
}

TEST_F(PortMapsTest, RemoveLeavesTheRestOfTheTable) {
  expect_ok(maps_->remove());
  expect_ok(install_anti_spoofing());
  expect_ok(maps_->change(to_make(example())));
  expect_ok(install_anti_spoofing());
  EXPECT_EQ(adopted(), example());
  expect_ok(maps_->remove());
  EXPECT_EQ(adopted(), PortState());
  EXPECT_TRUE(read_anti_spoofing()->installed);
  EXPECT_NE(std::system("nft list table inet towpath | grep -q ports_"), 0);
}

// A UDP packet to `to`, from a new socket.
void send_datagram(const IpAddress& to, std::uint16_t port) {
  const UniqueFd fd(::socket(to.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(port);
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(port);
  std::memcpy(to.is_v4() ? static_cast<void*>(&four.sin_addr) : &six.sin6_addr, to.octets().data(),
              to.octets().size());
  const auto* address =
      to.is_v4() ? reinterpret_cast<const sockaddr*>(&four) : reinterpret_cast<const sockaddr*>(&six);
  EXPECT_EQ(::sendto(fd.get(), "x", 1, 0, address, to.is_v4() ? sizeof four : sizeof six), 1)
      << std::strerror(errno);
}

TEST_F(PortMapsTest, FlowsAreFoundByPortAndForgotten) {
  const IfIndex up = make_interface("up0");
  Batch batch(*socket_);
  for (const char* address : {"192.0.2.1/24", "2001:db8::1/64"})
    batch.add_address(up, *InterfaceAddress::parse(address));
  expect_ok(batch.execute());
  expect_ok(maps_->change(to_make(example())));
  const std::pair<IpAddress, IpAddress> rows[] = {{ip("192.0.2.1"), ip("10.9.0.1")},
                                                  {ip("2001:db8::1"), ip("fd00:9::1")}};
  for (const auto& [host, container] : rows) {
    ASSERT_EQ(std::system(("ip route replace " + container.to_string() + " dev up0").c_str()), 0);
    send_datagram(host, 8080);
    send_datagram(host, 8080);
    send_datagram(host, 4000);
    const auto flows = dump_flows(*nft_, host.family(), IPPROTO_UDP, 8080);
    ASSERT_TRUE(flows) << flows.error().message;
    ASSERT_EQ(flows->size(), 2U);
    for (const TrackedFlow& flow : *flows) {
      EXPECT_EQ(flow.destination, host);
      EXPECT_EQ(flow.reply_source, container) << "the host's own packets are rewritten too";
      EXPECT_EQ(flow.reply_source_port, 80);
    }
    expect_ok(forget_flow(*nft_, flows->front()));
    expect_ok(forget_flow(*nft_, flows->front()));
    EXPECT_EQ(dump_flows(*nft_, host.family(), IPPROTO_UDP, 8080)->size(), 1U);
    EXPECT_EQ(dump_flows(*nft_, host.family(), IPPROTO_UDP, 4000)->size(), 1U);
    EXPECT_TRUE(dump_flows(*nft_, host.family(), IPPROTO_TCP, 8080)->empty());
  }
}

}  // namespace
}  // namespace towpath::netlink
