#include "bgp/rib/attribute_codec.h"

#include "towpath/base/byte_reader.h"
#include "towpath/base/byte_writer.h"
#include "towpath/base/check.h"

namespace towpath::bgp {
namespace {

// What follows the fixed part; what is absent takes no byte.
enum Presence : std::uint16_t {
  kNextHopV6 = 1 << 0,
  kLinkLocal = 1 << 1,
  kMed = 1 << 2,
  kLocalPref = 1 << 3,
  kAtomicAggregate = 1 << 4,
  kAggregator = 1 << 5,
  kOriginatorId = 1 << 6,
  kOnlyToCustomer = 1 << 7,
  kAsPath = 1 << 8,
  kClusterList = 1 << 9,
  kCommunities = 1 << 10,
  kExtendedCommunities = 1 << 11,
  kLargeCommunities = 1 << 12,
  kUnknown = 1 << 13,
  kDiscard = 1 << 14,
};

std::uint16_t presence(const PathAttributes& a, const NextHop& next_hop) {
  unsigned bits = 0;
  const auto note = [&bits](bool present, Presence bit) {
    if (present) bits |= bit;
  };
  note(next_hop.address.is_v6(), kNextHopV6);
  note(next_hop.link_local.has_value(), kLinkLocal);
  note(a.med.has_value(), kMed);
  note(a.local_pref.has_value(), kLocalPref);
  note(a.atomic_aggregate, kAtomicAggregate);
  note(a.aggregator.has_value(), kAggregator);
  note(a.originator_id.has_value(), kOriginatorId);
  note(a.only_to_customer.has_value(), kOnlyToCustomer);
  note(!a.as_path.segments.empty(), kAsPath);
  note(!a.cluster_list.empty(), kClusterList);
  note(!a.communities.empty(), kCommunities);
  note(!a.extended_communities.empty(), kExtendedCommunities);
  note(!a.large_communities.empty(), kLargeCommunities);
  note(!a.unknown.empty(), kUnknown);
  note(a.discard, kDiscard);
  return static_cast<std::uint16_t>(bits);
}

// A message is at most 65535 octets, so no list has more entries than 16 bits can count.
void count(ByteWriter& w, std::size_t n) {
  TOWPATH_CHECK(n <= 0xFFFF);
  w.u16(static_cast<std::uint16_t>(n));
}

IpAddress address(ByteReader& r, bool v6) {
  const auto bytes = r.take(v6 ? 16 : 4);
  TOWPATH_CHECK(r.ok());
  return *IpAddress::from_bytes(bytes);
}

NextHop next_hop(ByteReader& r, unsigned bits) {
  NextHop n{address(r, bits & kNextHopV6), {}};
  if (bits & kLinkLocal) n.link_local = address(r, true);
  return n;
}

AsPath as_path(ByteReader& r) {
  AsPath path;
  path.segments.resize(r.u16());
  for (AsPathSegment& segment : path.segments) {
    segment.type = static_cast<SegmentType>(r.u8());
    segment.numbers.resize(r.u16());
    for (AsNumber& number : segment.numbers) number.value = r.u32();
  }
  return path;
}

}  // namespace

void pack_attributes(const PathAttributes& a, const NextHop& next_hop, std::vector<std::byte>& out) {
  out.clear();
  ByteWriter w(out);
  w.u16(presence(a, next_hop));
  w.bytes(next_hop.address.bytes());
  if (next_hop.link_local) w.bytes(next_hop.link_local->bytes());
  w.u8(static_cast<std::uint8_t>(a.origin));
  if (a.med) w.u32(*a.med);
  if (a.local_pref) w.u32(*a.local_pref);
  if (a.aggregator) {
    w.u32(a.aggregator->as.value);
    w.u32(a.aggregator->router_id.value);
  }
  if (a.originator_id) w.u32(a.originator_id->value);
  if (a.only_to_customer) w.u32(a.only_to_customer->value);
  if (!a.as_path.segments.empty()) {
    count(w, a.as_path.segments.size());
    for (const AsPathSegment& segment : a.as_path.segments) {
      w.u8(static_cast<std::uint8_t>(segment.type));
      count(w, segment.numbers.size());
      for (const AsNumber number : segment.numbers) w.u32(number.value);
    }
  }
  if (!a.cluster_list.empty()) {
    count(w, a.cluster_list.size());
    for (const RouterId id : a.cluster_list) w.u32(id.value);
  }
  if (!a.communities.empty()) {
    count(w, a.communities.size());
    for (const Community c : a.communities) w.u32(c.value);
  }
  if (!a.extended_communities.empty()) {
    count(w, a.extended_communities.size());
    for (const ExtendedCommunity c : a.extended_communities) w.u64(c.value);
  }
  if (!a.large_communities.empty()) {
    count(w, a.large_communities.size());
    for (const LargeCommunity& c : a.large_communities) {
      w.u32(c.global);
      w.u32(c.local1);
      w.u32(c.local2);
    }
  }
  if (!a.unknown.empty()) {
    count(w, a.unknown.size());
    for (const UnknownAttribute& u : a.unknown) {
      w.u8(u.flags);
      w.u8(u.type);
      count(w, u.value.size());
      w.bytes(u.value);
    }
  }
}

PathAttributes unpack_attributes(std::span<const std::byte> bytes) {
  ByteReader r(bytes);
  PathAttributes a;
  const unsigned bits = r.u16();
  a.next_hop = next_hop(r, bits);
  a.origin = static_cast<Origin>(r.u8());
  if (bits & kMed) a.med = r.u32();
  if (bits & kLocalPref) a.local_pref = r.u32();
  a.atomic_aggregate = bits & kAtomicAggregate;
  a.discard = bits & kDiscard;
  if (bits & kAggregator) {
    a.aggregator.emplace();
    a.aggregator->as.value = r.u32();
    a.aggregator->router_id.value = r.u32();
  }
  if (bits & kOriginatorId) a.originator_id = RouterId{r.u32()};
  if (bits & kOnlyToCustomer) a.only_to_customer = AsNumber{r.u32()};
  if (bits & kAsPath) a.as_path = as_path(r);
  if (bits & kClusterList) {
    a.cluster_list.resize(r.u16());
    for (RouterId& id : a.cluster_list) id.value = r.u32();
  }
  if (bits & kCommunities) {
    a.communities.resize(r.u16());
    for (Community& c : a.communities) c.value = r.u32();
  }
  if (bits & kExtendedCommunities) {
    a.extended_communities.resize(r.u16());
    for (ExtendedCommunity& c : a.extended_communities) c.value = r.u64();
  }
  if (bits & kLargeCommunities) {
    a.large_communities.resize(r.u16());
    for (LargeCommunity& c : a.large_communities) {
      c.global = r.u32();
      c.local1 = r.u32();
      c.local2 = r.u32();
    }
  }
  if (bits & kUnknown) {
    a.unknown.resize(r.u16());
    for (UnknownAttribute& u : a.unknown) {
      u.flags = r.u8();
      u.type = r.u8();
      const auto value = r.take(r.u16());
      u.value.assign(value.begin(), value.end());
    }
  }
  TOWPATH_CHECK(r.ok() && r.at_end());
  return a;
}

NextHop unpack_next_hop(std::span<const std::byte> bytes) {
  ByteReader r(bytes);
  const unsigned bits = r.u16();
  return next_hop(r, bits);
}

}  // namespace towpath::bgp
