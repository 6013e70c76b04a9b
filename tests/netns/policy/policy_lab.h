// A host with endpoints and a network behind it, where packets of any kind are sent and looked for.
//
// Every endpoint has a namespace with the one interface "eth0"; the other end is in the test's namespace, by
// the endpoint's name. The network "away" is the other end of eth0. Neighbours are permanent, so a packet
// waits for nothing.
//
// When a packet has passed is told by others behind it, not by a clock: all is done on one processor, whose
// queue of packets keeps their order. Each marker that has arrived means that those before it went on by
// one interface at least, and none passes more than three.
#pragma once

#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/support/netlink_fixture.h"
#include "tests/support/policy_evaluator.h"
#include "tests/support/random_policies.h"
#include "towpath/netlink/conntrack.h"
#include "towpath/netlink/sysctl.h"
#include "towpath/policy/endpoint.h"

namespace towpath::test {

// An IP packet with a transport header that says `number` in a payload of its own. Checksums of the
// transport are not filled in.
inline std::vector<std::uint8_t> make_packet(const PolicyPacket& packet, std::uint16_t source_port,
                                             std::uint32_t number, bool icmp_error = false) {
  std::vector<std::uint8_t> transport;
  const auto put16 = [](std::vector<std::uint8_t>& out, std::uint16_t value) {
    out.push_back(static_cast<std::uint8_t>(value >> 8));
    out.push_back(static_cast<std::uint8_t>(value));
  };
  const auto put32 = [&](std::vector<std::uint8_t>& out, std::uint32_t value) {
    put16(out, static_cast<std::uint16_t>(value >> 16));
    put16(out, static_cast<std::uint16_t>(value));
  };
  switch (packet.protocol) {
    case IPPROTO_TCP:
      put16(transport, source_port);
      put16(transport, packet.port);
      put32(transport, 1);
      put32(transport, 0);
      put16(transport, 0x5002);  // five words, SYN
      put16(transport, 1024);
      put32(transport, 0);
      break;
    case IPPROTO_UDP:
      put16(transport, source_port);
      put16(transport, packet.port);
      put16(transport, 16);
      put16(transport, 0);
      break;
    case IPPROTO_SCTP:
      put16(transport, source_port);
      put16(transport, packet.port);
      put32(transport, 0);
      put32(transport, 0);
      put32(transport, 0x01000014);  // INIT, 20 octets: the payload is in them
      break;
    default:  // ICMP, ICMPv6
      transport.push_back(icmp_error ? (packet.protocol == IPPROTO_ICMP ? 3 : 1)
                                     : (packet.protocol == IPPROTO_ICMP ? 8 : 128));
      transport.push_back(0);
      put16(transport, 0);
      put16(transport, source_port);
      put16(transport, 1);
  }
  put32(transport, 0x70617468);
  put32(transport, number);
  transport.resize(transport.size() + 32);

  std::vector<std::uint8_t> out;
  const auto octets = [&](const IpAddress& address) {
    out.insert(out.end(), address.octets().begin(), address.octets().end());
  };
  if (packet.source.is_v4()) {
    out = {0x45, 0};
    put16(out, static_cast<std::uint16_t>(20 + transport.size()));
    put32(out, 0);
    out.push_back(64);
    out.push_back(packet.protocol);
    put16(out, 0);
    octets(packet.source);
    octets(packet.destination);
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < 20; i += 2) sum += static_cast<std::uint32_t>(out[i] << 8 | out[i + 1]);
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = ~((sum & 0xFFFF) + (sum >> 16));
    out[10] = static_cast<std::uint8_t>(sum >> 8);
    out[11] = static_cast<std::uint8_t>(sum);
  } else {
    put32(out, 0x60000000);
    put16(out, static_cast<std::uint16_t>(transport.size()));
    out.push_back(packet.protocol);
    out.push_back(64);
    octets(packet.source);
    octets(packet.destination);
  }
  out.insert(out.end(), transport.begin(), transport.end());
  return out;
}

