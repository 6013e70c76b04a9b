// Path attributes to bytes, once per attribute set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bgp/wire/session_parameters.h"
#include "towpath/bgp/path_attributes.h"

namespace towpath::bgp {

// All attributes but the next hop, which is put where it belongs when a message is written: NEXT_HOP in the
// order of types, MP_REACH_NLRI in front of all (RFC 7606 section 5.1).
struct EncodedAttributes {
  std::vector<std::byte> bytes;
  std::size_t next_hop_at = 0;  // where NEXT_HOP goes

  void clear() {
    bytes.clear();
    next_hop_at = 0;
  }
};

// Replaces `out`, keeping its capacity. Toward a two-octet peer AS_TRANS is put in, with AS4_PATH and
// AS4_AGGREGATOR where a number needed it (RFC 6793 section 4.2.2). LOCAL_PREF, ORIGINATOR_ID and
// CLUSTER_LIST are written when they are set: to take them off toward an external peer is the export policy's
// part. Bytes beyond the length of any message are no error here; nothing fits behind them.
void encode_attributes(const PathAttributes& attributes, const SessionParameters& session,
                       EncodedAttributes& out);

// Appends the NEXT_HOP attribute. The address is IPv4.
void write_next_hop(const NextHop& next_hop, std::vector<std::byte>& out);
inline constexpr std::size_t kNextHopAttributeSize = 7;

// Appends MP_REACH_NLRI up to its NLRI, with the long form of the length, which stays 0: patch it two octets
// behind the returned position, where the attribute starts.
std::size_t begin_mp_reach(Family family, const NextHop& next_hop, std::vector<std::byte>& out);
std::size_t mp_reach_head_size(const NextHop& next_hop);
// The same for MP_UNREACH_NLRI.
std::size_t begin_mp_unreach(Family family, std::vector<std::byte>& out);
// Both: the attribute ends where the buffer ends.
void end_mp(std::size_t start, std::vector<std::byte>& out);

}  // namespace towpath::bgp
