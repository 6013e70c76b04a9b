// The agent's way into the kernel's routing table beside `ip -batch`: the same routes, each round in a fresh
// namespace.
//
// usage: route_bench [--routes N] [--rounds N]       as root
//        route_bench --failover 1 [--routes N] [--rounds N]
//
// Ours is all of it: want() for each prefix, the writer's thread, the answers taken in, until in sync. Then
// the same routes are read back by a restarted agent (adopt), moved to another next hop (replace) and removed
// (delete). Medians of interleaved rounds; a ratio below 1 means that ours is faster.
//
// --failover: how long until the kernel forwards otherwise, for 1000 routes and for N, as rows of a table.
// The end is the kernel's notification of the changed next-hop object, to a socket that only listens; for
// routes that are each written, the last route's.
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/dataplane/dataplane.h"
#include "agent/dataplane/netlink_route_kernel.h"
#include "netlink/message_reader.h"
#include "towpath/netlink/batch.h"

using namespace towpath;

namespace {

struct Options {
  std::uint32_t routes = 100'000;
  int rounds = 5;
  bool failover = false;
};

using Figures = std::map<std::string, std::vector<double>>;  // milliseconds by what was measured

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "route_bench: %s\n", what.c_str());
  std::exit(1);
}
template <class T>
T require(Result<T> result) {
  if (!result) fail(result.error().message);
  return *std::move(result);
}

double milliseconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

class Loop {
 public:
  agent::KernelWriter::Post post() {
    return [this](agent::KernelWriter::Task task) {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
      wake_.notify_one();
    };
  }
  void run_one() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return !tasks_.empty(); });
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<agent::KernelWriter::Task> tasks_;
};

