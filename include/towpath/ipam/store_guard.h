// What a process does about a state store that is damaged, or breaks under it.
//
// The store is a memory map. LmdbEnvironment looks at the file before it opens it; a file that is cut short
// or overwritten afterwards still ends the process, by SIGBUS or by an assertion of LMDB, and so does a part
// that was not looked at.
#pragma once

namespace towpath::ipam {

enum class StoreLook {
  kBrief,  // for a plugin, which must be fast; what it costs does not grow with the store
  kWhole,  // for a program that lives long, or that somebody has called: some 10 ms for 60,000 endpoints
};

// From now on such an end writes one line to standard error, which names the store that was opened last and
// what to do about it, and has exit status 1. Once, at the start of main(). A plugin does otherwise: its
// runtime reads standard output (plugins/common/crash_guard.h).
void end_with_words_on_damage();

}  // namespace towpath::ipam
