#include "towpath/base/boot_id.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace towpath {
namespace {

TEST(BootId, IsTheSameUuidEachTime) {
  const auto id = current_boot_id();
  ASSERT_TRUE(id) << id.error().message;
  EXPECT_EQ(id->size(), 36U);
  EXPECT_EQ(std::ranges::count(*id, '-'), 4);
  EXPECT_EQ(*current_boot_id(), *id);
}

}  // namespace
}  // namespace towpath
