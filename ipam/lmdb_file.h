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

namespace towpath::ipam {

// What is wrong with the file, in a few words; nothing if all is well, also if there is no file yet or LMDB
// sees by itself that it is none of its own. Looks at all pages of a tree of at most 256, which is a store of
// some 2,000 endpoints. Of a bigger one it looks at the branches alone, so that ADD takes no longer when the
// host has many containers; a leaf must lie inside the file. Writers may be at work meanwhile. Errors: the
// file cannot be read.
Result<std::optional<std::string>> find_damage(const std::string& data_path);

}  // namespace towpath::ipam
