// `ipam release`: an address is given back by hand.
#pragma once

#include <string>

#include "cli/options.h"
#include "cli/output.h"
#include "towpath/base/error.h"
#include "towpath/ipam/endpoint_record.h"
#include "towpath/ipam/state_store.h"

namespace towpath::cli {

// The kernel first: an address is free only when nothing on this host answers for it any more. kConflict: the
// record was replaced since it was read.
Status release_endpoint(ipam::StateStore& store, const ipam::EndpointRecord& record);

// One row for each address that was given back.
Status release_address(const std::string& state_dir, const IpamRelease& what, Output& output);

}  // namespace towpath::cli
