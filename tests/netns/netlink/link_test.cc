#include "towpath/netlink/link.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/support/network_namespace.h"
#include "towpath/netlink/batch.h"
#include "towpath/netlink/sandbox.h"
#include "towpath/netlink/sysctl.h"

namespace towpath::netlink {
namespace {

using test::NetworkNamespace;

const MacAddress kHostMac({0x02, 0x74, 0x70, 0, 0, 1});
const MacAddress kSandboxMac({0x02, 0x11, 0x22, 0x33, 0x44, 0x55});
const IpAddress kNextHop4 = *IpAddress::parse("169.254.1.1");
const IpAddress kNextHop6 = *IpAddress::parse("fe80::1");

class VethTest : public test::NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    if (IsSkipped()) return;
    namespace_.emplace();
    host_.emplace(*NetlinkSocket::open());
    sandbox_.emplace(*Sandbox::open(namespace_->path()));
  }
  VethSpec spec() const {
    return {.host_name = "tp0123456789a",
            .host_mac = kHostMac,
            .sandbox_name = "eth0",
            .sandbox_mac = kSandboxMac,
            .sandbox_fd = sandbox_->fd(),
            .mtu = 1432};
  }

  std::optional<NetworkNamespace> namespace_;
  std::optional<NetlinkSocket> host_;
  std::optional<Sandbox> sandbox_;
};

TEST_F(VethTest, BothEndsHaveWhatWasAskedFor) {
  const auto pair = create_veth(*host_, spec());
  ASSERT_TRUE(pair) << pair.error().message;

  const auto host_end = find_link(*host_, "tp0123456789a");
  ASSERT_TRUE(host_end) << host_end.error().message;
  EXPECT_EQ(host_end->index, pair->host);
  EXPECT_EQ(host_end->mac, kHostMac);
  EXPECT_EQ(host_end->mtu, 1432U);
  EXPECT_EQ(host_end->kind, "veth");
  EXPECT_EQ(host_end->peer, pair->sandbox);
  EXPECT_FALSE(host_end->up);

  auto inside = sandbox_->open_socket();
  ASSERT_TRUE(inside) << inside.error().message;
  const auto sandbox_end = find_link(*inside, "eth0");
  ASSERT_TRUE(sandbox_end) << sandbox_end.error().message;
  EXPECT_EQ(sandbox_end->index, pair->sandbox);
  EXPECT_EQ(sandbox_end->mac, kSandboxMac);
  EXPECT_EQ(sandbox_end->mtu, 1432U);
  EXPECT_EQ(find_link(*inside, pair->sandbox)->name, "eth0");
}

TEST_F(VethTest, HostSideSettingsAreInForceBeforeItIsUp) {
  const auto pair = create_veth(*host_, spec());
  ASSERT_TRUE(pair) << pair.error().message;
  Batch batch(*host_);
  batch.set_link(pair->host, LinkSettings::host_side("container-1/eth0"));
  const auto status = batch.execute();
  ASSERT_TRUE(status) << status.error().message;

  const auto link = find_link(*host_, pair->host);
  ASSERT_TRUE(link) << link.error().message;
  EXPECT_EQ(link->alias, "container-1/eth0");
  EXPECT_TRUE(link->up);
  const std::string conf = "net/ipv4/conf/tp0123456789a/";
  EXPECT_EQ(*read_sysctl(conf + "forwarding"), "1");
  EXPECT_EQ(*read_sysctl(conf + "rp_filter"), "1");
  EXPECT_EQ(*read_sysctl(conf + "accept_redirects"), "0");
  EXPECT_EQ(*read_sysctl(conf + "send_redirects"), "0");
  EXPECT_TRUE(dump_addresses(*host_, pair->host)->empty()) << "a link-local address was made";
}

