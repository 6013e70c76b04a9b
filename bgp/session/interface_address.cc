#include "bgp/session/interface_address.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <cstring>
#include <memory>
#include <string>

namespace towpath::bgp {
namespace {

struct InterfaceEntry {
  std::string interface;
  IpAddress address;
};

std::optional<IpAddress> from_sockaddr(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    return IpAddress::v4(ntohl(v4.sin_addr.s_addr));
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof v6);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return IpAddress::v6(bytes);
  }
  return std::nullopt;
}

std::vector<InterfaceEntry> interface_entries() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  std::vector<InterfaceEntry> entries;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (const auto address = from_sockaddr(entry->ifa_addr)) entries.push_back({entry->ifa_name, *address});
  }
  return entries;
}

}  // namespace

std::vector<IpAddress> local_addresses() {
  std::vector<IpAddress> addresses;
  for (const auto& entry : interface_entries()) addresses.push_back(entry.address);
  return addresses;
}

std::optional<IpAddress> address_beside(const IpAddress& address, AddressFamily family) {
  const auto entries = interface_entries();
  std::optional<IpAddress> link_local;
  for (const auto& owner : entries) {
    if (owner.address != address) continue;
    for (const auto& entry : entries) {
      if (entry.interface != owner.interface || entry.address.family() != family) continue;
      if (entry.address.is_loopback()) continue;
      if (!entry.address.is_link_local()) return entry.address;
      if (!link_local) link_local = entry.address;
    }
  }
  return link_local;
}

}  // namespace towpath::bgp
