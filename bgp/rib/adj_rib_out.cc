#include "bgp/rib/adj_rib_out.h"

#include <algorithm>
#include <utility>

#include "towpath/base/check.h"

namespace towpath::bgp {

AdjRibOut::AdjRibOut(AttributeTable& attributes, const SessionParameters& session) : attributes_(attributes) {
  for (const Family family : kAllFamilies) has_several_[index(family)] = session.of(family).add_path_send;
}

AdjRibOut::~AdjRibOut() {
  for (const Family family : kAllFamilies) {
    single_[index(family)].for_each([this](const Single& entry) {
      if (entry.attributes) attributes_.unref(entry.attributes);
    });
    several_[index(family)].for_each([this](const Several& entry) {
      for (std::uint32_t i = entry.first; i != kNoIndex; i = nodes_[i].next) {
        attributes_.unref(nodes_[i].attributes);
      }
    });
  }
}

void AdjRibOut::paths(PrefixRef prefix, std::vector<ToldPath>& out) const {
  if (!has_several(prefix)) {
    if (const ToldPath path = only(prefix); path.attributes) out.push_back(path);
    return;
  }
  const Several* entry = several_[index(prefix.family())].find(prefix.number());
  if (entry == nullptr) return;
  for (std::uint32_t i = entry->first; i != kNoIndex; i = nodes_[i].next) {
    out.push_back({nodes_[i].attributes, nodes_[i].source, nodes_[i].path_id});
  }
}

void AdjRibOut::put(PrefixRef prefix, const ToldPath& path) {
  if (has_several(prefix)) {
    erase(prefix, path.path_id);
    insert_node(prefix, path);
  } else {
    // One look at the table, because this is done for each route of each group.
    TOWPATH_CHECK(path.path_id == 0);
    Single& entry = single_[index(prefix.family())].at(prefix.number());
    forget(prefix.family(), entry.attributes, entry.source);
    entry = {path.attributes, path.source, true};
  }
  count(prefix.family(), path.source, 1);
}

void AdjRibOut::insert_node(PrefixRef prefix, const ToldPath& path) {
  Several& entry = several_[index(prefix.family())].at(prefix.number());
  entry.highest = std::max(entry.highest, path.path_id);
  std::uint32_t* link = &entry.first;
  while (*link != kNoIndex && nodes_[*link].path_id < path.path_id) link = &nodes_[*link].next;
  const std::uint32_t next = *link;
  // The pool may grow, but its elements stay where they are, and so does what `link` points to.
  *link = nodes_.allocate({path.attributes, path.path_id, next, path.source});
}

void AdjRibOut::erase(PrefixRef prefix, std::uint32_t path_id) {
  if (!has_several(prefix)) {
    if (Single* entry = single_[index(prefix.family())].find(prefix.number())) {
      forget(prefix.family(), std::exchange(entry->attributes, {}), entry->source);
    }
    return;
  }
  Several* entry = several_[index(prefix.family())].find(prefix.number());
  if (entry == nullptr) return;
  std::uint32_t* link = &entry->first;
  while (*link != kNoIndex && nodes_[*link].path_id != path_id) link = &nodes_[*link].next;
  if (*link == kNoIndex) return;
  const std::uint32_t i = *link;
  forget(prefix.family(), nodes_[i].attributes, nodes_[i].source);
  *link = nodes_[i].next;
  nodes_.release(i);
}

// Of what was told, if it was anything.
void AdjRibOut::forget(Family family, AttributeId attributes, PeerId source) {
  if (!attributes) return;
  attributes_.unref(attributes);
  count(family, source, -1);
}

AdjRibOut::Identifiers AdjRibOut::ever_told(PrefixRef prefix) const {
  if (has_several(prefix)) {
    const Several* entry = several_[index(prefix.family())].find(prefix.number());
    return {1, entry == nullptr ? 1 : entry->highest + 1};
  }
  const Single* entry = single_[index(prefix.family())].find(prefix.number());
  return {0, entry != nullptr && entry->told ? 1U : 0U};
}

void AdjRibOut::note_told(PrefixRef prefix, std::uint32_t path_id) {
  if (has_several(prefix)) {
    std::uint32_t& highest = several_[index(prefix.family())].at(prefix.number()).highest;
    highest = std::max(highest, path_id);
  } else {
    single_[index(prefix.family())].at(prefix.number()).told = true;
  }
}

std::size_t AdjRibOut::count(PeerId reader, Family family) const {
  const auto& by_source = told_by_source_[index(family)];
  const std::size_t own = reader.value < by_source.size() ? by_source[reader.value] : 0;
  return told_[index(family)] - own;
}

void AdjRibOut::count(Family family, PeerId source, std::ptrdiff_t change) {
  auto& by_source = told_by_source_[index(family)];
  if (by_source.size() <= source.value) by_source.resize(source.value + 1U);
  by_source[source.value] += static_cast<std::size_t>(change);
  told_[index(family)] += static_cast<std::size_t>(change);
}

}  // namespace towpath::bgp
