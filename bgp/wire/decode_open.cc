// OPEN (RFC 4271 sections 4.2 and 6.2).
#include <fmt/format.h>

#include "bgp/wire/capability_codec.h"
#include "bgp/wire/decode.h"
#include "towpath/base/byte_reader.h"

namespace towpath::bgp {
namespace {

constexpr std::uint8_t kCapabilitiesParameter = 2;  // RFC 5492 section 4
constexpr std::uint8_t kExtendedLength = 255;       // RFC 9072 section 2

std::unexpected<DecodeError> refuse(NotificationCode code, std::string reason,
                                    std::vector<std::byte> data = {}) {
  return std::unexpected(DecodeError{Disposition::kReset, code, std::move(data), std::move(reason)});
}

// The optional parameters after their length octet. `width` of each parameter's length is 1, or 2 in the
// extended form.
DecodeStatus read_parameters(ByteReader parameters, std::size_t width, Capabilities& out) {
  while (!parameters.at_end()) {
    const std::uint8_t type = parameters.u8();
    const std::size_t length = width == 1 ? parameters.u8() : parameters.u16();
    const auto value = parameters.take(length);
    if (!parameters.ok())
      return refuse(kOpenUnspecific, "an optional parameter is cut off (RFC 4271 section 6.2)");
    if (type != kCapabilitiesParameter) {
      return refuse(kUnsupportedOptionalParameter,
                    fmt::format("optional parameter {} is unknown (RFC 4271 section 6.2)", type));
    }
    if (!read_capabilities(value, out))
      return refuse(kOpenUnspecific, "a capability is cut off (RFC 5492 section 4)");
  }
  return {};
}

DecodeStatus read_optional_part(ByteReader reader, Capabilities& out) {
  const std::size_t length = reader.u8();
  if (!reader.ok()) return refuse(kOpenUnspecific, "the OPEN is cut off (RFC 4271 section 6.2)");
  ByteReader extended = reader;
  if (length != 0 && extended.u8() == kExtendedLength) {
    // RFC 9072 section 2: a first parameter of type 255 makes the length octet meaningless.
    const std::size_t extended_length = extended.u16();
    if (!extended.ok() || extended_length != extended.remaining()) {
      return refuse(kOpenUnspecific,
                    "the extended length of the optional parameters is wrong (RFC 9072 section 2)");
    }
    return read_parameters(extended, 2, out);
  }
  if (length != reader.remaining()) {
    return refuse(kOpenUnspecific, "the length of the optional parameters is wrong (RFC 4271 section 6.2)");
  }
  return read_parameters(reader, 1, out);
}

// RFC 9234 section 4.2.
DecodeStatus check_role(std::optional<Role> theirs, const OpenExpectation& expected) {
  const std::optional<Role> ours = expected.local_role;
  if (!ours) return {};
  if (!theirs) {
    if (!expected.role_required) return {};
    return refuse(kRoleMismatch,
                  "the peer announces no role, and role_strict asks for one (RFC 9234 section 4.2)");
  }
  if (*theirs == counterpart(*ours)) return {};
  return refuse(kRoleMismatch,
                fmt::format("the peer says it is {}, which does not fit our role {} (RFC 9234 section 4.2)",
                            format(*theirs), format(*ours)));
}

}  // namespace

std::expected<OpenMessage, DecodeError> decode_open(std::span<const std::byte> body) {
  ByteReader reader(body);
  OpenMessage open;
  const std::uint8_t version = reader.u8();
  open.as = AsNumber{reader.u16()};
  open.hold_time = reader.u16();
  open.router_id = RouterId{reader.u32()};
  if (!reader.ok()) return refuse(kOpenUnspecific, "the OPEN is cut off (RFC 4271 section 6.2)");
  if (version != kBgpVersion) {
    return refuse(kUnsupportedVersion, fmt::format("version {} is not 4 (RFC 4271 section 6.2)", version),
                  {std::byte{0}, std::byte{kBgpVersion}});
  }
  if (auto status = read_optional_part(reader, open.capabilities); !status) {
    return std::unexpected(std::move(status).error());
  }
  const bool zero_as = open.as.value == 0 || open.capabilities.four_octet_as == AsNumber{0};
  if (zero_as) return refuse(kBadPeerAs, "AS number 0 (RFC 7607 section 2)");
  if (open.capabilities.four_octet_as) open.as = *open.capabilities.four_octet_as;
  if (open.hold_time == 1 || open.hold_time == 2) {
    return refuse(
        kUnacceptableHoldTime,
        fmt::format("hold time {} is neither 0 nor at least 3 (RFC 4271 section 6.2)", open.hold_time));
  }
  if (open.router_id.value == 0)
    return refuse(kBadBgpIdentifier, "BGP identifier 0.0.0.0 (RFC 6286 section 2.1)");
  return open;
}

DecodeStatus check_open(const OpenMessage& open, const OpenExpectation& expected) {
  if (!expected.peer_as.accepts(open.as, expected.local_as)) {
    return refuse(kBadPeerAs,
                  fmt::format("the peer says it is AS {}, configured is {} (RFC 4271 section 6.2)",
                              open.as.value, expected.peer_as.to_string()));
  }
  if (open.as == expected.local_as && open.router_id == expected.local_router_id) {
    return refuse(kBadBgpIdentifier,
                  fmt::format("the internal peer has our own BGP identifier {} (RFC 6286 section 2.2)",
                              open.router_id.to_string()));
  }
  if (open.capabilities.conflicting_roles) {
    return refuse(kRoleMismatch, "the peer announces several roles (RFC 9234 section 4.2)");
  }
  return check_role(open.capabilities.role, expected);
}

}  // namespace towpath::bgp
