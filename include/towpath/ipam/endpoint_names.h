// What every endpoint is built with, and what plugins and agent must say alike.
//
// The names of the host's interfaces that belong to one attachment follow from the attachment alone, so
// that whoever cleans up finds them without a record; the alias of each, `container-id/ifname`, is the proof.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "towpath/base/address.h"
#include "towpath/ipam/attachment_id.h"

namespace towpath::ipam {

inline constexpr std::string_view kHostIfnamePrefix = "tp";

// Of the host end of the veth pair: "tp" and 13 hexadecimal digits of a hash of both names.
std::string host_ifname(const AttachmentId& attachment);
// Of the ifb through which an endpoint's packets are shaped: "tb" and the same digits.
std::string shaping_ifname(const AttachmentId& attachment);

// What every container's routes go through, and no interface has: 169.254.1.1 or fe80::1.
IpAddress next_hop_of(AddressFamily family);

// The attachment that an alias names; nothing if it is no alias of ours.
std::optional<AttachmentId> parse_alias(std::string_view alias);

}  // namespace towpath::ipam
