#include "agent/log/event_limiter.h"

#include <gtest/gtest.h>

namespace towpath::agent {
namespace {

TEST(EventLimiter, LetsABurstThroughInEachWindowAndCountsTheRest) {
  EventLimiter limiter;
  const TimePoint start{std::chrono::hours(1)};
  for (std::uint64_t i = 0; i < EventLimiter::kBurst; ++i) EXPECT_TRUE(limiter.allow(start));
  EXPECT_FALSE(limiter.allow(start));
  EXPECT_FALSE(limiter.allow(start + EventLimiter::kWindow - std::chrono::seconds(1)));
  EXPECT_TRUE(limiter.allow(start + EventLimiter::kWindow));
  EXPECT_EQ(limiter.take_suppressed(), 2U);
  EXPECT_EQ(limiter.take_suppressed(), 0U);
}

}  // namespace
}  // namespace towpath::agent
