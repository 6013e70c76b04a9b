// The part of the guard that the environment sees.
#pragma once

#include <lmdb.h>

#include <string_view>

namespace towpath::ipam {

// Of the store that is being opened; kept until another one is.
void set_words_on_damage(std::string_view message);
// For mdb_env_set_assert(): returns if no guard was asked for, and LMDB then aborts.
void on_failed_assertion(MDB_env* environment, const char* what);

}  // namespace towpath::ipam
