// What one side of a session announced in its OPEN (RFC 5492), as typed values.
//
// A capability that we do not know, or whose value does not have the length or content of its RFC, is kept
// raw in `other`: it was announced, but not understood. Capabilities for families that we do not route are
// kept raw or left out as said at each field. What both sides together make of their capabilities is
// SessionParameters.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "towpath/base/ids.h"
#include "towpath/bgp/add_path.h"
#include "towpath/bgp/family.h"
#include "towpath/bgp/role.h"

namespace towpath::bgp {

// IANA "Capability Codes".
enum class CapabilityCode : std::uint8_t {
  kMultiprotocol = 1,              // RFC 4760
  kRouteRefresh = 2,               // RFC 2918
  kExtendedNextHop = 5,            // RFC 8950
  kExtendedMessage = 6,            // RFC 8654
  kRole = 9,                       // RFC 9234
  kGracefulRestart = 64,           // RFC 4724
  kFourOctetAs = 65,               // RFC 6793
  kAddPath = 69,                   // RFC 7911
  kEnhancedRouteRefresh = 70,      // RFC 7313
  kLongLivedGracefulRestart = 71,  // RFC 9494
  kFqdn = 73,                      // draft-walton-bgp-hostname-capability; kept raw
};

template <class T>
using PerFamily = std::array<T, kFamilyCount>;  // indexed by index(family)

// RFC 4724 section 3, with the N bit of RFC 8538.
struct GracefulRestart {
  bool restarting = false;               // R
  bool notification = false;             // N: NOTIFICATIONs but Hard Reset keep the routes too
  std::chrono::seconds restart_time{0};  // 0 to 4095
  struct FamilyState {
    bool forwarding_preserved = false;  // F
    friend auto operator<=>(const FamilyState&, const FamilyState&) = default;
  };
  // Without any family the speaker only helps others and sends End-of-RIB.
  PerFamily<std::optional<FamilyState>> families;
  friend auto operator<=>(const GracefulRestart&, const GracefulRestart&) = default;
};

// RFC 9494 section 3.
struct LongLivedGracefulRestart {
  struct FamilyState {
    bool forwarding_preserved = false;   // F
    std::chrono::seconds stale_time{0};  // 24 bits
    friend auto operator<=>(const FamilyState&, const FamilyState&) = default;
  };
  PerFamily<std::optional<FamilyState>> families;
  friend auto operator<=>(const LongLivedGracefulRestart&, const LongLivedGracefulRestart&) = default;
};

struct RawCapability {
  std::uint8_t code = 0;
  std::vector<std::byte> value;  // at most 255 octets
  friend auto operator<=>(const RawCapability&, const RawCapability&) = default;
};

struct Capabilities {
  PerFamily<bool> multiprotocol{};
  bool route_refresh = false;
  bool enhanced_route_refresh = false;
  bool extended_message = false;
  // IPv4 unicast routes may have an IPv6 next hop.
  bool extended_next_hop = false;
  std::optional<AsNumber> four_octet_as;
  std::optional<GracefulRestart>
      graceful_restart;  // announced several times: the last counts (RFC 4724 section 3)
  std::optional<LongLivedGracefulRestart> long_lived_graceful_restart;
  PerFamily<AddPathMode> add_path{};  // RFC 7911
  std::optional<Role> role;
  // Several roles that differ: the session must be refused with kRoleMismatch (RFC 9234 section 4.2).
  bool conflicting_roles = false;
  // In the order of arrival. Multiprotocol for families that we do not route is here as well.
  std::vector<RawCapability> other;

  // Whether the side that announced this speaks `family`. Without any multiprotocol capability IPv4 unicast
  // is meant (RFC 4760 section 8); with one for other families only, IPv4 unicast is off.
  bool speaks(Family family) const;

  friend auto operator<=>(const Capabilities&, const Capabilities&) = default;
};

}  // namespace towpath::bgp
