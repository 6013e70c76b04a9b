#include "agent/endpoint/endpoint_keeper.h"

#include "tests/support/netlink_fixture.h"
#include "tests/support/temporary_directory.h"
#include "towpath/ipam/endpoint_names.h"
#include "towpath/netlink/host_side.h"
#include "towpath/netlink/sandbox.h"

namespace towpath::agent {
namespace {

using netlink::kHostMac;
constexpr MacAddress kFirst({2, 0, 0, 0, 0, 2});
constexpr MacAddress kSecond({2, 0, 0, 0, 0, 3});

// One endpoint, as the plugin makes it, but for its neighbours and routes.
class EndpointKeeperTest : public test::NetlinkTest {
 protected:
  void SetUp() override {
    NetlinkTest::SetUp();
    if (IsSkipped()) return;
    store_.emplace(*ipam::StateStore::open(directory_.path(), ipam::StateStore::OpenMode::kCreate));
    sandbox_.emplace(*netlink::Sandbox::open(other_->path()));
    inside_.emplace(*sandbox_->open_socket());
    const std::string name = ipam::host_ifname(kEndpoint);
    const auto pair = netlink::create_veth(*socket_, {.host_name = name,
                                                      .host_mac = kHostMac,
                                                      .sandbox_name = kEndpoint.ifname,
                                                      .sandbox_mac = kFirst,
                                                      .sandbox_fd = other_->fd()});
    ASSERT_TRUE(pair) << pair.error().message;
    pair_ = *pair;
    netlink::Batch batch(*socket_);
    batch.set_link(pair_.host, {.alias = kEndpoint.to_string(), .up = true});
    ASSERT_TRUE(batch.execute());
    set_up(*inside_, pair_.sandbox);
  }

  void write_record(ipam::AllocationState state, std::uint64_t inode) {
    ipam::ReserveRequest request;
    request.attachment = kEndpoint;
    request.network = "net";
    request.sandbox = other_->path();
    request.sandbox_inode = inode;
    request.ipam_type = "other";
    request.allocate = false;
    auto record = store_->reserve(request);
    ASSERT_TRUE(record) << record.error().message;
    record->addresses = {kV4, kV6};
    record->host_ifname = ipam::host_ifname(kEndpoint);
    if (state == ipam::AllocationState::kPending) return;
    ASSERT_TRUE(store_->commit(*record));
  }
  void write_live_record() { write_record(ipam::AllocationState::kLive, sandbox_->inode()); }
  void open_keeper() {
    auto keeper =
        EndpointKeeper::open(*store_, 0, [this](const auto& repair) { repairs_.push_back(repair); });
    ASSERT_TRUE(keeper) << keeper.error().message;
    keeper_.emplace(*std::move(keeper));
  }
  void set_mac(const MacAddress& mac) {
    netlink::Batch batch(*inside_);
    batch.set_link(pair_.sandbox, {.mac = mac});
    ASSERT_TRUE(batch.execute());
  }
  void listen() {
    EXPECT_TRUE(keeper_->read_host());
    EXPECT_TRUE(keeper_->read_sandboxes());
    const auto status = keeper_->look();
    EXPECT_TRUE(status) << status.error().message;
  }
  // What the agent's monitor of links tells of the host end.
  void tell_of_link() { keeper_->on_link(*netlink::find_link(*socket_, pair_.host)); }
  void on_host(const std::string& command) { ASSERT_EQ(std::system(command.c_str()), 0) << command; }
  std::string host_end() const { return ipam::host_ifname(kEndpoint); }
  // Of those that the kernel would use for the container's addresses, the ones that are as the plugin makes
  // them.
  int routes() {
    int right = 0;
    netlink::Batch batch(*socket_);
    for (const IpAddress& address : {kV4, kV6}) batch.get_route(address);
    EXPECT_TRUE(batch.execute_all([&](const netlink::MessageView& reply) {
      const auto route = netlink::parse_route(reply);
      for (const IpAddress& address : {kV4, kV6}) {
        if (route && *route == netlink::host_route(address, pair_.host)) ++right;
      }
    }));
    return right;
  }
  // A live endpoint with all that it needs.
  void have_endpoint() {
    ASSERT_NO_FATAL_FAILURE(write_live_record());
    ASSERT_NO_FATAL_FAILURE(open_keeper());
    listen();
    ASSERT_EQ(routes(), 2);
    expect_neighbours(kFirst);
    repairs_.clear();
  }
  // Those that lead to this address, and those that lead to the host.
  void expect_neighbours(const MacAddress& mac) {
    const auto on_host = *netlink::find_neighbours(*socket_, pair_.host, std::vector{kV4, kV6});
    EXPECT_THAT(on_host, ::testing::UnorderedElementsAre(netlink::Neighbour{kV4, mac, true},
                                                         netlink::Neighbour{kV6, mac, true}));
    const auto there = *netlink::find_neighbours(
        *inside_, pair_.sandbox,
        std::vector{ipam::next_hop_of(AddressFamily::kIpv4), ipam::next_hop_of(AddressFamily::kIpv6)});
    for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
      EXPECT_THAT(there, ::testing::Contains(netlink::Neighbour{ipam::next_hop_of(family), kHostMac, true}));
    }
  }
  bool has_neighbours() {
    return !netlink::find_neighbours(*socket_, pair_.host, std::vector{kV4, kV6})->empty();
  }

