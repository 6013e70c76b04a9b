// Finds the network namespaces that have an address, among those that runtimes keep by name in /run/netns.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "towpath/base/address.h"

namespace towpath::cli {

struct SandboxPlace {
  std::string path{};
  std::uint64_t inode = 0;
};

class SandboxSearch {
 public:
  // Looks into all of them, once. What cannot be entered is left out.
  SandboxSearch();
  // Where an interface of this name has this address; nothing also if that is so in more than one namespace.
  std::optional<SandboxPlace> find(const std::string& ifname, const IpAddress& address) const;

 private:
  std::map<std::pair<std::string, IpAddress>, std::vector<SandboxPlace>> places_;
};

}  // namespace towpath::cli
