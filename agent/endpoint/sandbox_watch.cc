#include "agent/endpoint/sandbox_watch.h"

#include <sys/stat.h>

#include <filesystem>
#include <memory>

#include "towpath/ipam/endpoint_names.h"
#include "towpath/netlink/link.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::agent {

SandboxLooks kernel_looks() {
  const auto inode = [](const std::string& path) -> std::optional<std::uint64_t> {
    struct stat info{};
    if (::stat(path.c_str(), &info) == 0) return info.st_ino;
    const std::string directory = std::filesystem::path(path).parent_path();
    if (::stat(directory.c_str(), &info) == 0) return 0;
    return std::nullopt;
  };
  auto socket = netlink::NetlinkSocket::open();
  // Without a socket every link counts as there: nothing is released for want of a look.
  if (!socket) return {inode, [](const std::string&, const ipam::AttachmentId&) { return true; }};
  const auto shared = std::make_shared<netlink::NetlinkSocket>(*std::move(socket));
  return {inode, [shared](const std::string& ifname, const ipam::AttachmentId& endpoint) {
            const auto link = netlink::find_link(*shared, ifname);
            if (!link) return link.error().kind != ErrorKind::kNotFound;
            return link->alias.empty() || link->alias == endpoint.to_string();
          }};
}

bool SandboxWatch::is_gone(const ipam::EndpointRecord& record) const {
  const auto inode = looks_.inode(record.sandbox);
  if (inode == record.sandbox_inode) return false;
  const bool is_standalone = record.state == ipam::AllocationState::kLive && record.host_ifname.empty();
  if (is_standalone) return inode.has_value();
  return !looks_.has_link(ipam::host_ifname(record.attachment), record.attachment);
}

bool SandboxWatch::is_dead(const ipam::EndpointRecord& record, TimePoint now) {
  if (!is_gone(record)) {
    gone_.erase(record.attachment);
    return false;
  }
  const auto [entry, is_new] = gone_.try_emplace(record.attachment, Gone{record.generation, now});
  if (is_new || entry->second.generation != record.generation) {
    entry->second = {record.generation, now};
    return false;
  }
  return now - entry->second.since >= kGrace;
}

}  // namespace towpath::agent