// The number in a packet of make_packet(), wherever the headers end.
inline std::optional<std::uint32_t> number_in(std::span<const std::uint8_t> packet) {
  constexpr std::array<std::uint8_t, 4> kMark{0x70, 0x61, 0x74, 0x68};
  const auto found = std::ranges::search(packet, kMark);
  if (found.empty() || packet.end() - found.end() < 4) return std::nullopt;
  const std::uint8_t* at = &*found.begin() + 4;
  return static_cast<std::uint32_t>(at[0]) << 24 | static_cast<std::uint32_t>(at[1]) << 16 |
         static_cast<std::uint32_t>(at[2]) << 8 | at[3];
}

// One interface of a namespace, seen from inside.
class PacketPort {
 public:
  // In the namespace of the calling thread.
  explicit PacketPort(int device)
      : socket_(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL))) {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = device;
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const int room = 32 << 20;
    EXPECT_EQ(::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room), 0);
    device_ = device;
  }

  void send(std::span<const std::uint8_t> packet, const MacAddress& to) const {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(packet[0] >> 4 == 4 ? ETH_P_IP : ETH_P_IPV6);
    address.sll_ifindex = device_;
    address.sll_halen = 6;
    const auto mac = to.octets();
    std::memcpy(address.sll_addr, mac.data(), 6);
    ASSERT_EQ(::sendto(socket_.get(), packet.data(), packet.size(), 0,
                       reinterpret_cast<const sockaddr*>(&address), sizeof address),
              static_cast<ssize_t>(packet.size()))
        << std::strerror(errno);
  }
  // Numbers of packets that came in.
  void receive(std::set<std::uint32_t>& numbers) const {
    std::array<std::uint8_t, 2048> buffer;
    for (;;) {
      sockaddr_ll from{};
      socklen_t size = sizeof from;
      const ssize_t got = ::recvfrom(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                                     reinterpret_cast<sockaddr*>(&from), &size);
      if (got < 0) return;
      if (from.sll_pkttype != PACKET_HOST) continue;
      if (const auto number = number_in(std::span(buffer).first(static_cast<std::size_t>(got))))
        numbers.insert(*number);
    }
  }

 private:
  UniqueFd socket_;
  int device_ = 0;
};

class PolicyLab : public NamespaceTest {
 protected:
  static constexpr std::size_t kEndpoints = 9;

  void SetUp() override {
    NamespaceTest::SetUp();
    if (IsSkipped()) return;
    pin();
    socket_.emplace(*netlink::NetlinkSocket::open());
    const auto forwarding = netlink::enable_forwarding();
    ASSERT_TRUE(forwarding) << forwarding.error().message;
    for (const char* key : {"net/ipv4/conf/all/rp_filter", "net/ipv4/conf/default/rp_filter",
                            "net/ipv6/conf/default/accept_dad"})
      ASSERT_TRUE(netlink::write_sysctl(key, "0"));
    for (std::size_t i = 1; i <= kEndpoints; ++i)
      add_port(fmt::format("tp{:02}", i), [i](AddressFamily family) {
        return std::vector{RandomPolicies::endpoint_address(family, i)};
      });
    add_port("eth0", [](AddressFamily family) {
      std::vector<IpAddress> out;
      for (std::size_t i = 1; i <= RandomPolicies::kAwayAddresses; ++i)
        out.push_back(RandomPolicies::away_address(family, i));
      return out;
    });
  }
  void TearDown() override {
    if (before_) {
      EXPECT_EQ(::sched_setaffinity(0, sizeof *before_, &*before_), 0);
    }
    NamespaceTest::TearDown();
  }

