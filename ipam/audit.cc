#include "towpath/ipam/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <unordered_map>

#include "ipam/index_audit.h"

namespace towpath::ipam {
namespace {

// An ADD takes milliseconds. Only a delegate of its, such as dhcp, can take longer.
constexpr std::chrono::minutes kLongestAdd{5};

class Audit {
 public:
  Audit(const StoreSnapshot& store, const HostObservation& host, WallTime now)
      : store_(store), host_(host), now_(now) {
    // Of an earlier boot there is nothing on the host to compare with.
    if (!store.of_earlier_boot) records_ = store.records;
    for (const EndpointRecord& record : records_) {
      by_attachment_.emplace(record.attachment, &record);
      for (const IpAddress& address : addresses_of(record)) users_[address].push_back(&record);
    }
    for (const ObservedLink& link : host.links) {
      by_device_.emplace(link.name, &link);
      if (link.is_pair) pairs_.emplace(link.attachment, &link);
    }
    for (const ObservedRoute& route : host.routes) routes_[route.address].push_back(&route);
  }

  std::vector<Finding> run() {
    for (const EndpointRecord& record : records_) {
      const SandboxFate fate = sandbox_fate(record, records_, host_);
      check_blocks(record);
      if (fate == SandboxFate::kGone) {
        // Another IPAM plugin wants to hear of it: only a DEL of the runtime tells it.
        const bool is_own = record.ipam_type == kOwnIpamType;
        add_for_each_address(
            FindingKind::kSandboxGone, record,
            fmt::format("its sandbox {} is gone{}", record.sandbox,
                        is_own ? "" : fmt::format(", and {} has its addresses", record.ipam_type)),
            is_own ? Repair::kRelease : Repair::kNone);
      } else if (record.state == AllocationState::kPending) {
        if (now_ - record.created > kLongestAdd)
          add_for_each_address(FindingKind::kUnfinished, record, "its ADD has not come to an end");
      } else {
        check_routes(record);
        check_inside(record);
      }
    }
    check_double_use();
    check_foreign_routes();
    check_foreign_links();
    check_interfaces();
    for (Finding& finding : audit_indexes(store_, addresses_in_use(host_)))
      findings_.push_back(std::move(finding));
    return by_kind();
  }

 private:
  // Those of the endpoint, and those that our blocks gave: the same, but for a pending record of another
  // IPAM's.
  static std::vector<IpAddress> addresses_of(const EndpointRecord& record) {
    std::vector<IpAddress> addresses = record.addresses;
    for (const BlockAddress& allocated : record.allocated) {
      if (std::ranges::find(addresses, allocated.address) == addresses.end())
        addresses.push_back(allocated.address);
    }
    return addresses;
  }
  static bool has(const EndpointRecord& record, const IpAddress& address) {
    return std::ranges::find(record.addresses, address) != record.addresses.end() ||
           std::ranges::find(record.allocated, address, &BlockAddress::address) != record.allocated.end();
  }

  // What another IPAM gave, a record says when it is complete.
  static bool knows(const EndpointRecord& record, const IpAddress& address) {
    const bool is_coming = record.addresses.empty() && record.state == AllocationState::kPending;
    return is_coming || has(record, address);
  }

  std::vector<Finding> by_kind() {
    std::map<FindingKind, std::vector<Finding>> kinds;
    for (Finding& finding : findings_) kinds[finding.kind].push_back(std::move(finding));
    std::vector<Finding> ordered;
    for (auto& [kind, findings] : kinds) {
      for (Finding& finding : findings) ordered.push_back(std::move(finding));
    }
    return ordered;
  }

  void add(FindingKind kind, std::string address, const EndpointRecord& record, std::string reason) {
    findings_.push_back({kind, std::move(address), record.attachment, record.generation, std::move(reason)});
  }
  void add_for_each_address(FindingKind kind, const EndpointRecord& record, const std::string& reason,
                            Repair repair = Repair::kNone) {
    const std::size_t before = findings_.size();
    const auto addresses = addresses_of(record);
    if (addresses.empty()) add(kind, "", record, reason);
    for (const IpAddress& address : addresses) add(kind, address.to_string(), record, reason);
    for (std::size_t i = before; i < findings_.size(); ++i) findings_[i].repair = repair;
  }
  // For what has no record.
  void add(FindingKind kind, std::string address, const AttachmentId& attachment, std::string reason) {
    findings_.push_back({kind, std::move(address), attachment, 0, std::move(reason)});
  }

