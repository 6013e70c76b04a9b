// The bandwidth capability: measured by traffic, compared by CHECK, and gone with its endpoint in every way
// that an endpoint can go.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <cmath>
#include <thread>

#include "plugins/towpath/endpoint_shaping.h"
#include "tests/netns/plugins/plugin_fixture.h"
#include "towpath/ipam/endpoint_names.h"
#include "towpath/netlink/shaping.h"

namespace towpath::test {
namespace {

using testing::HasSubstr;

constexpr const char* kBothWays =
    R"({"runtimeConfig":{"bandwidth":{"ingressRate":24000000,"ingressBurst":240000,
                                                     "egressRate":16000000,"egressBurst":240000}}})";

class BandwidthTest : public PluginTest {
 protected:
  bool has_ifb(const std::string& container) {
    return netlink::find_link(*socket_, ipam::shaping_ifname({container, "eth0"})).has_value();
  }
  PluginAnswer del(const std::string& container) { return call("DEL", container, ""); }
};

// Nothing waits for more than ten seconds.
UniqueFd stream_socket(const IpAddress& ip) {
  UniqueFd fd(::socket(ip.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{.tv_sec = 10, .tv_usec = 0};
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    EXPECT_EQ(::setsockopt(fd.get(), SOL_SOCKET, option, &limit, sizeof limit), 0);
  }
  return fd;
}

UniqueFd listen_on(const std::string& address, std::uint16_t& port) {
  const IpAddress ip = *IpAddress::parse(address);
  UniqueFd fd = stream_socket(ip);
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  sockaddr_in four{};
  four.sin_family = AF_INET;
  EXPECT_EQ(ip.is_v4() ? ::bind(fd.get(), reinterpret_cast<sockaddr*>(&four), sizeof four)
                       : ::bind(fd.get(), reinterpret_cast<sockaddr*>(&six), sizeof six),
            0);
  EXPECT_EQ(::listen(fd.get(), 1), 0);
  sockaddr_in6 bound{};  // the port is at the same place in both families
  socklen_t size = sizeof bound;
  EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &size), 0);
  port = ntohs(bound.sin6_port);
  return fd;
}

UniqueFd connect_to(const std::string& address, std::uint16_t port) {
  const IpAddress ip = *IpAddress::parse(address);
  UniqueFd fd = stream_socket(ip);
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(port);
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(port);
  if (ip.is_v4()) std::memcpy(&four.sin_addr, ip.octets().data(), 4);
  if (ip.is_v6()) std::memcpy(&six.sin6_addr, ip.octets().data(), 16);
  EXPECT_EQ(ip.is_v4() ? ::connect(fd.get(), reinterpret_cast<sockaddr*>(&four), sizeof four)
                       : ::connect(fd.get(), reinterpret_cast<sockaddr*>(&six), sizeof six),
            0)
      << std::strerror(errno);
  return fd;
}

// Bits a second of one TCP stream in the long run: what comes in the first moments, the burst among it, is
// not counted.
double stream_rate(const NetworkNamespace& receiver_at, const NetworkNamespace& sender_at,
                   const std::string& address, std::size_t bytes) {
  std::uint16_t port = 0;
  UniqueFd listener;
  receiver_at.run([&] { listener = listen_on(address, port); });
  std::thread sender([&] {
    sender_at.run([&] {
      const UniqueFd fd = connect_to(address, port);
      const std::vector<char> part(16384);
      while (::send(fd.get(), part.data(), part.size(), MSG_NOSIGNAL) > 0) {
      }
    });
  });
  const std::size_t warm_up = bytes / 5;
  double rate = 0;
  {
    const UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::vector<char> part(65536);
    std::chrono::steady_clock::time_point begin;
    for (std::size_t got = 0; got < bytes;) {
      const ssize_t size = ::recv(fd.get(), part.data(), part.size(), 0);
      if (size <= 0) break;
      const auto now = std::chrono::steady_clock::now();
      if (got < warm_up && got + static_cast<std::size_t>(size) >= warm_up) begin = now;
      got += static_cast<std::size_t>(size);
      if (got >= bytes) {
        rate = static_cast<double>(bytes - warm_up) * 8 / std::chrono::duration<double>(now - begin).count();
      }
    }
  }  // closed: the sender ends
  sender.join();
  return rate;
}

