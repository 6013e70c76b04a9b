// TOWPATH_CHECK(condition): an invariant that only a bug of ours can break. Ends the process, in release
// builds too: an agent that went on with broken state could delete routes that carry traffic.
#pragma once

namespace towpath {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}

#define TOWPATH_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::towpath::check_failed(#condition, __FILE__, __LINE__))