  void check_blocks(const EndpointRecord& record) {
    for (const BlockAddress& allocated : record.allocated) {
      const std::string text = allocated.address.to_string();
      const auto contents = std::ranges::find_if(store_.blocks, [&](const BlockContents& b) {
        return b.stored && b.block.prefix == allocated.block;
      });
      if (contents == store_.blocks.end()) {
        add(FindingKind::kOutsideBlocks, text, record,
            fmt::format("the store does not list its block {}", allocated.block.to_string()));
      } else if (allocated.address.offset_from(allocated.block.address()) <
                 first_usable_offset(allocated.block)) {
        add(FindingKind::kOutsideBlocks, text, record,
            fmt::format("it is the first of the block {}, which serves no container",
                        allocated.block.to_string()));
      }
      if (std::ranges::find(record.addresses, allocated.address) == record.addresses.end()) {
        add(FindingKind::kRecord, text, record,
            "its record does not list it among the container's addresses");
      }
    }
    if (record.ipam_type != kOwnIpamType) return;
    for (const IpAddress& address : record.addresses) {
      if (std::ranges::find(record.allocated, address, &BlockAddress::address) == record.allocated.end())
        add(FindingKind::kOutsideBlocks, address.to_string(), record, "no block gave it");
    }
  }

  void check_routes(const EndpointRecord& record) {
    if (record.host_ifname.empty()) return;  // another main plugin leads there in its own way
    const auto link = pairs_.find(record.attachment);
    for (const IpAddress& address : record.addresses) {
      if (link == pairs_.end()) {
        add(FindingKind::kNoRoute, address.to_string(), record,
            fmt::format("its interface {} is gone", record.host_ifname));
        continue;
      }
      check_route(record, address, link->second->name);
    }
  }

  void check_route(const EndpointRecord& record, const IpAddress& address, const std::string& device) {
    const ObservedRoute* own = nullptr;
    const ObservedRoute* best = nullptr;
    if (const auto found = routes_.find(address); found != routes_.end()) {
      for (const ObservedRoute* route : found->second) {
        if (route->device == device && (own == nullptr || route->metric < own->metric)) own = route;
        if (best == nullptr || route->metric < best->metric) best = route;
      }
    }
    if (own == nullptr) {
      add(FindingKind::kNoRoute, address.to_string(), record,
          fmt::format("no route leads to it over {}", device));
    } else if (best->metric < own->metric) {
      add(FindingKind::kNoRoute, address.to_string(), record,
          fmt::format("a route over {} comes before that over {}", best->device, device));
    }
  }

  void check_inside(const EndpointRecord& record) {
    const auto found = host_.interfaces.find(record.attachment);
    if (found == host_.interfaces.end()) return;
    for (const IpAddress& address : record.addresses) {
      if (!found->second) {
        add(FindingKind::kNotInSandbox, address.to_string(), record,
            fmt::format("there is no interface {} in {}", record.attachment.ifname, record.sandbox));
      } else if (!found->second->contains(address)) {
        add(FindingKind::kNotInSandbox, address.to_string(), record,
            fmt::format("the interface {} in {} does not have it", record.attachment.ifname, record.sandbox));
      }
    }
  }

  void check_double_use() {
    for (const EndpointRecord& record : records_) {
      for (const IpAddress& address : addresses_of(record)) {
        for (const EndpointRecord* other : users_[address]) {
          if (other->attachment < record.attachment) {
            add(FindingKind::kDoubleUse, address.to_string(), record,
                fmt::format("{} has it too", other->attachment.to_string()));
          }
        }
        if (const auto own = host_.own_addresses.find(address); own != host_.own_addresses.end()) {
          add(FindingKind::kDoubleUse, address.to_string(), record,
              fmt::format("the host itself has it on {}", own->second));
        }
      }
    }
  }

  // An address that leads to a container, or is there, without its record knowing it.
  void add_stranger(const IpAddress& address, const AttachmentId& attachment, std::string_view what) {
    const auto users = users_.find(address);
    if (users != users_.end()) {
      add(FindingKind::kDoubleUse, address.to_string(), attachment,
          fmt::format("{}, but {} has it", what, users->second.front()->attachment.to_string()));
    } else {
      add(FindingKind::kNoAllocation, address.to_string(), attachment,
          fmt::format("{}, but nobody has it", what));
    }
  }

  void check_foreign_routes() {
    for (const ObservedRoute& route : host_.routes) {
      const auto link = by_device_.find(route.device);
      if (link == by_device_.end()) continue;
      const AttachmentId& attachment = link->second->attachment;
      const auto record = by_attachment_.find(attachment);
      if (record != by_attachment_.end() && knows(*record->second, route.address)) continue;
      reported_.insert(route.device);
      add_stranger(route.address, attachment, fmt::format("a route leads to it over {}", route.device));
    }
  }

  void check_foreign_links() {
    for (const ObservedLink& link : host_.links) {
      if (by_attachment_.contains(link.attachment) || reported_.contains(link.name)) continue;
      add(FindingKind::kNoAllocation, "", link.attachment,
          fmt::format("its interface {} is there, and no record", link.name));
    }
  }

