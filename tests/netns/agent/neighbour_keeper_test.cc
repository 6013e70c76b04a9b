#include "agent/endpoint/neighbour_keeper.h"

#include "tests/support/netlink_fixture.h"
#include "tests/support/temporary_directory.h"
#include "towpath/ipam/endpoint_names.h"
#include "towpath/netlink/sandbox.h"

namespace towpath::agent {
namespace {

constexpr MacAddress kHostMac({2, 0, 0, 0, 0, 1});
constexpr MacAddress kFirst({2, 0, 0, 0, 0, 2});
constexpr MacAddress kSecond({2, 0, 0, 0, 0, 3});

// One endpoint, as the plugin makes it, but for its neighbours.
class NeighbourKeeperTest : public test::NetlinkTest {
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
    auto keeper = NeighbourKeeper::open(*store_);
    ASSERT_TRUE(keeper) << keeper.error().message;
    keeper_.emplace(*std::move(keeper));
  }
  void set_mac(const MacAddress& mac) {
    netlink::Batch batch(*inside_);
    batch.set_link(pair_.sandbox, {.mac = mac});
    ASSERT_TRUE(batch.execute());
  }
  void listen() {
    const auto status = keeper_->on_readable();
    EXPECT_TRUE(status) << status.error().message;
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
  std::optional<NeighbourKeeper> keeper_;
};

TEST_F(NeighbourKeeperTest, FollowsTheMacAddressOfASandboxEnd) {
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

TEST_F(NeighbourKeeperTest, LeavesAnAddInProgressAlone) {
  write_record(ipam::AllocationState::kPending, sandbox_->inode());
  open_keeper();
  set_mac(kSecond);
  listen();
  EXPECT_FALSE(has_neighbours());
}

TEST_F(NeighbourKeeperTest, LeavesInterfacesThatAreNoEndpointsAlone) {
  open_keeper();
  set_mac(kSecond);
  listen();
  EXPECT_FALSE(has_neighbours());
}

TEST_F(NeighbourKeeperTest, LeavesASandboxThatTookThePathOfAnotherAlone) {
  write_record(ipam::AllocationState::kLive, sandbox_->inode() + 1);
  open_keeper();
  listen();
  EXPECT_FALSE(has_neighbours());
}

TEST_F(NeighbourKeeperTest, WaitsForAnInterfaceThatIsDown) {
  write_live_record();
  other_->run([] { ASSERT_EQ(std::system("ip link set eth0 down"), 0); });
  open_keeper();
  listen();
  EXPECT_FALSE(has_neighbours());
  set_up(*inside_, pair_.sandbox);
  listen();
  expect_neighbours(kFirst);
}

}  // namespace
}  // namespace towpath::agent
