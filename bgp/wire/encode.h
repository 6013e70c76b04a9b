// Messages to bytes. Every function appends whole messages, header included, to `out`, which the caller
// reuses.
//
// For bulk there are three steps, so that an update group formats once for many peers: encode_attributes()
// once per attribute set, AnnouncePacker to put as many NLRI behind them as a message takes, WithdrawPacker
// for withdrawals. The bytes depend only on the arguments and on SessionParameters, so peers with equal
// parameters can share them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bgp/wire/message.h"
#include "bgp/wire/session_parameters.h"
#include "towpath/base/error.h"

namespace towpath::bgp {

// RFC 9072's extended form is used where the capabilities need more than 253 octets; kInvalid beyond a
// message.
Status encode_open(const OpenMessage& open, std::vector<std::byte>& out);
void encode_keepalive(std::vector<std::byte>& out);
// Data beyond `max_length` is cut.
void encode_notification(const NotificationMessage& notification, std::vector<std::byte>& out,
                         std::size_t max_length = kMaxMessageSize);
void encode_route_refresh(const RouteRefreshMessage& refresh, std::vector<std::byte>& out);
// The empty UPDATE, or the one with an empty MP_UNREACH_NLRI (RFC 4724 section 2).
void encode_end_of_rib(Family family, std::vector<std::byte>& out);

// The whole value as exactly one message; `problems` are not part of it. kExhausted where it does not fit
// max_send; nothing is appended then. For bulk use the packers.
Status encode_update(const UpdateMessage& update, const SessionParameters& session,
                     std::vector<std::byte>& out);
// Any message.
Status encode(const Message& message, const SessionParameters& session, std::vector<std::byte>& out);

// All attributes but the next hop, which the packer puts where it belongs: NEXT_HOP in the order of types,
// MP_REACH_NLRI in front of all (RFC 7606 section 5.1).
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
// part.
void encode_attributes(const PathAttributes& attributes, const SessionParameters& session,
                       EncodedAttributes& out);

// Packs announcements of one family, one attribute set and one next hop into as few messages as hold them.
//
//   AnnouncePacker packer(attributes, family, next_hop, session, out);
//   for (...) packer.add(prefix, path_id);
//   packer.finish();
//
// IPv4 with an IPv4 next hop goes into the NLRI field, all else into MP_REACH_NLRI. An IPv6 route needs an
// IPv6 next hop. All references must outlive the packer; `out` must not be touched before finish().
class AnnouncePacker {
 public:
  AnnouncePacker(const EncodedAttributes& attributes, Family family, const NextHop& next_hop,
                 const SessionParameters& session, std::vector<std::byte>& out);

  // False where the attributes leave no room for even one route in a message: nothing can be announced with
  // them, and the caller must withdraw instead (RFC 8654 section 4). add() must not be called then.
  bool fits() const { return fits_; }

  void add(const Prefix& prefix, std::uint32_t path_id = 0);
  // Ends the last message. Returns how many messages were appended in all.
  std::size_t finish();

 private:
  void open_message();
  void close_message();

  const EncodedAttributes& attributes_;
  Family family_;
  NextHop next_hop_;
  std::vector<std::byte>& out_;
  bool use_mp_;
  bool add_path_;
  bool fits_ = false;
  std::size_t max_length_;
  std::size_t tail_ = 0;   // octets that close_message() appends behind the NLRI
  std::size_t start_ = 0;  // of the open message
  std::size_t limit_ = 0;  // NLRI must end here; 0 while no message is open
  std::size_t messages_ = 0;
};

// The same for withdrawals: WITHDRAWN ROUTES for IPv4, MP_UNREACH_NLRI for IPv6.
class WithdrawPacker {
 public:
  WithdrawPacker(Family family, const SessionParameters& session, std::vector<std::byte>& out);
  void add(const Prefix& prefix, std::uint32_t path_id = 0);
  std::size_t finish();

 private:
  void open_message();
  void close_message();

  Family family_;
  std::vector<std::byte>& out_;
  bool add_path_;
  std::size_t max_length_;
  std::size_t start_ = 0;
  std::size_t limit_ = 0;
  std::size_t messages_ = 0;
};

}  // namespace towpath::bgp
