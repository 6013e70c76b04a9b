// Looks at the host on which this runs, and into the sandboxes of its containers, for what the state store
// speaks of.
//
// Reads only. Must run in the network namespace of the host, and sees paths of sandboxes from its own mount
// namespace. Failure: what cannot be seen at all is an error; of a single sandbox it is left out.
#pragma once

#include <span>

#include "towpath/base/error.h"
#include "towpath/ipam/endpoint_record.h"
#include "towpath/ipam/host_observation.h"

namespace towpath::cli {

Result<ipam::HostObservation> look_at_host(std::span<const ipam::EndpointRecord> records);

}  // namespace towpath::cli
