#include "agent/endpoint/port_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace towpath::agent {

using netlink::PortKey;
using netlink::PortTarget;

std::vector<std::pair<PortKey, PortTarget>> port_elements(const ipam::EndpointRecord& record) {
  std::vector<std::pair<PortKey, PortTarget>> elements;
  for (const ipam::PortMapping& port : record.ports) {
    for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
      const auto target = record.port_target(family);
      if (!target || !port.is_for(family)) continue;
      elements.push_back(
          {{family, port.protocol, port.one_host_ip(), port.host_port}, {*target, port.container_port}});
    }
  }
  return elements;
}

// Keys of one family, protocol and port differ in the address only, and that of "any" comes first; so those
// that may clash are neighbours of each other when the address is looked for last. The map's order has the
// address before the port, hence two exact questions and, for "any", one walk over the addresses of the host
// that are mapped at all.
const PortTable::Claim* PortTable::clashing(const PortKey& key, const ipam::AttachmentId& owner) const {
  const auto other = [&](const PortKey& candidate) -> const Claim* {
    const auto found = wanted_.find(candidate);
    return found != wanted_.end() && found->second.owner != owner ? &found->second : nullptr;
  };
  if (const Claim* same = other(key)) return same;
  if (key.host_ip) return other({key.family, key.protocol, {}, key.port});
  // From address to address: the next key behind the last port of this one.
  auto at = wanted_.lower_bound({key.family, key.protocol, IpAddress::any(key.family), 0});
  while (at != wanted_.end() && at->first.family == key.family && at->first.protocol == key.protocol) {
    PortKey there = at->first;
    there.port = key.port;
    if (const Claim* same = other(there)) return same;
    there.port = 0xFFFF;
    at = wanted_.upper_bound(there);
  }
  return nullptr;
}

std::optional<PortTable::Clash> PortTable::want(const ipam::EndpointRecord& record) {
  unwant(record.attachment);
  const auto elements = port_elements(record);
  for (const auto& [key, target] : elements) {
    const Claim* holder = clashing(key, record.attachment);
    if (holder == nullptr) continue;
    const ipam::PortMapping mapping{key.protocol, key.port, target.port, key.host_ip};
    return Clash{holder->owner,
                 {ErrorKind::kConflict, 0,
                  fmt::format("port {} of the host leads to {} already", ipam::format(mapping),
                              holder->owner.to_string())}};
  }
  for (const auto& [key, target] : elements) {
    wanted_[key] = {target, record.attachment};
    wanted_by_[record.attachment].push_back(key);
    changed_ports_.insert(key);
    add_hairpin(target.address);
  }
  return std::nullopt;
}

void PortTable::unwant(const ipam::AttachmentId& endpoint) {
  const auto found = wanted_by_.find(endpoint);
  if (found == wanted_by_.end()) return;
  for (const PortKey& key : found->second) {
    const auto claim = wanted_.find(key);
    drop_hairpin(claim->second.target.address);
    wanted_.erase(claim);
    changed_ports_.insert(key);
  }
  wanted_by_.erase(found);
}

void PortTable::add_hairpin(const IpAddress& address) {
  if (++hairpins_[address] == 1) changed_hairpins_.insert(address);
}

void PortTable::drop_hairpin(const IpAddress& address) {
  const auto found = hairpins_.find(address);
  if (--found->second > 0) return;
  hairpins_.erase(found);
  changed_hairpins_.insert(address);
}

void PortTable::adopt(netlink::PortState actual) {
  actual_ = std::move(actual);
  for (const auto& [key, target] : actual_.ports) changed_ports_.insert(key);
  for (const auto& [key, claim] : wanted_) changed_ports_.insert(key);
  changed_hairpins_.insert(actual_.hairpins.begin(), actual_.hairpins.end());
  for (const auto& [address, count] : hairpins_) changed_hairpins_.insert(address);
}

void PortTable::allow_removals() {
  removals_allowed_ = true;
}

netlink::PortChange PortTable::next_change() const {
  netlink::PortChange change;
  for (const PortKey& key : changed_ports_) {
    const auto wanted = wanted_.find(key);
    const auto actual = actual_.ports.find(key);
    const bool is_wanted = wanted != wanted_.end();
    const bool is_there = actual != actual_.ports.end();
    if (is_wanted && is_there && wanted->second.target == actual->second) continue;
    if (is_there && (is_wanted || removals_allowed_)) change.remove_ports.emplace_back(key, actual->second);
    if (is_wanted) change.add_ports.emplace_back(key, wanted->second.target);
  }
  for (const IpAddress& address : changed_hairpins_) {
    const bool is_wanted = hairpins_.contains(address);
    const bool is_there = actual_.hairpins.contains(address);
    if (is_wanted && !is_there) change.add_hairpins.push_back(address);
    if (!is_wanted && is_there && removals_allowed_) change.remove_hairpins.push_back(address);
  }
  return change;
}

void PortTable::applied(const netlink::PortChange& change) {
  for (const auto& [key, target] : change.remove_ports) actual_.ports.erase(key);
  for (const auto& [key, target] : change.add_ports) actual_.ports[key] = target;
  for (const IpAddress& address : change.remove_hairpins) actual_.hairpins.erase(address);
  for (const IpAddress& address : change.add_hairpins) actual_.hairpins.insert(address);
  // What was wanted anew meanwhile differs from what was applied, and stays.
  std::erase_if(changed_ports_, [&](const PortKey& key) {
    const auto wanted = wanted_.find(key);
    const auto actual = actual_.ports.find(key);
    if (wanted == wanted_.end()) return actual == actual_.ports.end();
    return actual != actual_.ports.end() && actual->second == wanted->second.target;
  });
  std::erase_if(changed_hairpins_, [&](const IpAddress& address) {
    return hairpins_.contains(address) == actual_.hairpins.contains(address);
  });
}

}  // namespace towpath::agent
