// HostObservation: what the host really has of the endpoints that the state store speaks of. Values only; who
// looks is somebody else.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "towpath/base/address.h"
#include "towpath/ipam/attachment_id.h"

namespace towpath::ipam {

// An interface of the host that bears an attachment in its alias.
struct ObservedLink {
  std::string name{};
  AttachmentId attachment{};
  bool is_pair = true;  // the host end of a veth pair, which lives as long as its other end; else an ifb
};

// A unicast route of the main table to a single address.
struct ObservedRoute {
  IpAddress address{};
  std::string device{};
  std::uint32_t metric = 0;
};

struct ObservedSandbox {
  // Of the network namespace at the path; 0: there is none.
  std::uint64_t inode = 0;
  // Whether the place where it would be can be seen at all: another mount namespace may have no such
  // directory.
  bool place_is_visible = false;
};

struct HostObservation {
  std::vector<ObservedLink> links{};
  std::vector<ObservedRoute> routes{};
  std::map<IpAddress, std::string> own_addresses{};    // of the host itself, with their interfaces
  std::map<std::string, ObservedSandbox> sandboxes{};  // by path
  // Of each attachment whose sandbox could be entered: the addresses of its interface; nothing if there is no
  // interface.
  std::map<AttachmentId, std::optional<std::set<IpAddress>>> interfaces{};
  // Network namespaces in which a process runs, by inode; nothing if that cannot be seen.
  std::optional<std::set<std::uint64_t>> inhabited{};
};

}  // namespace towpath::ipam