// A busy machine can hold up one stream's sender or receiver, but a bucket of another rate shows every time.
void expect_rate(double wanted, const NetworkNamespace& receiver_at, const NetworkNamespace& sender_at,
                 const std::string& address) {
  double measured = 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    measured = stream_rate(receiver_at, sender_at, address, static_cast<std::size_t>(wanted / 8));
    if (std::abs(measured - wanted) <= wanted / 10) return;
  }
  ADD_FAILURE() << measured << " bit/s to " << address << ", not " << wanted;
}

TEST_F(BandwidthTest, TrafficKeepsTheRateBothWays) {
  const NetworkNamespace sandbox;
  const PluginAnswer added = add("a", sandbox, kBothWays);
  ASSERT_TRUE(added.ok()) << added.text;
  ASSERT_EQ(std::system("ip route add 192.0.2.0/24 dev up0 && ip -6 route add 2001:db8::/64 dev up0"), 0);
  // From another host, which is beyond the uplink: what is shaped is what this host forwards.
  other_->run([] {
    ASSERT_EQ(
        std::system("ip addr add 192.0.2.2/24 dev up0 && ip -6 addr add 2001:db8::2/64 dev up0 nodad && "
                    "ip route add 10.9.0.0/24 via 192.0.2.1 && ip -6 route add fd00:9::/120 via 2001:db8::1"),
        0);
  });
  for (const std::size_t family : {0U, 1U}) {
    expect_rate(24e6, sandbox, *other_, address_of(added, family));
    expect_rate(16e6, *other_, sandbox, family == 0 ? "192.0.2.2" : "2001:db8::2");
  }
}

TEST_F(BandwidthTest, TheConfigurationCanSayItForAllContainers) {
  const NetworkNamespace sandbox;
  const PluginAnswer added = add("a", sandbox, R"({"ingressRate":8000000000000,"ingressBurst":800000000})");
  ASSERT_TRUE(added.ok()) << added.text;
  EXPECT_FALSE(has_ifb("a"));
  const auto link = netlink::find_link(*socket_, ipam::host_ifname({"a", "eth0"}));
  const auto bucket = netlink::find_token_bucket(*socket_, link->index);
  ASSERT_TRUE(bucket && *bucket);
  EXPECT_EQ((*bucket)->rate, 1'000'000'000'000U) << "over 32 bits";
  EXPECT_TRUE(check("a", sandbox, added).ok()) << check("a", sandbox, added).text;
  EXPECT_TRUE(del("a").ok());
  expect_nothing_left();
}

TEST_F(BandwidthTest, CheckSeesEveryDifference) {
  const std::string host = ipam::host_ifname({"a", "eth0"});
  const std::string ifb = ipam::shaping_ifname({"a", "eth0"});
  const struct {
    std::string command;
    const char* message;
  } rows[] = {
      {"tc qdisc del dev " + host + " root", "the token bucket of 24000000 bits/s on "},
      {"tc qdisc replace dev " + host + " root tbf rate 1mbit burst 30000 limit 60000", "bytes/s, burst "},
      {"tc qdisc del dev " + host + " ingress", "is not redirected to "},
      {"tc qdisc del dev " + ifb + " root", "the token bucket of 16000000 bits/s on "},
      {"ip link set " + ifb + " down", "on the host is down"},
      {"ip link del " + ifb, "on the host is gone"},
  };
  for (const auto& row : rows) {
    const NetworkNamespace sandbox;
    const PluginAnswer added = add("a", sandbox, kBothWays);
    ASSERT_TRUE(added.ok()) << added.text;
    const PluginAnswer before = check("a", sandbox, added);
    ASSERT_TRUE(before.ok()) << before.text;
    ASSERT_EQ(std::system(row.command.c_str()), 0) << row.command;
    const PluginAnswer after = check("a", sandbox, added);
    EXPECT_EQ(after.code(), 101U) << row.command << after.text;
    EXPECT_THAT(after.message(), HasSubstr(row.message)) << row.command;
    ASSERT_TRUE(del("a").ok());
    EXPECT_FALSE(has_ifb("a")) << row.command;
  }
}

