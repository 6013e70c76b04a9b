// Attribute sets, each stored once and named by a small number.
//
// Model
//   A set is kept as a compact byte string (attribute_codec.h): equal sets have equal bytes, so comparing and
//   hashing need no knowledge of attributes, and a set takes tens of bytes instead of a struct of vectors.
//   What the decision process and the export rules ask for lies beside it, ready to compare.
//
//   Sets are counted: intern() and ref() take a reference, unref() gives it back, with the last one the set
//   is gone and its number is reused.
//
// Threading: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "bgp/rib/next_hops.h"
#include "bgp/rib/pool.h"
#include "towpath/bgp/path_attributes.h"

namespace towpath::bgp {

struct AttributeId {
  std::uint32_t value = kNoIndex;
  explicit operator bool() const { return value != kNoIndex; }
  friend constexpr auto operator<=>(const AttributeId&, const AttributeId&) = default;
};

// RFC 4271 section 9.1.1 leaves the degree of preference of external routes to us; this is everyone's
// default.
inline constexpr std::uint32_t kDefaultLocalPref = 100;
// RFC 8326 section 4: of a route that nobody should use as long as there is another one.
inline constexpr std::uint32_t kShutDownLocalPref = 0;

// The part of a set that decisions are made of.
struct AttributeKeys {
  std::uint32_t local_pref = kDefaultLocalPref;
  std::uint32_t med = 0;            // absent counts as lowest (RFC 4271 section 9.1.2.2 c)
  std::uint32_t neighbour_as = 0;   // 0: our own
  std::uint32_t originator_id = 0;  // 0: none
  std::uint16_t as_path_length = 0;
  std::uint16_t cluster_list_length = 0;
  Origin origin = Origin::kIgp;
  bool no_export : 1 = false;  // also NO_EXPORT_SUBCONFED: we are no confederation, so it means the same
  bool no_advertise : 1 = false;
  bool discard : 1 = false;
  bool only_to_customer : 1 = false;  // RFC 9234
  bool next_hop_is_v6 : 1 = false;    // of an IPv4 route: only for peers that know RFC 8950

  // With the next hop of `attributes`.
  static AttributeKeys of(const PathAttributes& attributes);
};

class AttributeTable {
 public:
  // The number of this set with this next hop (attributes.next_hop is not looked at), with one reference
  // taken.
  AttributeId intern(const PathAttributes& attributes, const NextHop& next_hop);
  void ref(AttributeId id) { ++sets_[id.value].references; }
  void unref(AttributeId id);

  const AttributeKeys& keys(AttributeId id) const { return sets_[id.value].keys; }
  NextHop next_hop(AttributeId id) const;
  PathAttributes get(AttributeId id) const;

  // The number of its next hop there.
  std::uint32_t hop(AttributeId id) const { return sets_[id.value].hop; }
  NextHops& next_hops() { return next_hops_; }
  const NextHops& next_hops() const { return next_hops_; }

  std::size_t size() const { return used_; }

 private:
  struct Set {
    AttributeKeys keys;
    std::uint32_t hash = 0;
    std::uint32_t references = 0;
    std::uint32_t size = 0;
    std::uint32_t hop = kNoIndex;
    std::unique_ptr<std::byte[]> bytes;
    std::span<const std::byte> view() const { return {bytes.get(), size}; }
  };
  static_assert(sizeof(Set) == 48);
  // Open addressing; the hash is at hand so that a probe rarely touches a set.
  struct Cell {
    std::uint32_t hash = 0;
    std::uint32_t id = kNoIndex;
  };

  void grow();
  void place(Cell cell);
  void remove(std::uint32_t hash, std::uint32_t id);

  SparseArray<Set> sets_;
  NextHops next_hops_;
  std::vector<std::uint32_t> free_;
  std::uint32_t end_ = 0;
  std::size_t used_ = 0;
  std::vector<Cell> cells_;  // a power of two
  std::vector<std::byte> scratch_;
};

}  // namespace towpath::bgp
