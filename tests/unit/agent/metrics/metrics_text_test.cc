#include "agent/metrics/metrics_text.h"

#include <gtest/gtest.h>

namespace towpath::agent {
namespace {

TEST(MetricsText, FamiliesAndSamples) {
  MetricsText out;
  out.family("in_sync", MetricsText::Type::kGauge, "Whether.");
  out.sample(1);
  out.family("messages_total", MetricsText::Type::kCounter, "How many.");
  out.sample({{"peer", "b"}, {"direction", "sent"}}, 12345678901.0);
  out.sample({{"peer", "c"}, {"direction", "sent"}}, 0.25);
  EXPECT_EQ(out.text(), R"(# HELP towpath_in_sync Whether.
# TYPE towpath_in_sync gauge
towpath_in_sync 1
# HELP towpath_messages_total How many.
# TYPE towpath_messages_total counter
towpath_messages_total{peer="b",direction="sent"} 12345678901
towpath_messages_total{peer="c",direction="sent"} 0.25
)");
}

TEST(MetricsText, LabelsAreEscaped) {
  MetricsText out;
  out.family("x", MetricsText::Type::kGauge, "X.");
  out.sample({{"peer", "a\"b\\c\nd"}}, 1);
  EXPECT_NE(out.text().find("{peer=\"a\\\"b\\\\c\\nd\"} 1"), std::string::npos) << out.text();
}

}  // namespace
}  // namespace towpath::agent
