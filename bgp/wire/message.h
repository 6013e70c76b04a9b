// The five BGP messages as values.
//
// One UpdateMessage is meant to be filled again and again by decode_update(): clear() keeps the capacity of
// its lists.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "bgp/wire/capability.h"
#include "bgp/wire/decode_error.h"
#include "bgp/wire/notification.h"
#include "towpath/base/ids.h"
#include "towpath/base/prefix.h"
#include "towpath/bgp/family.h"
#include "towpath/bgp/path_attributes.h"

namespace towpath::bgp {

// RFC 4271 section 4.1.
inline constexpr std::size_t kHeaderSize = 19;
inline constexpr std::size_t kMaxMessageSize = 4096;
inline constexpr std::size_t kMaxExtendedMessageSize = 65535;  // RFC 8654
inline constexpr std::uint8_t kBgpVersion = 4;

enum class MessageType : std::uint8_t {
  kOpen = 1,
  kUpdate = 2,
  kNotification = 3,
  kKeepalive = 4,
  kRouteRefresh = 5
};

struct OpenMessage {
  // The real AS number: that of the four-octet capability where there is one, else My Autonomous System.
  // Written, a number beyond two octets becomes AS_TRANS in My Autonomous System; the capability itself is
  // written only where capabilities.four_octet_as is set.
  AsNumber as;
  std::uint16_t hold_time = 0;  // seconds; 0 or at least 3
  RouterId router_id;
  Capabilities capabilities;
  friend auto operator<=>(const OpenMessage&, const OpenMessage&) = default;
};

struct KeepaliveMessage {
  friend auto operator<=>(const KeepaliveMessage&, const KeepaliveMessage&) = default;
};

// RFC 2918, RFC 7313 section 3.2.
enum class RouteRefreshSubtype : std::uint8_t { kRequest = 0, kBegin = 1, kEnd = 2 };

struct RouteRefreshMessage {
  std::uint16_t afi = 0;
  std::uint8_t safi = 0;
  std::uint8_t subtype =
      0;  // as it came: beyond the three of RouteRefreshSubtype the message must be ignored
  std::optional<Family> family() const { return to_family(afi, safi); }
  friend auto operator<=>(const RouteRefreshMessage&, const RouteRefreshMessage&) = default;
};

struct NlriEntry {
  Prefix prefix;
  std::uint32_t path_id = 0;  // RFC 7911; 0 on sessions without ADD-PATH
  friend auto operator<=>(const NlriEntry&, const NlriEntry&) = default;
};

// Routes that share one next hop. No entry: this part is not in the message.
struct Reach {
  Family family = Family::kIpv4Unicast;
  NextHop next_hop;
  std::vector<NlriEntry> nlri;
  friend auto operator<=>(const Reach&, const Reach&) = default;
};

struct Unreach {
  Family family = Family::kIpv4Unicast;
  std::vector<NlriEntry> nlri;
  friend auto operator<=>(const Unreach&, const Unreach&) = default;
};

// Apply `unreach` first, then `reach`: a prefix in both is announced (RFC 4271 section 4.3).
struct UpdateMessage {
  UpdateMessage() { clear(); }

  // What is withdrawn, by family, from the WITHDRAWN ROUTES field and MP_UNREACH_NLRI together. After an
  // error with Disposition::kWithdraw the announced routes stand here too, and `reach` is empty.
  std::array<Unreach, kFamilyCount> unreach;
  // An UPDATE can announce twice, each with a next hop of its own: kNlriField is the field at its end with
  // the NEXT_HOP attribute, always IPv4 unicast; kMpReach is MP_REACH_NLRI, of either family.
  static constexpr std::size_t kNlriField = 0;
  static constexpr std::size_t kMpReach = 1;
  std::array<Reach, 2> reach;
  // Those of all routes in `reach`; attributes.next_hop is not used, each Reach has its own. Default values
  // where nothing is announced.
  PathAttributes attributes;
  // RFC 4724 section 2. Set only where the message holds nothing else.
  std::optional<Family> end_of_rib;
  // What was wrong but did not end the session (discard and withdraw), in the order found. For counters and
  // the log.
  std::vector<DecodeError> problems;

  // Nothing announced, nothing withdrawn, default attributes. Keeps the capacity of all lists.
  void clear();
  // Puts everything that belongs to no announced route back to its default: next hops without routes, and the
  // attributes where there is no route at all. Keeps capacities.
  void forget_unused();
  bool announces() const { return !reach[kNlriField].nlri.empty() || !reach[kMpReach].nlri.empty(); }
  // The errors forced the announced routes into `unreach`.
  bool treated_as_withdraw() const;
  friend bool operator==(const UpdateMessage&, const UpdateMessage&) = default;
};

using Message =
    std::variant<OpenMessage, UpdateMessage, NotificationMessage, KeepaliveMessage, RouteRefreshMessage>;

MessageType type_of(const Message& message);
// "OPEN", "UPDATE", ...; "unknown" for a value that is none of them.
std::string_view format(MessageType type);

}  // namespace towpath::bgp