// The whole of what ADD does to the kernel, and then packets.
TEST_F(VethTest, ContainerAndHostReachEachOtherInBothFamilies) {
  ASSERT_TRUE(enable_forwarding());
  const auto pair = create_veth(*host_, spec());
  ASSERT_TRUE(pair) << pair.error().message;
  auto inside = sandbox_->open_socket();
  ASSERT_TRUE(inside);
  const auto v4 = *IpAddress::parse("10.64.1.2");
  const auto v6 = *IpAddress::parse("fd00:64:0:1::2");

  Batch sandbox_batch(*inside);
  sandbox_batch.set_link(pair->sandbox, {.up = true});
  for (const auto& [address, next_hop] : {std::pair{v4, kNextHop4}, std::pair{v6, kNextHop6}}) {
    sandbox_batch.add_address(pair->sandbox, InterfaceAddress::host(address));
    sandbox_batch.set_neighbour(pair->sandbox, next_hop, kHostMac);
    sandbox_batch.add_route({.key = {.destination = Prefix::default_route(address.family())},
                             .protocol = 3,
                             .next_hops = {{.via = next_hop, .device = pair->sandbox, .onlink = true}}});
  }
  const auto sandbox_status = sandbox_batch.execute();
  ASSERT_TRUE(sandbox_status) << sandbox_status.error().message;

  Batch host_batch(*host_);
  host_batch.set_link(pair->host, LinkSettings::host_side("container-1/eth0"));
  for (const auto& address : {v4, v6}) {
    host_batch.set_neighbour(pair->host, address, kSandboxMac);
    host_batch.add_route({.key = {.destination = Prefix::host(address)},
                          .protocol = 3,
                          .next_hops = {{.via = {}, .device = pair->host}}});
  }
  // The host itself needs an address to speak from; on the loopback, as a router would have it.
  const IfIndex loopback{1};
  const auto host4 = *IpAddress::parse("192.0.2.1");
  const auto host6 = *IpAddress::parse("2001:db8::1");
  host_batch.add_address(loopback, InterfaceAddress::host(host4));
  host_batch.add_address(loopback, InterfaceAddress::host(host6));
  const auto host_status = host_batch.execute();
  ASSERT_TRUE(host_status) << host_status.error().message;

  namespace_->run([&] {
    EXPECT_EQ(::system("ping -q -c1 -w5 192.0.2.1 >/dev/null"), 0);
    EXPECT_EQ(::system("ping -q -c1 -w5 2001:db8::1 >/dev/null"), 0);
  });

  // What CHECK reads back.
  const auto addresses = dump_addresses(*inside, pair->sandbox);
  ASSERT_TRUE(addresses) << addresses.error().message;
  EXPECT_EQ(std::ranges::count(*addresses, InterfaceAddress::host(v4)), 1);
  EXPECT_EQ(std::ranges::count(*addresses, InterfaceAddress::host(v6)), 1);
  const auto neighbours = find_neighbours(*inside, pair->sandbox, std::vector{kNextHop4, v4, v6, kNextHop6});
  ASSERT_TRUE(neighbours) << neighbours.error().message;
  EXPECT_THAT(*neighbours, ::testing::ElementsAre(Neighbour{kNextHop4, kHostMac, true},
                                                  Neighbour{kNextHop6, kHostMac, true}));
  for (const auto family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    const auto inside_routes =
        dump_routes(*inside, family, {.table = kMainTable, .protocol = 3, .device = pair->sandbox});
    ASSERT_TRUE(inside_routes) << inside_routes.error().message;
    ASSERT_EQ(inside_routes->size(), 1U);
    EXPECT_EQ(inside_routes->front().key.destination, Prefix::default_route(family));
    const auto host_routes =
        dump_routes(*host_, family, {.table = kMainTable, .protocol = 3, .device = pair->host});
    ASSERT_TRUE(host_routes) << host_routes.error().message;
    ASSERT_EQ(host_routes->size(), 1U);
    EXPECT_TRUE(host_routes->front().key.destination.is_host());
  }
}

TEST_F(VethTest, TakenHostNameLeavesTheOtherInterfaceAlone) {
  ASSERT_TRUE(create_veth(*host_, spec()));
  const auto before = *find_link(*host_, "tp0123456789a");
  auto second = spec();
  second.sandbox_name = "eth1";
  const auto pair = create_veth(*host_, second);
  ASSERT_FALSE(pair);
  EXPECT_EQ(pair.error().kind, ErrorKind::kExists) << pair.error().message;
  EXPECT_THAT(pair.error().message, ::testing::HasSubstr("tp0123456789a"));
  EXPECT_EQ(find_link(*host_, "tp0123456789a")->index, before.index);
  auto inside = sandbox_->open_socket();
  ASSERT_TRUE(inside);
  EXPECT_EQ(find_link(*inside, "eth1").error().kind, ErrorKind::kNotFound);
}

TEST_F(VethTest, TakenSandboxNameLeavesNothingBehind) {
  ASSERT_TRUE(create_veth(*host_, spec()));
  auto second = spec();
  second.host_name = "tpfedcba98765";
  const auto pair = create_veth(*host_, second);
  ASSERT_FALSE(pair);
  EXPECT_EQ(pair.error().kind, ErrorKind::kExists) << pair.error().message;
  EXPECT_THAT(pair.error().message, ::testing::HasSubstr("eth0"));
  EXPECT_EQ(find_link(*host_, "tpfedcba98765").error().kind, ErrorKind::kNotFound);
}

TEST_F(VethTest, NamesThatTheKernelCannotHoldAreRefused) {
  for (const std::string& name : {std::string(), std::string(16, 'x')}) {
    auto wrong = spec();
    wrong.sandbox_name = name;
    const auto pair = create_veth(*host_, wrong);
    ASSERT_FALSE(pair);
    EXPECT_EQ(pair.error().kind, ErrorKind::kInvalid) << pair.error().message;
  }
}

TEST_F(VethTest, DeletingTheHostEndDeletesBoth) {
  const auto pair = create_veth(*host_, spec());
  ASSERT_TRUE(pair);
  Batch batch(*host_);
  batch.delete_link(pair->host);
  ASSERT_TRUE(batch.execute());
  EXPECT_EQ(find_link(*host_, pair->host).error().kind, ErrorKind::kNotFound);
  auto inside = sandbox_->open_socket();
  ASSERT_TRUE(inside);
  EXPECT_EQ(find_link(*inside, "eth0").error().kind, ErrorKind::kNotFound);
}

TEST_F(VethTest, DumpListsThePair) {
  const auto pair = create_veth(*host_, spec());
  ASSERT_TRUE(pair);
  const auto links = dump_links(*host_);
  ASSERT_TRUE(links) << links.error().message;
  ASSERT_EQ(links->size(), 2U);
  EXPECT_TRUE((*links)[0].loopback);
  EXPECT_EQ((*links)[1].index, pair->host);
}

}  // namespace
}  // namespace towpath::netlink
