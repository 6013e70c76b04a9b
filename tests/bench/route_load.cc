// Kernel routes measured from outside: a watcher that sees each come, and the fastest possible writer.
//
// usage: route_load watch ipv4|ipv6 PROTOCOL ROUTES
//        route_load write ipv4|ipv6 PROTOCOL ROUTES IFNAME NEXT_HOP
//
// watch prints "ready", then "complete NS" (CLOCK_MONOTONIC) when it has seen ROUTES new routes of PROTOCOL,
// and ends. write is the kernel's own limit: nothing but RTM_NEWROUTE messages, 128 KB in a send,
// acknowledged at the end of each send; it prints "begin NS" and "sent NS".
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "route_load: %s\n", what);
  std::exit(1);
}

void say(const char* what) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  std::printf("%s %lld\n", what, static_cast<long long>(now.tv_sec) * 1000000000 + now.tv_nsec);
  std::fflush(stdout);
}

int open_socket(std::uint32_t groups) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("netlink socket");
  const int size = 512 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  return fd;
}

void watch(bool ipv6, int protocol, std::uint32_t routes) {
  const int fd = open_socket(ipv6 ? RTMGRP_IPV6_ROUTE : RTMGRP_IPV4_ROUTE);
  say("ready");
  std::vector<char> buffer(1 << 20);
  for (std::uint32_t seen = 0; seen < routes;) {
    ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == ENOBUFS) fail("the kernel dropped notifications");
    if (got < 0) fail("recv");
    auto left = static_cast<unsigned int>(got);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      const auto* route = static_cast<const rtmsg*>(NLMSG_DATA(header));
      if (header->nlmsg_type == RTM_NEWROUTE && route->rtm_protocol == protocol) ++seen;
    }
  }
  say("complete");
}

void put(std::vector<char>& out, const void* data, std::size_t size) {
  const auto* bytes = static_cast<const char*>(data);
  out.insert(out.end(), bytes, bytes + size);
  out.resize((out.size() + 3) & ~std::size_t{3});
}

void attribute(std::vector<char>& out, std::uint16_t type, const void* data, std::size_t size) {
  const rtattr head{static_cast<std::uint16_t>(sizeof(rtattr) + size), type};
  put(out, &head, sizeof head);
  put(out, data, size);
}

void append_route(std::vector<char>& out, bool ipv6, int protocol, std::uint32_t i, std::uint32_t device,
                  const std::uint8_t* next_hop) {
  const std::size_t start = out.size();
  nlmsghdr header{};
  header.nlmsg_type = RTM_NEWROUTE;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE;
  put(out, &header, sizeof header);
  rtmsg route{};
  route.rtm_family = ipv6 ? AF_INET6 : AF_INET;
  route.rtm_dst_len = ipv6 ? 48 : 24;
  route.rtm_table = RT_TABLE_MAIN;
  route.rtm_protocol = static_cast<unsigned char>(protocol);
  route.rtm_type = RTN_UNICAST;
  put(out, &route, sizeof route);
  // Route number i as in bgp_load: 16.0.0.0/24 + i, 2400::/48 + i.
  std::uint8_t destination[16] = {};
  if (ipv6) {
    destination[0] = 0x24;
    const std::uint32_t number = htonl(i);
    std::memcpy(destination + 2, &number, 4);
  } else {
    const std::uint32_t network = htonl(((16u << 16) + i) << 8);
    std::memcpy(destination, &network, 4);
  }
  const std::size_t size = ipv6 ? 16 : 4;
  const std::uint32_t metric = 32;
  attribute(out, RTA_DST, destination, size);
  attribute(out, RTA_GATEWAY, next_hop, size);
  attribute(out, RTA_OIF, &device, sizeof device);
  attribute(out, RTA_PRIORITY, &metric, sizeof metric);
  const auto length = static_cast<std::uint32_t>(out.size() - start);
  std::memcpy(out.data() + start, &length, sizeof length);
}

void write_routes(bool ipv6, int protocol, std::uint32_t routes, const char* ifname, const char* next_hop) {
  const int fd = open_socket(0);
  std::uint8_t via[16] = {};
  if (inet_pton(ipv6 ? AF_INET6 : AF_INET, next_hop, via) != 1) fail("bad next hop");
  const std::uint32_t device = if_nametoindex(ifname);
  std::vector<std::vector<char>> sends(1);
  std::size_t last = 0;
  for (std::uint32_t i = 0; i < routes; ++i) {
    if (sends.back().size() > (128u << 10) - 128) sends.emplace_back();
    last = sends.back().size();
    append_route(sends.back(), ipv6, protocol, i, device, via);
    if (i + 1 == routes || sends.back().size() > (128u << 10) - 128) {
      auto* header = reinterpret_cast<nlmsghdr*>(sends.back().data() + last);
      header->nlmsg_flags |= NLM_F_ACK;
    }
  }
  const int size = 1 << 20;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  say("begin");
  for (const std::vector<char>& bytes : sends) {
    if (send(fd, bytes.data(), bytes.size(), 0) < 0) fail("send");
    char answer[8192];
    if (recv(fd, answer, sizeof answer, 0) < 0) fail("recv");
    int error = 0;
    std::memcpy(&error, answer + sizeof(nlmsghdr), sizeof error);
    if (error != 0) fail("the kernel refused a route");
  }
  say("sent");
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if ((mode != "watch" || argc != 5) && (mode != "write" || argc != 7)) {
    fail("usage: watch FAMILY PROTOCOL ROUTES | write FAMILY PROTOCOL ROUTES IFNAME NEXT_HOP");
  }
  const bool ipv6 = std::string_view(argv[2]) == "ipv6";
  const int protocol = std::atoi(argv[3]);
  const auto routes = static_cast<std::uint32_t>(std::strtoul(argv[4], nullptr, 10));
  if (mode == "watch") {
    watch(ipv6, protocol, routes);
  } else {
    write_routes(ipv6, protocol, routes, argv[5], argv[6]);
  }
  return 0;
}
