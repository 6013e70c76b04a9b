// Removes the ifb of an endpoint that nobody else will remove: its sandbox took the veth pair along, but not
// this.
#pragma once

#include "towpath/base/error.h"
#include "towpath/ipam/attachment_id.h"

namespace towpath::agent {

// Not being there is fine; one that is not the endpoint's is left alone. Blocks for three exchanges with the
// kernel.
Status remove_shaping(const ipam::AttachmentId& endpoint);

}  // namespace towpath::agent
