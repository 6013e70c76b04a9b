// Fills a state store as so many ADDs would have done it, without their interfaces.
//
// usage: store_fill STATE_DIR COUNT NETWORK BLOCK [BLOCK]
//
// COUNT live endpoints of NETWORK, each with an address of every block; the first of them are those of the
// allocator's order.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "towpath/ipam/state_store.h"

namespace {

using towpath::Prefix;
using namespace towpath::ipam;

[[noreturn]] void fail(const std::string& reason) {
  fmt::print(stderr, "store_fill: {}\n", reason);
  std::exit(1);
}

template <class T>
T need(towpath::Result<T> result) {
  if (!result) fail(result.error().message);
  return *std::move(result);
}

void attach(StateStore& store, unsigned number, const std::string& network,
            const std::vector<Prefix>& blocks) {
  ReserveRequest request;
  request.attachment = {fmt::format("held{:028x}", number * 2654435761U), "eth0"};
  request.network = network;
  request.sandbox = "/run/netns/" + request.attachment.container_id;
  request.sandbox_inode = 4026600000U + number;
  request.now = std::chrono::system_clock::now();
  request.state = AllocationState::kPending;
  request.ipam_type = "towpath-ipam";
  request.choice.blocks = blocks;
  EndpointRecord record = need(store.reserve(request));
  record.host_ifname = fmt::format("tp{:012x}", number);
  record.mac = towpath::MacAddress::random();
  record.mtu = 1500;
  if (auto done = store.commit(record); !done) fail(done.error().message);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5 || argc > 6) fail("usage: store_fill STATE_DIR COUNT NETWORK BLOCK [BLOCK]");
  const unsigned long count = std::strtoul(argv[2], nullptr, 10);
  std::vector<Prefix> blocks;
  for (int i = 4; i < argc; ++i) blocks.push_back(need(Prefix::parse(argv[i])));
  StateStore store = need(StateStore::open(argv[1], StateStore::OpenMode::kCreate));
  for (unsigned number = 0; number < count; ++number) attach(store, number, argv[3], blocks);
  return 0;
}
