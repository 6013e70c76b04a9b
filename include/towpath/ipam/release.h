// Giving back an address by hand: whose it is, and whether it may be taken from him. Pure; the release itself
// is StateStore's, by the generation of the record found here.
#pragma once

#include <span>
#include <string_view>

#include "towpath/base/address.h"
#include "towpath/base/error.h"
#include "towpath/ipam/audit.h"
#include "towpath/ipam/endpoint_record.h"

namespace towpath::ipam {

// The record that holds `address`. `container`, unless empty, is the id of the container that must have it.
// kNotFound: nobody has it. kConflict: another container has it, or more than one does and none is named.
// kUnsupported: another IPAM plugin gave it, so it is not ours to give back.
Result<EndpointRecord> find_holder(std::span<const EndpointRecord> records, const IpAddress& address,
                                   std::string_view container);

// kConflict, with the reason, unless the sandbox is gone.
Status check_releasable(const EndpointRecord& record, SandboxFate fate);

}  // namespace towpath::ipam
