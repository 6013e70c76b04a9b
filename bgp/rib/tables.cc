#include "bgp/rib/tables.h"

#include <vector>

namespace towpath::bgp {

void RibTables::assign_sent_ids(PrefixRef p) {
  const std::uint32_t first = prefixes[index(p.family())].paths(p.number());
  std::uint32_t i = first;
  while (i != kNoIndex && sent_id(i) != 0) i = paths[i].next;
  if (i == kNoIndex) return;
  std::vector<bool> used(1);  // by identifier
  for (i = first; i != kNoIndex; i = paths[i].next) {
    const std::uint32_t id = sent_id(i);
    if (id >= used.size()) used.resize(id + 1);
    used[id] = true;
  }
  std::uint32_t free = 1;
  for (i = first; i != kNoIndex; i = paths[i].next) {
    if (sent_id(i) != 0) continue;
    while (free < used.size() && used[free]) ++free;
    sent_ids.at(i) = free++;
  }
}

}  // namespace towpath::bgp
