#include "towpath/netlink/anti_spoofing.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <poll.h>

#include <algorithm>

#include "netlink/message_reader.h"
#include "tests/support/netlink_fixture.h"
#include "towpath/netlink/sandbox.h"

namespace towpath::netlink {
namespace {

struct Endpoint {
  sockaddr_storage storage{};
  socklen_t length = 0;
  Endpoint(const IpAddress& address, std::uint16_t port) {
    if (address.is_v4()) {
      auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
      v4.sin_family = AF_INET;
      v4.sin_port = htons(port);
      std::memcpy(&v4.sin_addr, address.octets().data(), 4);
      length = sizeof v4;
    } else {
      auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
      v6.sin6_family = AF_INET6;
      v6.sin6_port = htons(port);
      std::memcpy(&v6.sin6_addr, address.octets().data(), 16);
      length = sizeof v6;
    }
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

// A host with one container; the container has its own address and, as an attacker would, a second one.
class AntiSpoofingTest : public test::NetlinkTest, public ::testing::WithParamInterface<AddressFamily> {
 protected:
  static constexpr std::uint16_t kPort = 4711;

  void SetUp() override {
    NetlinkTest::SetUp();
    if (IsSkipped()) return;
    const bool v4 = GetParam() == AddressFamily::kIpv4;
    host_address_ = *IpAddress::parse(v4 ? "192.0.2.1" : "2001:db8::1");
    own_ = *IpAddress::parse(v4 ? "10.64.1.2" : "fd00:64::2");
    forged_ = *IpAddress::parse(v4 ? "10.64.1.3" : "fd00:64::3");
    const IpAddress next_hop = *IpAddress::parse(v4 ? "169.254.1.1" : "fe80::1");
    const MacAddress host_mac({2, 0x74, 0x70, 0, 0, 1}), container_mac({2, 0, 0, 0, 0, 2});
    const auto pair = create_veth(*socket_, {.host_name = "tp0123456789a",
                                             .host_mac = host_mac,
                                             .sandbox_name = "eth0",
                                             .sandbox_mac = container_mac,
                                             .sandbox_fd = other_->fd()});
    ASSERT_TRUE(pair) << pair.error().message;
    Batch host(*socket_);
    // No rp_filter here: the chain alone has to do it.
    host.set_link(pair->host, {.no_ipv6_link_local = true, .up = true});
    host.add_address(IfIndex{1}, InterfaceAddress::host(host_address_));
    host.set_neighbour(pair->host, own_, container_mac);
    host.add_route(
        {.key = {Prefix::host(own_)}, .protocol = RTPROT_STATIC, .next_hops = {{.device = pair->host}}});
    const auto host_status = host.execute();
    ASSERT_TRUE(host_status) << host_status.error().message;

    auto inside = Sandbox::open(other_->path())->open_socket();
    ASSERT_TRUE(inside);
    Batch container(*inside);
    container.set_link(pair->sandbox, {.up = true});
    container.add_address(pair->sandbox, InterfaceAddress::host(own_));
    container.add_address(pair->sandbox, InterfaceAddress::host(forged_));
    container.set_neighbour(pair->sandbox, next_hop, host_mac);
    container.add_route({.key = {Prefix::default_route(GetParam())},
                         .protocol = RTPROT_STATIC,
                         .next_hops = {{.via = next_hop, .device = pair->sandbox, .onlink = true}}});
    const auto container_status = container.execute();
    ASSERT_TRUE(container_status) << container_status.error().message;

    // The kernel delivers to a new IPv6 address only when a worker of its has made the local route.
    ASSERT_TRUE(test::eventually([&] {
      std::optional<Route> route;
      Batch question(*socket_);
      question.get_route(host_address_);
      EXPECT_TRUE(question.execute_all([&](const MessageView& reply) { route = parse_route(reply); }));
      return route && route->type == RouteType::kLocal;
    }));
    const Endpoint here(host_address_, kPort);
    receiver_ = UniqueFd(::socket(here.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(receiver_.get(), here.get(), here.length), 0);
  }

  void send_from(const IpAddress& source, const std::string& text) const {
    other_->run([&] {
      const Endpoint from(source, 0), to(host_address_, kPort);
      UniqueFd sender(::socket(from.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
      ASSERT_EQ(::bind(sender.get(), from.get(), from.length), 0) << std::strerror(errno);
      ASSERT_GT(::sendto(sender.get(), text.data(), text.size(), 0, to.get(), to.length), 0)
          << std::strerror(errno);
    });
  }
  std::string receive() const {
    pollfd poll{receiver_.get(), POLLIN, 0};
    if (::poll(&poll, 1, 5000) != 1) return "nothing came";
    char text[64];
    const ssize_t size = ::recv(receiver_.get(), text, sizeof text, 0);
    return std::string(text, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  }

  IpAddress host_address_, own_, forged_;
  UniqueFd receiver_;
};

TEST_P(AntiSpoofingTest, ForgedSourceIsDroppedAndOwnSourcePasses) {
  send_from(forged_, "forged before");
  EXPECT_EQ(receive(), "forged before")
      << "the test would show nothing if this did not pass without the chain";
  const auto status = install_anti_spoofing();
  ASSERT_TRUE(status) << status.error().message;
  // They arrive in the order in which they were sent, so the second one coming first shows that the first was
  // dropped.
  send_from(forged_, "forged");
  send_from(own_, "own");
  EXPECT_EQ(receive(), "own");
  const auto state = read_anti_spoofing();
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_TRUE(state->installed);
  EXPECT_EQ(state->dropped_packets, 1U);
}

TEST_P(AntiSpoofingTest, NeighbourDiscoveryFromALinkLocalAddressPasses) {
  ASSERT_TRUE(install_anti_spoofing());
  auto inside = Sandbox::open(other_->path())->open_socket();
  ASSERT_TRUE(inside);
  const auto link_local = [&]() -> std::optional<IpAddress> {
    const auto addresses = dump_addresses(*inside, find_link(*inside, "eth0")->index);
    for (const auto& address : *addresses) {
      if (address.address.is_v6() && address.address.is_link_local()) return address.address;
    }
    return std::nullopt;
  };
  ASSERT_TRUE(test::eventually([&] { return link_local().has_value(); }));
  // ping ends with 2 while the address is not yet valid; whether somebody answers does not matter here.
  const std::string ping =
      fmt::format("ping -q -c1 -W0.1 -I {}%eth0 ff02::1 >/dev/null 2>&1", link_local()->to_string());
  other_->run(
      [&] { EXPECT_TRUE(test::eventually([&] { return WEXITSTATUS(::system(ping.c_str())) != 2; })); });
  EXPECT_EQ(read_anti_spoofing()->dropped_packets, 0U);
}

TEST_P(AntiSpoofingTest, InstallingAgainGivesTheSameRulesOnce) {
  ASSERT_TRUE(install_anti_spoofing());
  const auto listing = [] {
    std::string text;
    FILE* pipe = ::popen("nft list ruleset", "r");
    char part[512];
    while (::fgets(part, sizeof part, pipe) != nullptr) text += part;
    ::pclose(pipe);
    return text;
  };
  const std::string first = listing();
  EXPECT_THAT(first, ::testing::HasSubstr("table inet towpath"));
  EXPECT_THAT(first, ::testing::HasSubstr("hook prerouting priority raw; policy accept;"));
  EXPECT_THAT(first, ::testing::HasSubstr(
                         "iifname \"tp*\" fib saddr . iif oif missing counter packets 0 bytes 0 drop"));
  ASSERT_TRUE(install_anti_spoofing());
  EXPECT_EQ(listing(), first);
  ASSERT_TRUE(remove_nft_table());
  EXPECT_EQ(listing(), "");
  EXPECT_TRUE(remove_nft_table()) << "nothing to remove is success";
  EXPECT_FALSE(read_anti_spoofing()->installed);
}

TEST_P(AntiSpoofingTest, TablesOfOthersStayAsTheyAre) {
  ASSERT_EQ(::system("nft add table inet filter && nft add chain inet filter anti_spoofing"), 0);
  ASSERT_TRUE(install_anti_spoofing());
  ASSERT_TRUE(remove_nft_table());
  EXPECT_EQ(::system("nft list chain inet filter anti_spoofing >/dev/null"), 0);
}

INSTANTIATE_TEST_SUITE_P(Families, AntiSpoofingTest,
                         ::testing::Values(AddressFamily::kIpv4, AddressFamily::kIpv6),
                         [](const auto& family) { return std::string(format(family.param)); });

}  // namespace
}  // namespace towpath::netlink
