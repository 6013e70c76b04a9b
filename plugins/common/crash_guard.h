// The last answer of a plugin: an error document even when the process dies by a fault of its own.
//
// A runtime that reads nothing from standard output cannot tell its user what happened. The state store is a
// memory map: a file damaged from outside (a valid header, garbage behind it) shows as SIGSEGV, SIGBUS or a
// failed assertion in the middle of a lookup. What was made until then stays for DEL or GC, as after SIGKILL.
#pragma once

#include "plugins/common/cni_version.h"

namespace towpath::cni {

// From now on SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT write one CNI error document (code 999) to standard
// output, a line to standard error, and end the process with status 1. Once, at the start of main(). Does
// nothing under a sanitizer, which has better reports.
void install_crash_guard();
// The version of the answer, as soon as it is known what the runtime speaks; the newest one until then.
void answer_crashes_in(CniVersion version);

}  // namespace towpath::cni
