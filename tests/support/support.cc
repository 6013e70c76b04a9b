#include <gtest/gtest.h>

// A translation unit of its own so that the support library, which owns the precompiled headers, exists from
// the start.
namespace towpath::test {}