  // Sends the packets, each from where its source is; which of them arrived where their destination is, by
  // index.
  std::vector<bool> pass(const std::vector<std::vector<std::uint8_t>>& packets,
                         const std::vector<std::pair<IpAddress, IpAddress>>& ways, std::uint32_t first) {
    for (std::size_t i = 0; i < packets.size(); ++i) {
      const Port& from = *ports_.at(port_of(ways[i].first));
      from.inside->send(packets[i], kHostMac);
    }
    std::map<std::string, std::set<std::uint32_t>> arrived;
    for (int i = 0; i < 4; ++i) wait_for_marker(arrived);
    std::vector<bool> out;
    for (std::size_t i = 0; i < packets.size(); ++i) {
      const std::string to = port_of(ways[i].second);
      out.push_back(arrived[to].contains(first + static_cast<std::uint32_t>(i)));
      for (const auto& [name, numbers] : arrived) {
        EXPECT_TRUE(name == to || !numbers.contains(first + static_cast<std::uint32_t>(i)))
            << "a packet for " << to << " went to " << name;
      }
    }
    return out;
  }

  std::string port_of(const IpAddress& address) const { return port_of_.at(address); }
  netlink::NetlinkSocket& route_socket() { return *socket_; }

 private:
  struct Port {
    std::unique_ptr<NetworkNamespace> space;
    std::optional<PacketPort> inside;
    std::optional<PacketPort> outside;
    MacAddress mac;
  };
  static constexpr MacAddress kHostMac{{2, 0, 0, 0, 0, 1}};

  void pin() {
    cpu_set_t before;
    ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
    before_ = before;
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i) {
      if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
    }
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  }

  template <class Addresses>
  void add_port(const std::string& name, Addresses addresses) {
    auto port = std::make_unique<Port>();
    port->space = std::make_unique<NetworkNamespace>();
    port->mac = MacAddress::random();
    const auto pair = netlink::create_veth(*socket_, {.host_name = name,
                                                      .host_mac = kHostMac,
                                                      .sandbox_name = "eth0",
                                                      .sandbox_mac = port->mac,
                                                      .sandbox_fd = port->space->fd(),
                                                      .mtu = 1500});
    ASSERT_TRUE(pair) << pair.error().message;
    port->space->run([&] {
      auto inside = netlink::NetlinkSocket::open();
      netlink::Batch batch(*inside);
      batch.set_link(pair->sandbox, {.up = true});
      ASSERT_TRUE(batch.execute());
      port->inside.emplace(static_cast<int>(pair->sandbox.value));
    });
    netlink::Batch up(*socket_);
    up.set_link(pair->host, {.up = true});
    ASSERT_TRUE(up.execute());
    ASSERT_TRUE(eventually([&] { return netlink::find_link(*socket_, pair->host)->running; }));
    netlink::Batch batch(*socket_);
    for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
      for (const IpAddress& address : addresses(family)) {
        netlink::Route route;
        route.key.destination = Prefix::host(address);
        route.next_hops = {{.device = pair->host}};
        batch.add_route(route);
        batch.set_neighbour(pair->host, address, port->mac);
        port_of_[address] = name;
      }
    }
    const auto status = batch.execute();
    ASSERT_TRUE(status) << status.error().message;
    port->outside.emplace(static_cast<int>(pair->host.value));
    ports_[name] = std::move(port);
  }

  // From the host's end of each pair into the sandbox: behind what waits in this processor's queue.
  void wait_for_marker(std::map<std::string, std::set<std::uint32_t>>& arrived) {
    const std::uint32_t marker = 0xFF000000U + ++markers_;
    const PolicyPacket any{IpAddress::v4(0x7F000001), IpAddress::v4(0x7F000002), IPPROTO_UDP, 9};
    const auto bytes = make_packet(any, 9, marker);
    for (const auto& [name, port] : ports_) port->outside->send(bytes, port->mac);
    for (const auto& [name, port] : ports_) {
      ASSERT_TRUE(eventually([&] {
        port->inside->receive(arrived[name]);
        return arrived[name].contains(marker);
      })) << "no marker reached "
          << name;
    }
  }

  std::optional<cpu_set_t> before_;
  std::optional<netlink::NetlinkSocket> socket_;
  std::map<std::string, std::unique_ptr<Port>> ports_;
  std::map<IpAddress, std::string> port_of_;
  std::uint32_t markers_ = 0;
};

}  // namespace towpath::test
