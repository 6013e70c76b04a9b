// The path attributes by their number on the wire (IANA "BGP Path Attributes") and the bits of their flags
// octet.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace towpath::bgp {

enum class AttributeType : std::uint8_t {
  kOrigin = 1,
  kAsPath = 2,
  kNextHop = 3,
  kMed = 4,
  kLocalPref = 5,
  kAtomicAggregate = 6,
  kAggregator = 7,
  kCommunities = 8,               // RFC 1997
  kOriginatorId = 9,              // RFC 4456
  kClusterList = 10,              // RFC 4456
  kMpReachNlri = 14,              // RFC 4760
  kMpUnreachNlri = 15,            // RFC 4760
  kExtendedCommunities = 16,      // RFC 4360
  kAs4Path = 17,                  // RFC 6793
  kAs4Aggregator = 18,            // RFC 6793
  kIpv6ExtendedCommunities = 25,  // RFC 5701; checked, then passed on as an unknown one
  kLargeCommunities = 32,         // RFC 8092
  kOnlyToCustomer = 35,           // RFC 9234
};

inline constexpr std::uint8_t kFlagOptional = 0x80;
inline constexpr std::uint8_t kFlagTransitive = 0x40;
inline constexpr std::uint8_t kFlagPartial = 0x20;
inline constexpr std::uint8_t kFlagExtendedLength = 0x10;

// The Optional and Transitive bits that its RFC gives the attribute; nothing for a type that we do not know.
constexpr std::optional<std::uint8_t> specified_flags(std::uint8_t type) {
  switch (static_cast<AttributeType>(type)) {
    case AttributeType::kOrigin:
    case AttributeType::kAsPath:
    case AttributeType::kNextHop:
    case AttributeType::kLocalPref:
    case AttributeType::kAtomicAggregate: return kFlagTransitive;
    case AttributeType::kMed:
    case AttributeType::kOriginatorId:
    case AttributeType::kClusterList:
    case AttributeType::kMpReachNlri:
    case AttributeType::kMpUnreachNlri: return kFlagOptional;
    case AttributeType::kAggregator:
    case AttributeType::kCommunities:
    case AttributeType::kExtendedCommunities:
    case AttributeType::kAs4Path:
    case AttributeType::kAs4Aggregator:
    case AttributeType::kIpv6ExtendedCommunities:
    case AttributeType::kLargeCommunities:
    case AttributeType::kOnlyToCustomer: return kFlagOptional | kFlagTransitive;
  }
  return std::nullopt;
}

// "AS_PATH" and so on, as the RFCs write it; empty for a type that we do not know.
constexpr std::string_view format(AttributeType type) {
  switch (type) {
    case AttributeType::kOrigin: return "ORIGIN";
    case AttributeType::kAsPath: return "AS_PATH";
    case AttributeType::kNextHop: return "NEXT_HOP";
    case AttributeType::kMed: return "MULTI_EXIT_DISC";
    case AttributeType::kLocalPref: return "LOCAL_PREF";
    case AttributeType::kAtomicAggregate: return "ATOMIC_AGGREGATE";
    case AttributeType::kAggregator: return "AGGREGATOR";
    case AttributeType::kCommunities: return "COMMUNITIES";
    case AttributeType::kOriginatorId: return "ORIGINATOR_ID";
    case AttributeType::kClusterList: return "CLUSTER_LIST";
    case AttributeType::kMpReachNlri: return "MP_REACH_NLRI";
    case AttributeType::kMpUnreachNlri: return "MP_UNREACH_NLRI";
    case AttributeType::kExtendedCommunities: return "EXTENDED_COMMUNITIES";
    case AttributeType::kAs4Path: return "AS4_PATH";
    case AttributeType::kAs4Aggregator: return "AS4_AGGREGATOR";
    case AttributeType::kIpv6ExtendedCommunities: return "IPV6_EXTENDED_COMMUNITIES";
    case AttributeType::kLargeCommunities: return "LARGE_COMMUNITIES";
    case AttributeType::kOnlyToCustomer: return "ONLY_TO_CUSTOMER";
  }
  return {};
}

}  // namespace towpath::bgp