TEST_F(BandwidthTest, NoIfbOutlivesItsEndpoint) {
  auto sandbox = std::make_unique<NetworkNamespace>();
  ASSERT_TRUE(add("a", *sandbox, kBothWays).ok());
  EXPECT_EQ(netlink::find_link(*socket_, ipam::shaping_ifname({"a", "eth0"}))->alias, "a/eth0");
  EXPECT_TRUE(del("a").ok());
  EXPECT_FALSE(has_ifb("a")) << "DEL";

  ASSERT_TRUE(add("a", *sandbox, kBothWays).ok());
  std::filesystem::remove_all(state_dir());
  EXPECT_TRUE(del("a").ok());
  EXPECT_FALSE(has_ifb("a")) << "DEL without a store";

  ASSERT_TRUE(add("a", *sandbox, kBothWays).ok());
  sandbox.reset();
  EXPECT_TRUE(eventually([&] { return host_links().empty(); }));
  EXPECT_TRUE(has_ifb("a")) << "the sandbox takes the pair along, not the ifb";
  EXPECT_TRUE(call("GC", "", "", R"({"cni.dev/valid-attachments":[]})").ok());
  EXPECT_FALSE(has_ifb("a")) << "GC";

  sandbox = std::make_unique<NetworkNamespace>();
  ASSERT_TRUE(add("a", *sandbox, kBothWays).ok());
  sandbox = std::make_unique<NetworkNamespace>();
  ASSERT_TRUE(add("a", *sandbox).ok());
  EXPECT_FALSE(has_ifb("a")) << "ADD without a bandwidth, in place of one whose sandbox is gone";
  EXPECT_TRUE(del("a").ok());
  sandbox.reset();
  expect_nothing_left();

  const NetworkNamespace another;
  ASSERT_EQ(std::system(("ip link add " + ipam::shaping_ifname({"b", "eth0"}) + " type ifb").c_str()), 0);
  const PluginAnswer over = add("b", another, kBothWays);
  EXPECT_TRUE(over.ok()) << "left by an ADD that was killed: " << over.text;
  ASSERT_TRUE(del("b").ok());
}

TEST_F(BandwidthTest, WhatCannotBeMadeLeavesNothing) {
  const NetworkNamespace sandbox;
  const PluginAnswer small =
      add("a", sandbox, R"({"runtimeConfig":{"bandwidth":{"egressRate":8000,"egressBurst":8000}}})");
  EXPECT_EQ(small.code(), 7U) << small.text;
  EXPECT_THAT(small.message(), HasSubstr("egressBurst: '8000' bits are less than the 11552"));
  expect_nothing_left();
  const std::string ifb = ipam::shaping_ifname({"a", "eth0"});
  ASSERT_EQ(std::system(("ip link add " + ifb + " type ifb && ip link set " + ifb + " alias mine").c_str()),
            0);
  const PluginAnswer taken = add("a", sandbox, kBothWays);
  EXPECT_EQ(taken.code(), 5U) << taken.text;
  EXPECT_THAT(taken.message(), HasSubstr("create interface " + ifb));
  expect_nothing_left();
  EXPECT_EQ(netlink::find_link(*socket_, ifb)->alias, "mine") << "it is another's";
}

}  // namespace
}  // namespace towpath::test
