#include "cli/sandbox_search.h"

#include <filesystem>

#include "towpath/netlink/interface_state.h"
#include "towpath/netlink/link.h"
#include "towpath/netlink/sandbox.h"

namespace towpath::cli {
namespace {

constexpr const char* kNamedNamespaces = "/run/netns";

}  // namespace

SandboxSearch::SandboxSearch() {
  std::error_code code;
  for (const auto& entry : std::filesystem::directory_iterator(kNamedNamespaces, code)) {
    const auto sandbox = netlink::Sandbox::open(entry.path());
    if (!sandbox) continue;
    auto socket = sandbox->open_socket();
    if (!socket) continue;
    const auto links = netlink::dump_links(*socket);
    if (!links) continue;
    for (const netlink::Link& link : *links) {
      if (link.loopback) continue;
      const auto addresses = netlink::dump_addresses(*socket, link.index);
      if (!addresses) continue;
      for (const InterfaceAddress& address : *addresses)
        places_[{link.name, address.address}].push_back({entry.path(), sandbox->inode()});
    }
  }
}

std::optional<SandboxPlace> SandboxSearch::find(const std::string& ifname, const IpAddress& address) const {
  const auto found = places_.find({ifname, address});
  if (found == places_.end() || found->second.size() != 1) return std::nullopt;
  return found->second.front();
}

}  // namespace towpath::cli
