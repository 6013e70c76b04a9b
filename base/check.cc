#include "towpath/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace towpath {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "towpath: broken invariant at %s:%d: %s\n", file, line, condition);
  std::abort();
}

}  // namespace towpath
