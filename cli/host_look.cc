#include "cli/host_look.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string>
#include <utility>

#include "towpath/ipam/endpoint_names.h"
#include "towpath/netlink/interface_state.h"
#include "towpath/netlink/link.h"
#include "towpath/netlink/route.h"
#include "towpath/netlink/sandbox.h"

namespace towpath::cli {
namespace {

using ipam::AttachmentId;
using ipam::EndpointRecord;
using ipam::HostObservation;
using netlink::NetlinkSocket;

constexpr std::uint32_t kLocalTable = 255;
constexpr std::string_view kProc = "/proc/";

class HostLook {
 public:
  HostLook(NetlinkSocket socket, std::span<const EndpointRecord> records)
      : socket_(std::move(socket)), records_(records) {
    for (const EndpointRecord& record : records) {
      known_.insert(record.attachment);
      by_ifname_.emplace(ipam::host_ifname(record.attachment), record.attachment);
      by_ifname_.emplace(ipam::shaping_ifname(record.attachment), record.attachment);
    }
  }

  Result<HostObservation> run() {
    TOWPATH_TRY_STATUS(look_at_links());
    TOWPATH_TRY_STATUS(look_at_routes());
    for (const EndpointRecord& record : records_) look_at_sandbox(record);
    if (std::ranges::any_of(records_, [&](const EndpointRecord& r) { return needs_inhabitants(r); }))
      seen_.inhabited = inhabited_namespaces();
    return std::move(seen_);
  }

 private:
  // Whose an interface is. An alias alone could be anybody's; a name without alias is of an ADD that was
  // killed on its way.
  std::optional<AttachmentId> owner_of(const netlink::Link& link) const {
    if (link.kind != "veth" && link.kind != "ifb") return std::nullopt;
    if (link.alias.empty()) {
      const auto found = by_ifname_.find(link.name);
      return found == by_ifname_.end() ? std::nullopt : std::optional(found->second);
    }
    const auto attachment = ipam::parse_alias(link.alias);
    if (!attachment) return std::nullopt;
    const bool is_ours = known_.contains(*attachment) || link.name == ipam::host_ifname(*attachment) ||
                         link.name == ipam::shaping_ifname(*attachment);
    return is_ours ? attachment : std::nullopt;
  }

  Status look_at_links() {
    TOWPATH_TRY(const auto links, netlink::dump_links(socket_));
    for (const netlink::Link& link : links) {
      names_.emplace(link.index.value, link.name);
      if (const auto owner = owner_of(link)) seen_.links.push_back({link.name, *owner, link.kind == "veth"});
    }
    return {};
  }

  std::string name_of(IfIndex device) const {
    const auto found = names_.find(device.value);
    return found == names_.end() ? fmt::format("interface {}", device.value) : found->second;
  }

  Status look_at_routes() {
    for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
      const std::size_t before = seen_.routes.size();
      TOWPATH_TRY_STATUS(netlink::dump_routes(
          socket_, family, {.table = netlink::kMainTable, .protocol = {}, .device = {}},
          [&] { seen_.routes.resize(before); },
          [&](netlink::Route&& route) {
            if (route.type != netlink::RouteType::kUnicast || !route.key.destination.is_host()) return;
            for (const netlink::NextHop& hop : route.next_hops) {
              seen_.routes.push_back(
                  {route.key.destination.address(), name_of(hop.device), route.key.metric});
            }
          }));
      TOWPATH_TRY(
          const auto local,
          netlink::dump_routes(socket_, family, {.table = kLocalTable, .protocol = {}, .device = {}}));
      for (const netlink::Route& route : local) {
        if (route.type != netlink::RouteType::kLocal || !route.key.destination.is_host()) continue;
        const IfIndex device = route.next_hops.empty() ? IfIndex{} : route.next_hops.front().device;
        seen_.own_addresses.emplace(route.key.destination.address(), name_of(device));
      }
    }
    return {};
  }

  static bool is_visible(const std::string& path) {
    struct stat info{};
    // Processes come and go; where one of them could be seen, its absence can be, too.
    const std::string place = path.starts_with(kProc) ? std::string(kProc) + "self"
                                                      : std::filesystem::path(path).parent_path().string();
    return ::stat(place.c_str(), &info) == 0;
  }

  void look_at_sandbox(const EndpointRecord& record) {
    if (record.sandbox.empty()) return;
    const auto sandbox = netlink::Sandbox::open(record.sandbox);
    ipam::ObservedSandbox& place = seen_.sandboxes[record.sandbox];
    if (!sandbox) {
      const ErrorKind kind = sandbox.error().kind;
      place.place_is_visible =
          kind == ErrorKind::kInvalid || (kind == ErrorKind::kNotFound && is_visible(record.sandbox));
      return;
    }
    place = {sandbox->inode(), true};
    if (sandbox->inode() != record.sandbox_inode) return;
    auto inside = sandbox->open_socket();
    if (!inside) return;
    look_inside(*inside, record.attachment);
  }

  void look_inside(NetlinkSocket& inside, const AttachmentId& attachment) {
    const auto link = netlink::find_link(inside, attachment.ifname);
    if (!link) {
      if (link.error().kind == ErrorKind::kNotFound) seen_.interfaces[attachment] = std::nullopt;
      return;
    }
    const auto addresses = netlink::dump_addresses(inside, link->index);
    if (!addresses) return;
    std::set<IpAddress>& set = seen_.interfaces[attachment].emplace();
    for (const InterfaceAddress& address : *addresses) set.insert(address.address);
  }

  // Only for a record without an interface on the host, and whose sandbox is not at its path.
  bool needs_inhabitants(const EndpointRecord& record) const {
    if (!record.host_ifname.empty()) return false;
    const auto place = seen_.sandboxes.find(record.sandbox);
    return place == seen_.sandboxes.end() || place->second.inode != record.sandbox_inode;
  }

  static std::optional<std::set<std::uint64_t>> inhabited_namespaces() {
    std::set<std::uint64_t> inodes;
    std::error_code code;
    for (const auto& entry : std::filesystem::directory_iterator(kProc, code)) {
      const std::string name = entry.path().filename();
      if (!std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; })) continue;
      struct stat info{};
      if (::stat((entry.path() / "ns/net").c_str(), &info) == 0) {
        inodes.insert(info.st_ino);
      } else if ((errno == EACCES || errno == EPERM) && name != "1") {
        // It may be in any. The first process is not in a container of the host that it runs, and may be out
        // of reach of what is in a virtual machine or a container itself.
        return std::nullopt;
      }
    }
    if (code || inodes.empty()) return std::nullopt;
    return inodes;
  }

  NetlinkSocket socket_;
  std::span<const EndpointRecord> records_;
  std::set<AttachmentId> known_;
  std::map<std::string, AttachmentId> by_ifname_;
  std::map<std::uint32_t, std::string> names_;
  HostObservation seen_;
};

}  // namespace

Result<HostObservation> look_at_host(std::span<const EndpointRecord> records) {
  TOWPATH_TRY(auto socket, NetlinkSocket::open());
  return HostLook(std::move(socket), records).run();
}

}  // namespace towpath::cli
