// The indexes of the state store (bitmaps, lists of what rests, numbers) against the records that they are
// about. Pure.
#pragma once

#include <set>
#include <vector>

#include "towpath/ipam/audit.h"
#include "towpath/ipam/store_snapshot.h"

namespace towpath::ipam {

// What does not agree; `store` is of one transaction, so nothing of it is half done. An address of `in_use`
// that is marked and without a record stays so.
std::vector<Finding> audit_indexes(const StoreSnapshot& store, const std::set<IpAddress>& in_use);

// The blocks of the store as its records want them: with these instead, audit_indexes() finds nothing but
// what no index can put right. What was marked for nobody rests from now on. A block that is not stored keeps
// its indexes only if records have addresses of it.
std::vector<BlockContents> sound_indexes(const StoreSnapshot& store, const std::set<IpAddress>& in_use);

}  // namespace towpath::ipam