  bool is_of_a_block(const IpAddress& address) const {
    return std::ranges::any_of(store_.blocks, [&](const BlockContents& contents) {
      return contents.stored && contents.block.prefix.contains(address);
    });
  }

  void check_interfaces() {
    for (const auto& [attachment, addresses] : host_.interfaces) {
      const auto record = by_attachment_.find(attachment);
      if (!addresses || record == by_attachment_.end()) continue;
      for (const IpAddress& address : *addresses) {
        if (!is_of_a_block(address) || knows(*record->second, address)) continue;
        add_stranger(address, attachment,
                     fmt::format("the interface {} of the container has it", attachment.ifname));
      }
    }
  }

  const StoreSnapshot& store_;
  const HostObservation& host_;
  WallTime now_;
  std::span<const EndpointRecord> records_{};
  std::map<AttachmentId, const EndpointRecord*> by_attachment_;
  std::unordered_map<IpAddress, std::vector<const EndpointRecord*>> users_;
  std::map<std::string, const ObservedLink*> by_device_;
  std::map<AttachmentId, const ObservedLink*> pairs_;
  std::unordered_map<IpAddress, std::vector<const ObservedRoute*>> routes_;
  std::set<std::string> reported_;  // devices
  std::vector<Finding> findings_;
};

// Does a younger record tell why there is a namespace with this inode?
bool is_explained(const EndpointRecord& record, std::span<const EndpointRecord> records,
                  const HostObservation& host) {
  return std::ranges::any_of(records, [&](const EndpointRecord& other) {
    if (other.generation <= record.generation || other.sandbox_inode != record.sandbox_inode) return false;
    const auto place = host.sandboxes.find(other.sandbox);
    return place != host.sandboxes.end() && place->second.inode == other.sandbox_inode;
  });
}

}  // namespace

std::string_view format(FindingKind kind) {
  switch (kind) {
    case FindingKind::kSandboxGone: return "sandbox-gone";
    case FindingKind::kUnfinished: return "unfinished";
    case FindingKind::kNoRoute: return "no-route";
    case FindingKind::kNotInSandbox: return "not-in-sandbox";
    case FindingKind::kNoAllocation: return "no-allocation";
    case FindingKind::kOutsideBlocks: return "outside-blocks";
    case FindingKind::kDoubleUse: return "double-use";
    case FindingKind::kRecord: return "record";
    case FindingKind::kIndex: return "index";
  }
  return "unknown";
}

std::string_view format(Repair repair) {
  switch (repair) {
    case Repair::kNone: return "none";
    case Repair::kRelease: return "release";
    case Repair::kRebuild: return "rebuild";
  }
  return "unknown";
}

SandboxFate sandbox_fate(const EndpointRecord& record, std::span<const EndpointRecord> records,
                         const HostObservation& host) {
  const auto found = host.sandboxes.find(record.sandbox);
  const ObservedSandbox place = found == host.sandboxes.end() ? ObservedSandbox{} : found->second;
  if (place.inode != 0 && place.inode == record.sandbox_inode) return SandboxFate::kAlive;
  const bool has_link = std::ranges::any_of(host.links, [&](const ObservedLink& link) {
    return link.is_pair && link.attachment == record.attachment;
  });
  if (has_link) return SandboxFate::kAlive;
  if (!place.place_is_visible) return SandboxFate::kUnknown;
  const bool is_standalone = record.state == AllocationState::kLive && record.host_ifname.empty();
  if (!is_standalone) return SandboxFate::kGone;
  if (!host.inhabited) return SandboxFate::kUnknown;
  if (!host.inhabited->contains(record.sandbox_inode)) return SandboxFate::kGone;
  return is_explained(record, records, host) ? SandboxFate::kGone : SandboxFate::kUnknown;
}

std::vector<Finding> audit(const StoreSnapshot& store, const HostObservation& host, WallTime now) {
  return Audit(store, host, now).run();
}

std::set<IpAddress> addresses_in_use(const HostObservation& host) {
  std::set<IpAddress> addresses;
  for (const ObservedRoute& route : host.routes) addresses.insert(route.address);
  for (const auto& [address, device] : host.own_addresses) addresses.insert(address);
  for (const auto& [attachment, inside] : host.interfaces) {
    if (inside) addresses.insert(inside->begin(), inside->end());
  }
  return addresses;
}

std::vector<Finding> in_both(std::span<const Finding> first, std::span<const Finding> second) {
  const std::set<Finding> known(first.begin(), first.end());
  std::vector<Finding> both;
  for (const Finding& finding : second) {
    if (known.contains(finding)) both.push_back(finding);
  }
  return both;
}

}  // namespace towpath::ipam
