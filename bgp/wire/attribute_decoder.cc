#include "bgp/wire/attribute_decoder.h"

#include <algorithm>
#include <utility>

#include "bgp/wire/as_path_codec.h"
#include "bgp/wire/nlri.h"
#include "towpath/base/byte_reader.h"

namespace towpath::bgp {
namespace {

AttributeFault withdraw(NotificationCode code, std::string_view what) {
  return {Disposition::kWithdraw, code, what};
}
AttributeFault discard(NotificationCode code, std::string_view what) {
  return {Disposition::kDiscard, code, what};
}
AttributeFault reset(NotificationCode code, std::string_view what) {
  return {Disposition::kReset, code, what};
}

bool is_list_of(std::size_t size, std::span<const std::byte> value) {
  return !value.empty() && value.size() % size == 0;
}

AttributeStatus read_four_octets(std::span<const std::byte> value, std::uint32_t& out,
                                 std::string_view what) {
  if (value.size() != 4) return withdraw(kAttributeLengthError, what);
  out = ByteReader(value).u32();
  return std::nullopt;
}

// RFC 8092 section 5: redundant values are removed silently. The order of the others is kept.
void remove_duplicates(std::vector<LargeCommunity>& communities) {
  auto sorted = communities;
  std::ranges::sort(sorted);
  if (std::ranges::adjacent_find(sorted) == sorted.end()) return;
  const auto repeated = std::ranges::unique(sorted);
  sorted.erase(repeated.begin(), repeated.end());
  std::vector<bool> seen(sorted.size());
  std::erase_if(communities, [&](const LargeCommunity& community) {
    const auto at = static_cast<std::size_t>(std::ranges::lower_bound(sorted, community) - sorted.begin());
    if (seen[at]) return true;
    seen[at] = true;
    return false;
  });
}

IpAddress read_ipv6(ByteReader& reader) {
  const std::uint64_t high = reader.u64();
  return IpAddress::v6(high, reader.u64());
}

// The length alone tells the family of a next hop (RFC 8950 section 3). Nothing for a length that the family
// of the routes does not allow on this session.
std::optional<NextHop> read_mp_next_hop(std::span<const std::byte> bytes, Family family,
                                        bool extended_next_hop) {
  ByteReader reader(bytes);
  if (family == Family::kIpv4Unicast && bytes.size() == 4)
    return NextHop{IpAddress::v4(reader.u32()), std::nullopt};
  if (family == Family::kIpv4Unicast && !extended_next_hop) return std::nullopt;
  if (bytes.size() == 16) return NextHop{read_ipv6(reader), std::nullopt};
  if (bytes.size() != 32) return std::nullopt;
  NextHop next_hop{read_ipv6(reader), std::nullopt};
  const IpAddress second = read_ipv6(reader);
  // RFC 2545 section 3: a global address, then a link-local one. Some peers without a global one leave the
  // first unspecified, or send the link-local address twice.
  if (!second.is_link_local()) return next_hop;
  if (next_hop.address.is_unspecified() || next_hop.address == second) {
    next_hop.address = second;
  } else {
    next_hop.link_local = second;
  }
  return next_hop;
}

}  // namespace

bool is_next_hop(const IpAddress& address) {
  const bool this_network = address.is_v4() && address.octets()[0] == 0;
  return !this_network && !address.is_unspecified() && !address.is_loopback() && !address.is_multicast();
}

AttributeStatus AttributeDecoder::read(const RawAttribute& attribute) {
  const auto value = attribute.value;
  PathAttributes& attributes = out_.attributes;
  switch (static_cast<AttributeType>(attribute.type)) {
    case AttributeType::kOrigin: return read_origin(value);
    case AttributeType::kAsPath: return read_as_path(value);
    case AttributeType::kNextHop: return read_next_hop(value);
    case AttributeType::kMed:
      return read_four_octets(value, attributes.med.emplace(), "length is not 4 (RFC 7606 section 7.4)");
    case AttributeType::kLocalPref:
      return read_four_octets(value, attributes.local_pref.emplace(),
                              "length is not 4 (RFC 7606 section 7.5)");
    case AttributeType::kAtomicAggregate:
      if (!value.empty()) return discard(kAttributeLengthError, "length is not 0 (RFC 7606 section 7.6)");
      attributes.atomic_aggregate = true;
      return std::nullopt;
    case AttributeType::kAggregator: return read_aggregator(value);
    case AttributeType::kCommunities: return read_communities(value);
    case AttributeType::kOriginatorId:
      return read_four_octets(value, attributes.originator_id.emplace().value,
                              "length is not 4 (RFC 7606 section 7.9)");
    case AttributeType::kClusterList: return read_cluster_list(value);
    case AttributeType::kMpReachNlri: return read_mp_reach(value);
    case AttributeType::kMpUnreachNlri: return read_mp_unreach(value);
    case AttributeType::kExtendedCommunities: return read_extended_communities(value);
    case AttributeType::kAs4Path: return read_as4_path(value);
    case AttributeType::kAs4Aggregator: return read_as4_aggregator(value);
    case AttributeType::kIpv6ExtendedCommunities:
      if (!is_list_of(20, value)) {
        return withdraw(kAttributeLengthError, "length is not a multiple of 20 (RFC 7606 section 7.15)");
      }
      keep_unknown(attribute);
      return std::nullopt;
    case AttributeType::kLargeCommunities: return read_large_communities(value);
    case AttributeType::kOnlyToCustomer:
      return read_four_octets(value, attributes.only_to_customer.emplace().value,
                              "length is not 4 (RFC 9234 section 5)");
  }
  return std::nullopt;
}

void AttributeDecoder::keep_unknown(const RawAttribute& attribute) {
  // RFC 4271 section 5: what is not transitive is ignored, what is passes on, marked as not understood by
  // someone.
  if ((attribute.flags & kFlagTransitive) == 0) return;
  auto& unknown = out_.attributes.unknown;
  const auto at = std::ranges::upper_bound(unknown, attribute.type, {}, &UnknownAttribute::type);
  unknown.insert(at, UnknownAttribute{kFlagOptional | kFlagTransitive | kFlagPartial,
                                      attribute.type,
                                      {attribute.value.begin(), attribute.value.end()}});
}

void AttributeDecoder::finish() {
  PathAttributes& attributes = out_.attributes;
  if (as4_aggregator_ && attributes.aggregator) {
    // An AGGREGATOR with a real AS was set behind the last speaker of four octets: both AS4 attributes are
    // stale.
    if (attributes.aggregator->as != kAsTrans) return;
    attributes.aggregator = as4_aggregator_;
  }
  if (as4_path_) merge_as4_path(attributes.as_path, *as4_path_);
}

AttributeStatus AttributeDecoder::read_origin(std::span<const std::byte> value) {
  if (value.size() != 1) return withdraw(kAttributeLengthError, "length is not 1 (RFC 7606 section 7.1)");
  const auto origin = std::to_integer<std::uint8_t>(value[0]);
  if (origin > static_cast<std::uint8_t>(Origin::kIncomplete)) {
    return withdraw(kInvalidOrigin, "value is not 0, 1 or 2 (RFC 7606 section 7.1)");
  }
  out_.attributes.origin = static_cast<Origin>(origin);
  return std::nullopt;
}

AttributeStatus AttributeDecoder::read_as_path(std::span<const std::byte> value) {
  const AsWidth width = session_.four_octet_as ? AsWidth::kFour : AsWidth::kTwo;
  const auto wrong = bgp::read_as_path(value, width, out_.attributes.as_path);
  if (!wrong.empty()) return withdraw(kMalformedAsPath, wrong);
  if (!session_.confederation_peer && has_confederation_segment(out_.attributes.as_path)) {
    return withdraw(kMalformedAsPath, "confederation segment from outside (RFC 5065 section 5)");
  }
  return std::nullopt;
}

AttributeStatus AttributeDecoder::read_as4_path(std::span<const std::byte> value) {
  AsPath path;
  const auto wrong = bgp::read_as_path(value, AsWidth::kFour, path);
  // RFC 6793 section 6: a malformed one is discarded.
  if (!wrong.empty()) return discard(kMalformedAsPath, wrong);
  if (value.empty()) return discard(kMalformedAsPath, "empty (RFC 6793 section 6)");
  // Confederation segments must not be here; those that are do not count.
  remove_confederation_segments(path);
  as4_path_ = std::move(path);
  return std::nullopt;
}

AttributeStatus AttributeDecoder::read_next_hop(std::span<const std::byte> value) {
  if (value.size() != 4) return withdraw(kAttributeLengthError, "length is not 4 (RFC 7606 section 7.3)");
  out_.reach[UpdateMessage::kNlriField].next_hop = {IpAddress::v4(ByteReader(value).u32()), std::nullopt};
  return std::nullopt;
}

AttributeStatus AttributeDecoder::read_aggregator(std::span<const std::byte> value) {
  // The session decides between 6 and 8, not the attribute (RFC 6793 section 4.1).
  if (value.size() != (session_.four_octet_as ? 8U : 6U)) {
    return discard(kAttributeLengthError,
                   "length is not that of the session's AS numbers (RFC 7606 section 7.7)");
  }
  ByteReader reader(value);
  const AsNumber as{session_.four_octet_as ? reader.u32() : reader.u16()};
  if (as.value == 0) return discard(kOptionalAttributeError, "AS number 0 (RFC 7607 section 2)");
  out_.attributes.aggregator = Aggregator{as, RouterId{reader.u32()}};
  return std::nullopt;
}

AttributeStatus AttributeDecoder::read_as4_aggregator(std::span<const std::byte> value) {
  if (value.size() != 8) return discard(kAttributeLengthError, "length is not 8 (RFC 6793 section 6)");
  ByteReader reader(value);
  const AsNumber as{reader.u32()};
  if (as.value == 0) return discard(kOptionalAttributeError, "AS number 0 (RFC 7607 section 2)");
  as4_aggregator_ = Aggregator{as, RouterId{reader.u32()}};
  return std::nullopt;
}

AttributeStatus AttributeDecoder::read_communities(std::span<const std::byte> value) {
  if (!is_list_of(4, value)) {
    return withdraw(kAttributeLengthError, "length is not a multiple of 4 above 0 (RFC 7606 section 7.8)");
  }
  for (ByteReader reader(value); !reader.at_end();) out_.attributes.communities.push_back({reader.u32()});
  return std::nullopt;
}

AttributeStatus AttributeDecoder::read_extended_communities(std::span<const std::byte> value) {
  if (!is_list_of(8, value)) {
    return withdraw(kAttributeLengthError, "length is not a multiple of 8 above 0 (RFC 7606 section 7.14)");
  }
  for (ByteReader reader(value); !reader.at_end();)
    out_.attributes.extended_communities.push_back({reader.u64()});
  return std::nullopt;
}

AttributeStatus AttributeDecoder::read_large_communities(std::span<const std::byte> value) {
  if (!is_list_of(12, value)) {
    return withdraw(kAttributeLengthError, "length is not a multiple of 12 above 0 (RFC 8092 section 6)");
  }
  for (ByteReader reader(value); !reader.at_end();) {
    LargeCommunity& community = out_.attributes.large_communities.emplace_back();
    community.global = reader.u32();
    community.local1 = reader.u32();
    community.local2 = reader.u32();
  }
  remove_duplicates(out_.attributes.large_communities);
  return std::nullopt;
}

AttributeStatus AttributeDecoder::read_cluster_list(std::span<const std::byte> value) {
  if (!is_list_of(4, value)) {
    return withdraw(kAttributeLengthError, "length is not a multiple of 4 above 0 (RFC 7606 section 7.10)");
  }
  for (ByteReader reader(value); !reader.at_end();) out_.attributes.cluster_list.push_back({reader.u32()});
  return std::nullopt;
}

AttributeStatus AttributeDecoder::read_mp_reach(std::span<const std::byte> value) {
  ByteReader reader(value);
  const std::uint16_t afi_value = reader.u16();
  const std::uint8_t safi_value = reader.u8();
  const auto next_hop_bytes = reader.take(reader.u8());
  reader.u8();  // reserved; once a count of SNPAs, ignored on receipt (RFC 4760 section 3)
  if (!reader.ok())
    return reset(kOptionalAttributeError, "too short for its next hop (RFC 7606 section 7.11)");
  const auto nlri = reader.rest();
  mp_announces_ = !nlri.empty();
  const auto family = to_family(afi_value, safi_value);
  // RFC 4760 section 7: routes of a family that is not in use are ignored.
  if (!family || !session_.of(*family).enabled) {
    return discard(kOptionalAttributeError, "address family not negotiated (RFC 4760 section 7)");
  }
  const auto next_hop = read_mp_next_hop(next_hop_bytes, *family, session_.extended_next_hop);
  if (!next_hop) return reset(kOptionalAttributeError, "next hop of a wrong length (RFC 7606 section 7.11)");
  Reach& reach = out_.reach[UpdateMessage::kMpReach];
  reach.family = *family;
  reach.next_hop = *next_hop;
  if (!read_nlri(nlri, *family, session_.of(*family).add_path_receive, reach.nlri)) {
    return reset(kOptionalAttributeError, "malformed NLRI (RFC 7606 section 5.3)");
  }
  if (!is_next_hop(next_hop->address)) {
    return withdraw(kInvalidNextHop, "the next hop is no host's address (RFC 4271 section 6.3)");
  }
  return std::nullopt;
}

AttributeStatus AttributeDecoder::read_mp_unreach(std::span<const std::byte> value) {
  ByteReader reader(value);
  const std::uint16_t afi_value = reader.u16();
  const std::uint8_t safi_value = reader.u8();
  if (!reader.ok()) return reset(kOptionalAttributeError, "length is below 3 (RFC 7606 section 7.12)");
  const auto family = to_family(afi_value, safi_value);
  if (!family || !session_.of(*family).enabled) {
    return discard(kOptionalAttributeError, "address family not negotiated (RFC 4760 section 7)");
  }
  if (!read_nlri(reader.rest(), *family, session_.of(*family).add_path_receive,
                 out_.unreach[index(*family)].nlri)) {
    return reset(kOptionalAttributeError, "malformed NLRI (RFC 7606 section 5.3)");
  }
  return std::nullopt;
}

}  // namespace towpath::bgp
