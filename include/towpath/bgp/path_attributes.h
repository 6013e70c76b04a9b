// The path attributes of a route as values, independent of how they stand on the wire.
//
// One PathAttributes holds what RFC 4271 section 5 calls the path attributes of a route, next hop included.
// Decoding yields it, import rules change it, the RIB interns it, encoding writes it. Optional attributes are
// absent, not zero. AS numbers are always four octets here; AS_TRANS and AS4_PATH exist only on the wire (RFC
// 6793).
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "towpath/base/address.h"
#include "towpath/base/ids.h"

namespace towpath::bgp {

// RFC 4271 section 5.1.1. Lower is preferred.
enum class Origin : std::uint8_t { kIgp = 0, kEgp = 1, kIncomplete = 2 };

// RFC 4271 section 4.3 and RFC 5065 section 3.
enum class SegmentType : std::uint8_t { kSet = 1, kSequence = 2, kConfedSequence = 3, kConfedSet = 4 };

struct AsPathSegment {
  SegmentType type = SegmentType::kSequence;
  std::vector<AsNumber> numbers;  // never empty in a valid path, at most 255
  friend auto operator<=>(const AsPathSegment&, const AsPathSegment&) = default;
};

struct AsPath {
  std::vector<AsPathSegment> segments;

  // RFC 4271 section 9.1.2.2 a: an AS_SET counts one, confederation segments count nothing (RFC 5065
  // section 5.3).
  std::size_t length() const;
  bool contains(AsNumber as) const;
  // The neighbour AS: first number of a leading AS_SEQUENCE, confederation segments skipped; none for a local
  // path or where an AS_SET leads.
  std::optional<AsNumber> first_as() const;
  // Whether it starts with these numbers in this order; always where there are none.
  bool begins_with(std::span<const AsNumber> start) const;
  // The AS that originated the route: last number of the last AS_SEQUENCE.
  std::optional<AsNumber> origin_as() const;
  // Puts `as` in front `count` times; opens a new segment where the first is full (255) or no sequence.
  void prepend(AsNumber as, unsigned count = 1);
  // "65001 65002 {65003 65004}".
  std::string to_string() const;
  friend auto operator<=>(const AsPath&, const AsPath&) = default;
};

struct Community {  // RFC 1997
  std::uint32_t value = 0;
  std::string to_string() const;  // "65000:1", or the name of a well-known one
  friend constexpr auto operator<=>(const Community&, const Community&) = default;
};
inline constexpr Community kNoExport{0xFFFFFF01};
inline constexpr Community kNoAdvertise{0xFFFFFF02};
inline constexpr Community kNoExportSubconfed{0xFFFFFF03};
inline constexpr Community kGracefulShutdown{0xFFFF0000};  // RFC 8326

struct ExtendedCommunity {  // RFC 4360
  std::uint64_t value = 0;
  std::string to_string() const;
  friend constexpr auto operator<=>(const ExtendedCommunity&, const ExtendedCommunity&) = default;
};

struct LargeCommunity {  // RFC 8092
  std::uint32_t global = 0;
  std::uint32_t local1 = 0;
  std::uint32_t local2 = 0;
  std::string to_string() const;  // "65000:1:2"
  friend constexpr auto operator<=>(const LargeCommunity&, const LargeCommunity&) = default;
};

struct Aggregator {
  AsNumber as;
  RouterId router_id;
  friend constexpr auto operator<=>(const Aggregator&, const Aggregator&) = default;
};

// RFC 2545 section 3: an IPv6 next hop may carry a link-local address beside, or instead of, a global one.
struct NextHop {
  IpAddress address;                    // global, or link-local where the peer sent nothing else
  std::optional<IpAddress> link_local;  // only with an IPv6 address
  friend auto operator<=>(const NextHop&, const NextHop&) = default;
};

// Transitive attributes that we do not interpret, passed on with the Partial bit set (RFC 4271 section 5).
struct UnknownAttribute {
  std::uint8_t flags = 0;
  std::uint8_t type = 0;
  std::vector<std::byte> value;
  friend auto operator<=>(const UnknownAttribute&, const UnknownAttribute&) = default;
};

struct PathAttributes {
  Origin origin = Origin::kIgp;
  AsPath as_path;
  NextHop next_hop;
  std::optional<std::uint32_t> med;
  std::optional<std::uint32_t> local_pref;
  bool atomic_aggregate = false;
  std::optional<Aggregator> aggregator;
  std::optional<RouterId> originator_id;  // RFC 4456
  std::vector<RouterId> cluster_list;     // RFC 4456, most recent reflector first
  std::vector<Community> communities;     // as received: order kept
  std::vector<ExtendedCommunity> extended_communities;
  std::vector<LargeCommunity> large_communities;
  std::optional<AsNumber> only_to_customer;  // RFC 9234
  std::vector<UnknownAttribute> unknown;     // ascending by type
  bool discard = false;  // packets end here (RFC 7999); set by route policy, never on the wire

  bool has(Community community) const;
  friend auto operator<=>(const PathAttributes&, const PathAttributes&) = default;
};

}  // namespace towpath::bgp
