// A look at LMDB's data file before LMDB trusts it.
//
// LMDB follows page numbers and offsets into its map without checking them: a file that was cut short ends
// the process by SIGBUS, garbage in it by SIGSEGV or an assertion, or it reads as an empty store. The layout
// is that of data version 1 (MDB_DATA_VERSION), as the struct types MDB_page, MDB_meta, MDB_db and MDB_node
// of mdb.c say; a file of another version is left to LMDB, which refuses it.
#pragma once

#include <optional>
#include <string>

#include "towpath/base/error.h"
#include "towpath/ipam/store_guard.h"

namespace towpath::ipam {

// What is wrong with the file, in a few words; nothing if all is well, also if there is no file yet or LMDB
// sees by itself that it is none of its own. A brief look is at all pages of a store of at most 256, which is
// some 2,000 endpoints; of a bigger one at the pages nearest to the root, so that ADD takes no longer when
// the host has many containers. Writers may be at work meanwhile. Errors: the file cannot be read.
Result<std::optional<std::string>> find_damage(const std::string& data_path, StoreLook look);

}  // namespace towpath::ipam
