// What the peers of one update group have been told, path by path.
//
// Model
//   A session without ADD-PATH has one path of a prefix, with the identifier 0: eight bytes for each prefix.
//   A session with it (RFC 7911) has several, with the identifiers that RibTables gives out, from 1 on: eight
//   bytes for each prefix and sixteen for each path.
//
//   Beside what holds now it knows, for each prefix, up to which identifier anything was ever told. A peer
//   that reads by itself and cannot know what others heard meanwhile is told that all of these are gone.
//
// Ownership: holds a reference on each attribute set in it; `attributes` must outlive it.
// Threading: none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bgp/rib/attribute_table.h"
#include "bgp/rib/journal.h"
#include "bgp/rib/pool.h"
#include "bgp/rib/route.h"
#include "bgp/wire/session_parameters.h"

namespace towpath::bgp {

struct ToldPath {
  AttributeId attributes;  // as held: see as_sent() in export.h
  PeerId source;
  std::uint32_t path_id = 0;
  friend bool operator==(const ToldPath&, const ToldPath&) = default;
};

class AdjRibOut {
 public:
  AdjRibOut(AttributeTable& attributes, const SessionParameters& session);
  ~AdjRibOut();
  AdjRibOut(const AdjRibOut&) = delete;
  AdjRibOut& operator=(const AdjRibOut&) = delete;

  // Of a session without path identifiers: the path of the prefix, without attributes if none is told.
  ToldPath only(PrefixRef prefix) const {
    const Single* entry = single_[index(prefix.family())].find(prefix.number());
    return entry == nullptr ? ToldPath{} : ToldPath{entry->attributes, entry->source, 0};
  }
  // Appends the paths of the prefix, by their identifiers.
  void paths(PrefixRef prefix, std::vector<ToldPath>& out) const;

  // In place of what was told with this identifier. Takes over the caller's reference on the attributes.
  void put(PrefixRef prefix, const ToldPath& path);
  void erase(PrefixRef prefix, std::uint32_t path_id);

  // Anything told of this prefix, ever since its number was given out, had an identifier in [first, end).
  struct Identifiers {
    std::uint32_t first = 0;
    std::uint32_t end = 0;
  };
  Identifiers ever_told(PrefixRef prefix) const;
  // Also to a peer that reads by itself.
  void note_told(PrefixRef prefix, std::uint32_t path_id);

  // What a peer has been told that does not hear of its own paths.
  std::size_t count(PeerId reader, Family family) const;

 private:
  struct Single {
    AttributeId attributes;
    PeerId source;
    bool told = false;
  };
  static_assert(sizeof(Single) == 8);
  struct Several {
    std::uint32_t first = kNoIndex;  // of a list in nodes_, in the order of identifiers
    std::uint32_t highest = 0;       // identifier ever told
  };
  struct Node {
    AttributeId attributes;
    std::uint32_t path_id = 0;
    std::uint32_t next = kNoIndex;
    PeerId source;
  };
  static_assert(sizeof(Node) == 16);

  bool has_several(PrefixRef prefix) const { return has_several_[index(prefix.family())]; }
  void insert_node(PrefixRef prefix, const ToldPath& path);
  void forget(Family family, AttributeId attributes, PeerId source);
  void count(Family family, PeerId source, std::ptrdiff_t change);

  AttributeTable& attributes_;
  std::array<bool, kFamilyCount> has_several_{};
  std::array<SparseArray<Single>, kFamilyCount> single_;    // by number of the prefix; only one of the two
  std::array<SparseArray<Several>, kFamilyCount> several_;  // is used
  Pool<Node> nodes_;
  std::array<std::size_t, kFamilyCount> told_{};
  std::array<std::vector<std::size_t>, kFamilyCount> told_by_source_;  // by PeerId
};

}  // namespace towpath::bgp
