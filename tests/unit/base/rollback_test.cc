#include "towpath/base/rollback.h"

#include <gtest/gtest.h>

namespace towpath {
namespace {

TEST(Rollback, UndoesInReverseOrder) {
  std::string trace;
  {
    Rollback rollback;
    rollback.push([&] { trace += '1'; });
    rollback.push([&] { trace += '2'; });
  }
  EXPECT_EQ(trace, "21");
}

TEST(Rollback, CommitKeeps) {
  bool undone = false;
  {
    Rollback rollback;
    rollback.push([&] { undone = true; });
    rollback.commit();
  }
  EXPECT_FALSE(undone);
}

TEST(Rollback, UndoRunsEachInverseOnce) {
  int count = 0;
  Rollback rollback;
  rollback.push([&] { ++count; });
  rollback.undo();
  rollback.undo();
  EXPECT_EQ(count, 1);
}

}  // namespace
}  // namespace towpath
