// The indexes of the state store (bitmaps, lists of what rests, numbers) against the records that they are
// about. Pure.
#pragma once

#include <chrono>
#include <vector>

#include "towpath/ipam/audit.h"
#include "towpath/ipam/store_snapshot.h"

namespace towpath::ipam {

// What does not agree; `store` of one transaction, so nothing of it is half done.
std::vector<Finding> audit_indexes(const StoreSnapshot& store);

}  // namespace towpath::ipam
