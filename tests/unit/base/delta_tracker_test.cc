#include "towpath/base/delta_tracker.h"

#include <gtest/gtest.h>

#include <string>

namespace towpath {
namespace {

using Tracker = DeltaTracker<std::string, int>;

TEST(DeltaTracker, PendingIsExactlyTheDifference) {
  Tracker tracker;
  tracker.want("a", 1);
  EXPECT_TRUE(tracker.is_pending("a"));
  tracker.set_actual("a", 1);
  EXPECT_TRUE(tracker.in_sync());
  tracker.want("a", 2);
  EXPECT_TRUE(tracker.is_pending("a"));
  tracker.want("a", 1);
  EXPECT_TRUE(tracker.in_sync()) << "back to what is there: nothing to do";
  tracker.unwant("a");
  EXPECT_TRUE(tracker.is_pending("a"));
  tracker.clear_actual("a");
  EXPECT_TRUE(tracker.in_sync());
}

TEST(DeltaTracker, ALeftoverIsPendingUntilItIsWantedOrGone) {
  Tracker tracker;
  tracker.set_actual("left", 7);
  EXPECT_TRUE(tracker.is_pending("left"));
  tracker.want("left", 7);
  EXPECT_TRUE(tracker.in_sync());
}

TEST(DeltaTracker, ResyncMakesOnlyDesiredKeysPending) {
  Tracker tracker;
  tracker.want("a", 1);
  tracker.set_actual("a", 1);
  tracker.set_actual("b", 2);
  tracker.clear_all_actual();
  EXPECT_TRUE(tracker.is_pending("a"));
  EXPECT_FALSE(tracker.is_pending("b"));
}

}  // namespace
}  // namespace towpath
