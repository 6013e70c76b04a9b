// The values of path attributes, one after the other, into an UpdateMessage.
//
// It judges what stands inside a value (RFC 7606 section 7 and the RFC of each attribute). What concerns the
// attribute list as a whole - flags, repetition, what is missing, which error wins - is decode_update()'s
// part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "bgp/wire/attribute_type.h"
#include "bgp/wire/message.h"
#include "bgp/wire/session_parameters.h"

namespace towpath::bgp {

struct RawAttribute {
  std::uint8_t flags = 0;
  std::uint8_t type = 0;
  std::span<const std::byte> value;
  std::span<const std::byte> whole;  // flags, type and length included
};

struct AttributeFault {
  Disposition disposition;
  NotificationCode code;
  std::string_view what;  // static text, with the RFC section
};
using AttributeStatus = std::optional<AttributeFault>;  // nothing: sound

class AttributeDecoder {
 public:
  // Both must outlive the decoder; `out` is cleared.
  AttributeDecoder(const SessionParameters& session, UpdateMessage& out) : session_(session), out_(out) {}

  // One attribute of a type that specified_flags() knows. The caller makes sure that no type comes twice.
  AttributeStatus read(const RawAttribute& attribute);
  // One of a type that it does not know; the Optional bit is set.
  void keep_unknown(const RawAttribute& attribute);
  // After the last attribute: joins what a two-octet peer spread over two attributes (RFC 6793
  // section 4.2.3).
  void finish();

  // MP_REACH_NLRI had routes, be they of a family that we speak or not.
  bool mp_announces() const { return mp_announces_; }

 private:
  AttributeStatus read_origin(std::span<const std::byte> value);
  AttributeStatus read_as_path(std::span<const std::byte> value);
  AttributeStatus read_as4_path(std::span<const std::byte> value);
  AttributeStatus read_next_hop(std::span<const std::byte> value);
  AttributeStatus read_aggregator(std::span<const std::byte> value);
  AttributeStatus read_as4_aggregator(std::span<const std::byte> value);
  AttributeStatus read_communities(std::span<const std::byte> value);
  AttributeStatus read_extended_communities(std::span<const std::byte> value);
  AttributeStatus read_large_communities(std::span<const std::byte> value);
  AttributeStatus read_cluster_list(std::span<const std::byte> value);
  AttributeStatus read_mp_reach(std::span<const std::byte> value);
  AttributeStatus read_mp_unreach(std::span<const std::byte> value);

  const SessionParameters& session_;
  UpdateMessage& out_;
  std::optional<AsPath> as4_path_;
  std::optional<Aggregator> as4_aggregator_;
  bool mp_announces_ = false;
};

// Whether a next hop can be one at all (RFC 4271 section 6.3): neither unspecified nor loopback nor
// multicast.
bool is_next_hop(const IpAddress& address);

}  // namespace towpath::bgp
