// AddressChoice: which addresses an attachment may get. One of each family among the blocks, or none at all;
// what is asked for by name takes the place of the choice in its family.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "towpath/base/address.h"
#include "towpath/base/prefix.h"
#include "towpath/ipam/address_range.h"

namespace towpath::ipam {

struct AddressChoice {
  // Where to allocate. Empty: the blocks that the host owns.
  std::vector<Prefix> blocks{};
  // Of these blocks only those that lie inside one of these prefixes. Empty: all.
  std::vector<Prefix> pool{};
  // Only addresses in these ranges, also by name. Empty: all.
  std::vector<AddressRange> ranges{};
  // Addresses that nobody gets who does not ask for them by name.
  std::vector<AddressRange> excluded{};
  // By name. Each of them, or none.
  std::vector<IpAddress> addresses{};
  // Where each of these is written, for messages about it: "runtimeConfig.ips[0]". May be empty.
  std::vector<std::string> keys{};
  // An address by name that is in no block of this host, but inside the agent's pools (and `pool`), is one of
  // another host's block: give it all the same.
  bool borrow = false;
  // The first address that a container could get is the gateway of its block's link (gateway_of()): nobody
  // gets it.
  bool gateway = false;
  // How long an address that was in use rests before it is chosen again; one asked for by name need not.
  std::chrono::seconds cool_down{0};
};

}  // namespace towpath::ipam
