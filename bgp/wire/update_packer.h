// Many routes into as few UPDATEs as hold them.
//
// The bytes depend only on the arguments and on SessionParameters, so peers with equal parameters can share
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bgp/wire/encode_attributes.h"
#include "bgp/wire/message.h"
#include "bgp/wire/session_parameters.h"

namespace towpath::bgp {

// The list of NLRI in the message that is being written; shared by the two packers below.
class NlriList {
 public:
  explicit NlriList(std::vector<std::byte>& out) : out_(out) {}

  // The list begins at the end of the buffer and must end at `limit`.
  void begin(std::size_t limit);
  bool has_room(std::size_t size) const { return cursor_ + size <= limit_; }
  void put(const Prefix& prefix, bool add_path, std::uint32_t path_id);
  // Cuts the buffer behind the last entry.
  void end();

 private:
  std::vector<std::byte>& out_;
  std::size_t begin_ = 0;
  std::size_t cursor_ = 0;
  std::size_t limit_ = 0;
};

// Announcements of one family, one attribute set and one next hop.
//
//   AnnouncePacker packer(attributes, family, next_hop, session, out);
//   for (...) packer.add(prefix, path_id);
//   packer.finish();
//
// IPv4 with an IPv4 next hop goes into the NLRI field, all else into MP_REACH_NLRI. An IPv6 route needs an
// IPv6 next hop. `attributes` and `out` must outlive the packer; `out` must not be touched before finish().
class AnnouncePacker {
 public:
  AnnouncePacker(const EncodedAttributes& attributes, Family family, const NextHop& next_hop,
                 const SessionParameters& session, std::vector<std::byte>& out);

  // False where the attributes leave no room for a route of full length: nothing can be announced with them,
  // and the caller must withdraw instead (RFC 8654 section 4). add() must not be called then.
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
  NlriList nlri_;
  bool in_mp_reach_;
  bool add_path_;
  bool fits_;
  bool open_ = false;
  std::size_t max_length_;
  std::size_t start_ = 0;  // of the open message
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
  NlriList nlri_;
  bool add_path_;
  bool open_ = false;
  std::size_t max_length_;
  std::size_t start_ = 0;
  std::size_t messages_ = 0;
};

}  // namespace towpath::bgp
