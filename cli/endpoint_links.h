// Removes the interfaces of an endpoint from the host: the veth pair with both its ends, and the ifb of one
// that is shaped.
#pragma once

#include "towpath/base/error.h"
#include "towpath/ipam/attachment_id.h"

namespace towpath::cli {

// Not being there is fine; an interface of those names that bears the alias of somebody else stays.
Status remove_links(const ipam::AttachmentId& attachment);

}  // namespace towpath::cli
