#include "policy/port_set.h"

#include <algorithm>

namespace towpath::policy {

PortSet PortSet::of(PortClass spans) {
  std::ranges::sort(spans);
  PortClass merged;
  for (const PortSpan& span : spans) {
    const bool joins = !merged.empty() && merged.back().protocol == span.protocol &&
                       unsigned{span.ports.first} <= unsigned{merged.back().ports.last} + 1;
    if (joins) {
      merged.back().ports.last = std::max(merged.back().ports.last, span.ports.last);
    } else {
      merged.push_back(span);
    }
  }
  return {.all = false, .spans = std::move(merged)};
}

PortSet PortSet::unite(std::span<const PortSet* const> sets) {
  PortClass spans;
  for (const PortSet* set : sets) {
    if (set->all) return everything();
    spans.insert(spans.end(), set->spans.begin(), set->spans.end());
  }
  return of(std::move(spans));
}

}  // namespace towpath::policy
