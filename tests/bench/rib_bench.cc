// What the RIB itself costs: CPU time per route and bytes per path, without sockets and without decoding.
//
// usage: rib_bench [--routes N] [--per-set N] [--ipv6] [--peers N]
//
// One external source announces N prefixes, `per-set` to an attribute set and an UPDATE, in rising order, as
// a table dump does. Then the change list is read as the FIB would, one receiver takes the full table,
// further receivers take it, and the source withdraws everything. Bytes per path are the growth of the heap
// (mallinfo2), so nothing is left out and nothing is counted that the process had before.
#include <malloc.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "bgp/rib/rib.h"

using namespace towpath;
using namespace towpath::bgp;

namespace {

struct Options {
  std::size_t routes = 1'000'000;
  std::size_t per_set = 20;
  std::size_t peers = 32;
  Family family = Family::kIpv4Unicast;
};

std::size_t heap_bytes() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// Of this process, which does nothing but compute: another load on the machine disturbs it least.
double cpu_nanoseconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

void report(const Options& o, const char* what, const std::function<void()>& work) {
  const std::size_t heap = heap_bytes();
  const double start = cpu_nanoseconds();
  work();
  const double took = cpu_nanoseconds() - start;
  const double grown = static_cast<double>(heap_bytes()) - static_cast<double>(heap);
  const auto routes = static_cast<double>(o.routes);
  std::printf("%-34s %8.1f ms  %7.1f ns/route  %+7.1f bytes/route\n", what, took / 1e6, took / routes,
              grown / routes);
}

Prefix prefix_at(const Options& o, std::size_t i) {
  if (o.family == Family::kIpv4Unicast)
    return Prefix::v4(static_cast<std::uint32_t>(0x01000000 + (i << 8)), 24);
  return Prefix::v6(0x2001'0db8'0000'0000 + (std::uint64_t{i} << 16), 0, 48);
}

NextHop next_hop(const Options& o) {
  return {*IpAddress::parse(o.family == Family::kIpv4Unicast ? "198.51.100.1" : "2001:db8::2"), {}};
}

ExportTarget target() {
  ExportTarget t;
  t.local_as = {65000};
  t.scope = ExportScope::kAll;
  t.next_hop_self = {NextHop{*IpAddress::parse("192.0.2.1"), {}},
                     NextHop{*IpAddress::parse("2001:db8::1"), {}}};
  t.session.four_octet_as = true;
  for (auto& family : t.session.families) family.enabled = true;
  return t;
}

std::size_t pull_all(Rib& rib, PeerId peer) {
  std::size_t bytes = 0;
  std::vector<OutputSlice> slices;
  for (bool more = true; more;) {
    more = rib.pull(peer, 256 * 1024, slices);
    for (const OutputSlice& slice : slices) bytes += slice.bytes.size();
    slices.clear();
  }
  return bytes;
}

void announce_all(Rib& rib, PeerId source, const Options& o) {
  PathAttributes attributes;
  attributes.as_path.segments.push_back({SegmentType::kSequence, {{65001}, {65002}, {}, {}}});
  const NextHop hop = next_hop(o);
  std::vector<NlriEntry> nlri;
  for (std::size_t i = 0; i < o.routes;) {
    attributes.as_path.segments[0].numbers[2].value = 1 + static_cast<std::uint32_t>(i / o.per_set);
    attributes.as_path.segments[0].numbers[3].value = 65003;
    nlri.clear();
    for (std::size_t n = 0; n < o.per_set && i < o.routes; ++n) nlri.push_back({prefix_at(o, i++), 0});
    rib.announce(source, o.family, hop, nlri, attributes, {});
  }
}

void withdraw_all(Rib& rib, PeerId source, const Options& o) {
  std::vector<NlriEntry> nlri;
  for (std::size_t i = 0; i < o.routes;) {
    nlri.clear();
    for (std::size_t n = 0; n < 500 && i < o.routes; ++n) nlri.push_back({prefix_at(o, i++), 0});
    rib.withdraw(source, o.family, nlri);
  }
}

void run(const Options& o) {
  std::printf("%zu %s routes, %zu to an attribute set\n", o.routes, std::string(format(o.family)).c_str(),
              o.per_set);
  Rib rib({{65000}, {1}, {1}});
  const PolicyPtr all({accept_prefixes("all", {{Prefix::default_route(address_family(o.family)), 0, 128}})});
  const PeerId source = rib.add_peer({*IpAddress::parse("192.0.2.9"), PeerKind::kExternal, {9}, all});
  std::vector<PeerId> receivers;
  for (std::size_t i = 0; i < o.peers; ++i) {
    const auto address = IpAddress::v4(0x0A000001 + static_cast<std::uint32_t>(i));
    receivers.push_back(rib.add_peer({address, PeerKind::kExternal, {10}, {}}));
  }
  const auto drain_fib = [&rib] {
    std::vector<RibDelta> deltas;
    while (rib.read_changes(4096, deltas)) deltas.clear();
  };
  report(o, "announce", [&] { announce_all(rib, source, o); });
  report(o, "announce again, nothing new", [&] { announce_all(rib, source, o); });
  report(o, "read the changes for the FIB", drain_fib);
  std::size_t bytes = 0;
  report(o, "full table to the first receiver", [&] {
    rib.open_output(receivers[0], target());
    bytes = pull_all(rib, receivers[0]);
  });
  std::printf("  %.2f octets a route on the wire\n",
              static_cast<double>(bytes) / static_cast<double>(o.routes));
  report(o, "full table to one that comes later", [&] {
    rib.open_output(receivers[1], target());
    pull_all(rib, receivers[1]);
  });
  for (const PeerId peer : receivers) {
    rib.open_output(peer, target());
    pull_all(rib, peer);
  }
  report(o, "withdraw", [&] { withdraw_all(rib, source, o); });
  report(o, "tell all receivers", [&] {
    for (bool more = true; more;) {
      more = false;
      for (const PeerId peer : receivers) {
        std::vector<OutputSlice> slices;
        more = rib.pull(peer, 64 * 1024, slices) || more;
      }
    }
  });
  report(o, "read the changes for the FIB", drain_fib);
  std::printf("  left: %zu paths, %zu prefixes, %zu attribute sets\n", rib.path_count(),
              rib.prefix_count(o.family), rib.attribute_set_count());
  report(o, "announce, all receivers reading", [&] {
    announce_all(rib, source, o);
    for (bool more = true; more;) {
      more = false;
      for (const PeerId peer : receivers) {
        std::vector<OutputSlice> slices;
        more = rib.pull(peer, 64 * 1024, slices) || more;
      }
    }
  });
  drain_fib();
  report(o, "the source is gone, swept", [&] {
    rib.clear_peer(source, o.family);
    while (rib.work(4096)) {
    }
  });
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const bool has_value = i + 1 < argc;
    if (std::strcmp(argv[i], "--ipv6") == 0) {
      o.family = Family::kIpv6Unicast;
    } else if (std::strcmp(argv[i], "--routes") == 0 && has_value) {
      o.routes = std::strtoul(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--per-set") == 0 && has_value) {
      o.per_set = std::strtoul(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--peers") == 0 && has_value) {
      o.peers = std::strtoul(argv[++i], nullptr, 10);
    } else {
      std::fprintf(stderr, "usage: rib_bench [--routes N] [--per-set N] [--ipv6] [--peers N]\n");
      return 2;
    }
  }
  if (o.routes == 0 || o.per_set == 0 || o.peers < 2) {
    std::fprintf(stderr, "rib_bench: --routes and --per-set must be at least 1, --peers at least 2\n");
    return 2;
  }
  run(o);
  return 0;
}
