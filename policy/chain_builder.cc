#include "policy/chain_builder.h"

#include <fmt/format.h>

#include <algorithm>

namespace towpath::policy {
namespace {

std::uint64_t hash(std::string_view text) {
  // FNV-1a, with a last mixing step so that all bits are good.
  std::uint64_t value = 0xCBF29CE484222325;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  value = (value ^ (value >> 32)) * 0xD6E8FEB86659FD93;
  return value ^ (value >> 32);
}

std::string text_of(const PortClass& spans) {
  std::string text;
  for (const PortSpan& span : spans)
    text += fmt::format("{}:{}-{} ", span.protocol, span.ports.first, span.ports.last);
  return text;
}

}  // namespace

// Whoever writes policies could look for two with one hash.
std::string Names::chain(std::string_view prefix, const std::string& meaning) {
  std::string name = fmt::format("{}{:016x}", prefix, hash(meaning));
  while (chains_.emplace(name, meaning).first->second != meaning) name += 'x';
  return name;
}

ClassId Names::port_class(const PortClass& spans) {
  auto id = static_cast<ClassId>(hash(text_of(spans)));
  while (id == kAll || classes_.emplace(id, spans).first->second != spans) ++id;
  return id;
}

std::size_t ChainBuilder::mark_of(const PortSet& ports) {
  const auto [entry, is_new] = marks_.emplace(ports, ports_.size());
  if (is_new) ports_.push_back(ports);
  return entry->second;
}

void ChainBuilder::allow_everybody(const PortSet& ports) {
  if (!ports.empty()) everybody_.insert(mark_of(ports));
}
void ChainBuilder::allow_host(const IpAddress& address, const PortSet& ports) {
  if (!ports.empty()) hosts_[address].insert(mark_of(ports));
}
void ChainBuilder::allow_network(const AddressRange& range, const PortSet& ports) {
  if (!ports.empty()) networks_.push_back({range, mark_of(ports)});
}

PolicyChain ChainBuilder::build(std::map<ClassId, PortClass>& classes, Names& names) {
  std::map<Marks, ClassId> known;
  const auto class_of = [&](Marks marks) {
    marks.insert(everybody_.begin(), everybody_.end());
    const auto [entry, is_new] = known.try_emplace(marks, kAll);
    if (!is_new) return entry->second;
    std::vector<const PortSet*> sets;
    for (const std::size_t mark : marks) sets.push_back(&ports_[mark]);
    PortSet united = PortSet::unite(sets);
    if (!united.all) {
      entry->second = names.port_class(united.spans);
      classes.emplace(entry->second, std::move(united.spans));
    }
    return entry->second;
  };

  PolicyChain chain{.direction = direction_};
  if (!everybody_.empty()) chain.others = class_of({});
  // Neighbours of one class are one entry.
  const auto cut = cut_at_borders(networks_);
  std::map<AddressRange, const Marks*> pieces;
  for (const auto& [range, marks] : cut) {
    pieces[range] = &marks;
    const ClassId id = class_of(marks);
    if (chain.others == id) continue;
    if (!chain.networks.empty()) {
      const auto last = std::prev(chain.networks.end());
      if (last->second == id && last->first.last.plus(1) == range.first &&
          range.first.family() == last->first.last.family() && last->first.last < range.first) {
        const AddressRange joined{last->first.first, range.last};
        chain.networks.erase(last);
        chain.networks.emplace(joined, id);
        continue;
      }
    }
    chain.networks.emplace(range, id);
  }
  for (const auto& [address, marks] : hosts_) {
    // A host in a network has what the network has, too.
    Marks all = marks;
    std::optional<ClassId> without = chain.others;
    const auto behind = pieces.upper_bound({address, Prefix::default_route(AddressFamily::kIpv6).last()});
    if (behind != pieces.begin()) {
      const auto& [range, covering] = *std::prev(behind);
      if (range.first.family() == address.family() && range.first <= address && address <= range.last) {
        all.insert(covering->begin(), covering->end());
        without = class_of(*covering);
      }
    }
    const ClassId id = class_of(all);
    if (without != id) chain.hosts.emplace(address, id);
  }
  return chain;
}

}  // namespace towpath::policy