  const ipam::AttachmentId kEndpoint{"c1", "eth0"};
  const IpAddress kV4 = *IpAddress::parse("10.9.0.1");
  const IpAddress kV6 = *IpAddress::parse("fd00:9::1");
  test::TemporaryDirectory directory_;
  std::optional<ipam::StateStore> store_;
  std::optional<netlink::Sandbox> sandbox_;
  std::optional<netlink::NetlinkSocket> inside_;
  netlink::VethPair pair_;
  std::vector<EndpointKeeper::Repair> repairs_;
  std::optional<EndpointKeeper> keeper_;
};

TEST_F(EndpointKeeperTest, FollowsTheMacAddressOfASandboxEnd) {
  write_live_record();
  open_keeper();
  listen();  // what was there at the start
  expect_neighbours(kFirst);
  set_mac(kSecond);
  listen();
  expect_neighbours(kSecond);
  set_mac(kSecond);  // the kernel drops the sandbox's entries all the same
  listen();
  expect_neighbours(kSecond);
}

TEST_F(EndpointKeeperTest, LeavesAnAddInProgressAlone) {
  write_record(ipam::AllocationState::kPending, sandbox_->inode());
  open_keeper();
  set_mac(kSecond);
  listen();
  EXPECT_FALSE(has_neighbours());
}

TEST_F(EndpointKeeperTest, LeavesInterfacesThatAreNoEndpointsAlone) {
  open_keeper();
  set_mac(kSecond);
  listen();
  EXPECT_FALSE(has_neighbours());
}

TEST_F(EndpointKeeperTest, LeavesASandboxThatTookThePathOfAnotherAlone) {
  write_record(ipam::AllocationState::kLive, sandbox_->inode() + 1);
  open_keeper();
  listen();
  EXPECT_FALSE(has_neighbours());
}

TEST_F(EndpointKeeperTest, WaitsForAnInterfaceThatIsDown) {
  write_live_record();
  other_->run([] { ASSERT_EQ(std::system("ip link set eth0 down"), 0); });
  open_keeper();
  listen();
  EXPECT_FALSE(has_neighbours());
  set_up(*inside_, pair_.sandbox);
  listen();
  expect_neighbours(kFirst);
}

TEST_F(EndpointKeeperTest, PutsHostRoutesBack) {
  ASSERT_NO_FATAL_FAILURE(have_endpoint());
  for (const char* command : {"ip route del 10.9.0.1", "ip -6 route del fd00:9::1"}) {
    on_host(command);
    EXPECT_EQ(routes(), 1);
    listen();
    EXPECT_EQ(routes(), 2);
  }
  ASSERT_EQ(repairs_.size(), 2U);
  EXPECT_EQ(repairs_.front().endpoint, kEndpoint);
  EXPECT_EQ(repairs_.front().what, "the routes");
  EXPECT_NE(repairs_.front().culprit, 0U);
  EXPECT_EQ(keeper_->repaired(), 3U);  // and once at the start
}

TEST_F(EndpointKeeperTest, PutsHostRoutesBackThatWereChangedUnderTheirProtocol) {
  ASSERT_NO_FATAL_FAILURE(have_endpoint());
  for (const char* command :
       {"ip route replace blackhole 10.9.0.1 proto static", "ip route replace 10.9.0.1 dev lo proto static",
        "ip -6 route replace fd00:9::1 dev lo proto static metric 1"}) {
    on_host(command);
    EXPECT_EQ(routes(), 1) << command;
    listen();
    EXPECT_EQ(routes(), 2) << command;
  }
  EXPECT_EQ(repairs_.size(), 3U);
}

TEST_F(EndpointKeeperTest, LeavesARouteOfAnotherOwnerInItsPlaceAndSaysSo) {
  ASSERT_NO_FATAL_FAILURE(have_endpoint());
  on_host("ip route replace blackhole 10.9.0.1 proto 99");
  EXPECT_TRUE(keeper_->read_host());
  const auto status = keeper_->look();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(routes(), 1);
  EXPECT_TRUE(repairs_.empty());
  // When the other goes, ours comes back.
  on_host("ip route del blackhole 10.9.0.1");
  EXPECT_TRUE(keeper_->tick());
  listen();
  EXPECT_EQ(routes(), 2);
}

TEST_F(EndpointKeeperTest, PutsNeighboursBack) {
  ASSERT_NO_FATAL_FAILURE(have_endpoint());
  for (const std::string command : {"ip neigh del 10.9.0.1 dev ", "ip neigh del fd00:9::1 dev ",
                                    "ip neigh replace 10.9.0.1 lladdr 02:00:00:00:00:99 nud permanent dev ",
                                    "ip neigh flush nud permanent dev "}) {
    on_host(command + host_end());
    listen();
    expect_neighbours(kFirst);
  }
  EXPECT_EQ(repairs_.size(), 4U);
  EXPECT_EQ(repairs_.front().what, "the neighbours");
}

TEST_F(EndpointKeeperTest, AnInterfaceThatWasSetDownComesBackWithAll) {
  ASSERT_NO_FATAL_FAILURE(have_endpoint());
  on_host("ip link set down " + host_end());
  EXPECT_EQ(routes(), 0);
  tell_of_link();
  listen();
  EXPECT_EQ(routes(), 2);
  expect_neighbours(kFirst);
  ASSERT_EQ(repairs_.size(), 1U);
  EXPECT_EQ(repairs_.front().what, "the interface, the routes, the neighbours");
  on_host("ip link set down " + host_end() + "; ip link set up " + host_end());
  tell_of_link();
  listen();
  EXPECT_EQ(routes(), 2);
  expect_neighbours(kFirst);
  on_host("ip link set address 02:00:00:00:00:98 " + host_end());
  tell_of_link();
  listen();
  EXPECT_EQ(netlink::find_link(*socket_, pair_.host)->mac, kHostMac);
  expect_neighbours(kFirst);
}

TEST_F(EndpointKeeperTest, ALookAtWhatIsRightChangesNothing) {
  ASSERT_NO_FATAL_FAILURE(have_endpoint());
  auto onlooker = *netlink::HostSideMonitor::open({});
  tell_of_link();
  set_mac(kFirst);  // drops the sandbox's entries, which is not news here
  listen();
  const auto seen = onlooker.read();
  ASSERT_TRUE(seen);
  EXPECT_TRUE(seen->devices.empty());
  EXPECT_TRUE(seen->addresses.empty());
}

TEST_F(EndpointKeeperTest, WhatIsBeingRemovedDoesNotComeBack) {
  ASSERT_NO_FATAL_FAILURE(have_endpoint());
  // DEL removes the kernel's objects before the record: here is the moment between the two.
  on_host("ip route del 10.9.0.1; ip link del " + host_end());
  listen();
  EXPECT_EQ(routes(), 0);
  EXPECT_TRUE(repairs_.empty());
  // And here another attachment has the name.
  on_host("ip link add " + host_end() + " type veth peer name spare; ip link set up " + host_end());
  keeper_->on_link(*netlink::find_link(*socket_, host_end()));
  listen();
  EXPECT_EQ(routes(), 0);
  EXPECT_TRUE(repairs_.empty());
}

TEST_F(EndpointKeeperTest, AnEndpointWithoutARecordIsLeftAlone) {
  ASSERT_NO_FATAL_FAILURE(have_endpoint());
  const auto record = store_->find(kEndpoint);
  ASSERT_TRUE(record && *record);
  ASSERT_TRUE(store_->release(kEndpoint, (*record)->generation));
  on_host("ip route del 10.9.0.1");
  tell_of_link();
  listen();
  EXPECT_EQ(routes(), 1);
  EXPECT_TRUE(repairs_.empty());
}

TEST_F(EndpointKeeperTest, AnAddInProgressIsLookedAtWhenItIsOver) {
  write_record(ipam::AllocationState::kPending, sandbox_->inode());
  open_keeper();
  tell_of_link();
  listen();
  EXPECT_EQ(routes(), 0);
  auto record = store_->find(kEndpoint);
  ASSERT_TRUE(record && *record);
  (*record)->addresses = {kV4, kV6};
  (*record)->host_ifname = host_end();
  ASSERT_TRUE(store_->commit(**record));
  EXPECT_TRUE(keeper_->tick());
  listen();
  EXPECT_EQ(routes(), 2);
}

TEST_F(EndpointKeeperTest, WhoGoesOnWaitsForTheTick) {
  ASSERT_NO_FATAL_FAILURE(have_endpoint());
  for (int i = 0; i < EndpointKeeper::kRepairsPerTick - 1; ++i) {  // one was at the start
    on_host("ip route del 10.9.0.1");
    listen();
    ASSERT_EQ(routes(), 2) << i;
  }
  on_host("ip route del 10.9.0.1");
  listen();
  EXPECT_EQ(routes(), 1);
  EXPECT_TRUE(keeper_->tick());
  listen();
  EXPECT_EQ(routes(), 2);
}

TEST_F(EndpointKeeperTest, AnAuditFindsWhatNobodyTold) {
  ASSERT_NO_FATAL_FAILURE(have_endpoint());
  on_host("ip route del 10.9.0.1");
  EXPECT_TRUE(keeper_->read_host());
  auto another = std::move(*keeper_);
  open_keeper();  // one that was not there when it happened; what it found at its start is not looked at
  EXPECT_TRUE(another.look());
  on_host("ip route del 10.9.0.1");
  EXPECT_EQ(routes(), 1);
  for (int i = 0; i < 60; ++i) EXPECT_TRUE(another.tick());
  EXPECT_TRUE(another.look());
  EXPECT_EQ(routes(), 2);
}

}  // namespace
}  // namespace towpath::agent
