// What the codec must know of a session to read and write its messages.
//
// Before both OPENs are known the defaults apply: OPEN, KEEPALIVE and NOTIFICATION do not depend on them. A
// plain value.
#pragma once

#include <compare>
#include <cstddef>

#include "bgp/wire/capability.h"
#include "bgp/wire/message.h"

namespace towpath::bgp {

enum class PeerType : std::uint8_t { kExternal, kInternal };  // eBGP, iBGP

struct SessionParameters {
  struct FamilyParameters {
    bool enabled = false;           // spoken by both sides; NLRI of others is read past
    bool add_path_receive = false;  // RFC 7911: NLRI that we read have path ids
    bool add_path_send = false;     // NLRI that we write have path ids
    friend auto operator<=>(const FamilyParameters&, const FamilyParameters&) = default;
  };

  PeerType peer_type = PeerType::kExternal;
  // A member of our own confederation: only such a one may send AS_CONFED segments (RFC 5065 section 5).
  bool confederation_peer = false;
  bool four_octet_as = false;      // both sides announced it (RFC 6793)
  bool extended_next_hop = false;  // IPv4 unicast may have IPv6 next hops (RFC 8950)
  // RFC 8654 is asymmetric: we must take what we announced; we send it if the peer announced it, too.
  std::size_t max_receive = kMaxMessageSize;
  std::size_t max_send = kMaxMessageSize;
  PerFamily<FamilyParameters> families{};

  const FamilyParameters& of(Family family) const { return families[index(family)]; }
  friend auto operator<=>(const SessionParameters&, const SessionParameters&) = default;
};

// What follows from the OPEN that we sent and the one that we received. Symmetric but for max_* and ADD-PATH.
SessionParameters negotiate(const OpenMessage& sent, const OpenMessage& received);

}  // namespace towpath::bgp
