// The names of the host's interfaces that belong to one attachment. They follow from the attachment alone, so
// that whoever cleans up finds them without a record; the alias of each, `container-id/ifname`, is the proof.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "towpath/ipam/attachment_id.h"

namespace towpath::ipam {

inline constexpr std::string_view kHostIfnamePrefix = "tp";

// Of the host end of the veth pair: "tp" and 13 hexadecimal digits of a hash of both names.
std::string host_ifname(const AttachmentId& attachment);
// Of the ifb through which an endpoint's packets are shaped: "tb" and the same digits.
std::string shaping_ifname(const AttachmentId& attachment);

// The attachment that an alias names; nothing if it is no alias of ours.
std::optional<AttachmentId> parse_alias(std::string_view alias);

}  // namespace towpath::ipam