Prefix prefix(AddressFamily family, std::uint32_t number) {
  if (family == AddressFamily::kIpv4) return *Prefix::make(IpAddress::v4(0x0A000000 + number * 16), 28);
  std::array<std::uint8_t, 16> bytes{0xfd, 0x00, 0x00, 0x64};
  for (std::size_t i = 0; i < 4; ++i) bytes[4 + i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
  return *Prefix::make(IpAddress::v6(bytes), 64);
}
IpAddress next_hop(AddressFamily family, bool second) {
  const char* text = family == AddressFamily::kIpv4 ? (second ? "192.0.2.3" : "192.0.2.2")
                                                    : (second ? "2001:db8::3" : "2001:db8::2");
  return *IpAddress::parse(text);
}

// A namespace of the calling thread with one interface that is up and has a subnet in each family.
void make_host() {
  if (::unshare(CLONE_NEWNET) != 0) fail("needs root, to make network namespaces");
  if (std::system("ip link add up0 type veth peer name up1 && ip link set up1 up && ip link set up0 up && "
                  "ip address add 192.0.2.1/24 dev up0 && ip -6 address add 2001:db8::1/64 dev up0 nodad") !=
      0) {
    fail("cannot make an interface");
  }
}

void run_ours(AddressFamily family, const Options& options, Figures& figures) {
  Loop loop;
  std::unique_ptr<agent::Dataplane> dataplane;
  const auto start = [&] {
    dataplane.reset();
    auto kernel = require(agent::NetlinkRouteKernel::open({}));
    dataplane = require(agent::Dataplane::start(std::move(kernel), {}, loop.post()));
  };
  const auto finish = [&] {
    dataplane->apply();
    const auto& routes = dataplane->routes();
    while (routes.counters().in_flight != 0 || routes.has_writes()) loop.run_one();
    if (!routes.in_sync()) fail("routes were refused");
  };
  const auto want_all = [&](bool second) {
    for (std::uint32_t i = 0; i < options.routes; ++i) {
      dataplane->routes().want(prefix(family, i), {{.via = next_hop(family, second)}});
    }
  };
  start();
  figures["add"].push_back(milliseconds([&] {
    want_all(false);
    finish();
  }));
  figures["adopt"].push_back(milliseconds([&] {
    start();
    want_all(false);
    finish();
  }));
  if (dataplane->routes().counters().adopted != options.routes) fail("not all routes are there");
  figures["replace"].push_back(milliseconds([&] {
    want_all(true);
    finish();
  }));
  figures["delete"].push_back(milliseconds([&] {
    dataplane->routes().allow_deletes();
    for (std::uint32_t i = 0; i < options.routes; ++i) dataplane->routes().unwant(prefix(family, i));
    finish();
  }));
}

void run_ip(AddressFamily family, const Options& options, Figures& figures) {
  char path[] = "/tmp/route_bench_XXXXXX";
  const int fd = ::mkstemp(path);
  if (fd < 0) fail("cannot make a temporary file");
  ::close(fd);
  const auto run = [&](const char* verb, bool second) {
    std::ofstream file(path, std::ios::trunc);
    for (std::uint32_t i = 0; i < options.routes; ++i) {
      file << "route " << verb << " " << prefix(family, i).to_string();
      file << " via " << next_hop(family, second).to_string() << " proto 84 metric 32\n";
    }
    file.close();
    const std::string command =
        std::string("ip ") + (family == AddressFamily::kIpv6 ? "-6 " : "") + "-batch " + path;
    figures[verb == std::string("del") ? "delete" : verb].push_back(milliseconds([&] {
      if (std::system(command.c_str()) != 0) fail("ip -batch failed");
    }));
  };
  run("add", false);
  run("replace", true);
  run("del", true);
  ::unlink(path);
}

constexpr int kPatience = 60'000;  // milliseconds

// Notifications of next-hop objects and routes, for who only looks on.
class Onlooker {
 public:
  Onlooker() : socket_(require(netlink::NetlinkSocket::open(0, 512 << 20))) {
    for (const std::uint32_t group : {RTNLGRP_NEXTHOP, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE}) {
      if (!socket_.join(group)) fail("cannot listen");
    }
  }
  // Until `count` objects or routes of ours were written, since the last call.
  void wait_for(std::uint16_t type, std::uint32_t count) {
    while (count != 0) {
      pollfd readable{socket_.fd(), POLLIN, 0};
      if (::poll(&readable, 1, kPatience) != 1) fail("the kernel says nothing of the routes any more");
      auto datagram = require(socket_.receive());
      while (const auto message = netlink::next_message(datagram)) {
        if (message->header.nlmsg_type != type || count == 0) continue;
        if (type == RTM_NEWROUTE && netlink::parse_route(*message)->protocol != netlink::kRouteProtocol)
          continue;
        --count;
      }
    }
  }
  void forget() {
    while (socket_.receive()) {
    }
  }

 private:
  netlink::NetlinkSocket socket_;
};

// Both next hops are on up0 at first, which is all that the kernel needs to know.
void run_failover(AddressFamily family, std::uint32_t count, bool compatible, Figures& figures) {
  if (!compatible && std::system("sysctl -qw net.ipv4.nexthop_compat_mode=0") != 0)
    fail("cannot set the mode");
  Loop loop;
  auto dataplane =
      require(agent::Dataplane::start(require(agent::NetlinkRouteKernel::open({})), {}, loop.post()));
  agent::RouteSyncer& routes = dataplane->routes();
  const auto finish = [&] {
    dataplane->apply();
    while (routes.counters().in_flight != 0 || routes.has_writes()) loop.run_one();
    if (!routes.in_sync()) fail("routes were refused");
  };
  const auto settle = [&] {  // an audit, and what it finds
    const auto before = routes.counters().resyncs;
    dataplane->tick();
    dataplane->resync();
    while (routes.counters().resyncs == before) loop.run_one();
    finish();
  };
  const auto want_all = [&](const std::vector<netlink::NextHop>& hops) {
    for (std::uint32_t i = 0; i < count; ++i) routes.want(prefix(family, i), hops);
  };
  const std::vector<netlink::NextHop> first{{.via = next_hop(family, false)}},
      second{{.via = next_hop(family, true)}};
  routes.allow_deletes();
  want_all({first[0], second[0]});
  finish();
  Onlooker onlooker;
  figures["lost"].push_back(milliseconds([&] {
    dataplane->next_hop_lost(*first[0].via);
    onlooker.wait_for(RTM_NEWNEXTHOP, 1);
  }));
  dataplane->next_hop_back(*first[0].via);
  settle();
  want_all(first);
  finish();
  settle();  // the group goes
  if (std::system((std::string("ip route add ") + first[0].via->to_string() + " dev up1").c_str()) != 0)
    fail("cannot make a route");
  onlooker.forget();
  figures["moved"].push_back(milliseconds([&] {
    dataplane->tick();
    onlooker.wait_for(RTM_NEWNEXTHOP, 1);
  }));
  settle();
  onlooker.forget();
  want_all(second);
  figures["each"].push_back(milliseconds([&] {
    dataplane->apply();
    while (routes.counters().in_flight != 0 || routes.has_writes()) loop.run_one();
    onlooker.wait_for(RTM_NEWROUTE, count);
  }));
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

void in_fresh_host(const std::function<void()>& work) {
  std::thread thread([&] {
    make_host();
    work();
  });
  thread.join();
}

void compare_failover(const Options& options) {
  constexpr std::uint32_t kFew = 1000;
  std::printf("| | 1000 routes, ms | %u routes, ms | ratio |\n|---|---|---|---|\n", options.routes);
  for (const auto family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    const char* name = family == AddressFamily::kIpv4 ? "IPv4" : "IPv6";
    Figures few[2], many[2];
    for (int round = 0; round < options.rounds; ++round) {
      for (const bool compatible : {false, true}) {
        in_fresh_host([&] { run_failover(family, kFew, compatible, few[compatible]); });
        in_fresh_host([&] { run_failover(family, options.routes, compatible, many[compatible]); });
      }
    }
    const auto row = [&](const char* key, bool compatible, const char* what) {
      const double a = median(few[compatible][key]), b = median(many[compatible][key]);
      std::printf("| %s: %s | %.2f | %.2f | %.2f |\n", name, what, a, b, b / a);
    };
    row("lost", true, "one of two next hops is lost (BFD)");
    row("moved", true, "the next hop moves to another interface");
    row("moved", false, "the same with nexthop_compat_mode=0");
    row("each", true, "beside it: each route is written");
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--routes") == 0) {
      options.routes = static_cast<std::uint32_t>(std::strtoul(argv[i + 1], nullptr, 10));
    } else if (std::strcmp(argv[i], "--rounds") == 0) {
      options.rounds = std::atoi(argv[i + 1]);
    } else if (std::strcmp(argv[i], "--failover") == 0) {
      options.failover = std::atoi(argv[i + 1]) != 0;
    } else {
      fail(std::string("unknown argument ") + argv[i]);
    }
  }
  if (options.failover) {
    compare_failover(options);
    return 0;
  }
  for (const auto family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    Figures ours, ip;
    for (int round = 0; round < options.rounds; ++round) {
      in_fresh_host([&] { run_ours(family, options, ours); });
      in_fresh_host([&] { run_ip(family, options, ip); });
    }
    std::printf("%s, %u routes, median of %d rounds\n", family == AddressFamily::kIpv4 ? "ipv4" : "ipv6",
                options.routes, options.rounds);
    for (const char* what : {"add", "replace", "delete", "adopt"}) {
      const double mine = median(ours[what]);
      std::printf("  %-8s towpath %8.1f ms (%6.0f k/s)", what, mine, options.routes / mine);
      if (ip.contains(what))
        std::printf("   ip -batch %8.1f ms   ratio %.2f", median(ip[what]), mine / median(ip[what]));
      std::printf("\n");
    }
  }
  return 0;
}
