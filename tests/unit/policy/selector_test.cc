#include "towpath/policy/selector.h"

#include <gtest/gtest.h>

namespace towpath::policy {
namespace {

using enum SelectorOperator;

struct Row {
  const char* reason;
  Selector selector;
  Labels labels;
  bool matches;
};

TEST(Selector, MatchesAsTheApiReferenceSays) {
  const Labels none;
  const Labels web{{"app", "web"}, {"tier", "front"}};
  const std::vector<Row> rows{
      {"an empty selector selects all", {}, none, true},
      {"an empty selector selects all", {}, web, true},
      {"each label must be there", {.match_labels = {{"app", "web"}}}, web, true},
      {"each label must be there", {.match_labels = {{"app", "web"}, {"tier", "back"}}}, web, false},
      {"with its value", {.match_labels = {{"app", "db"}}}, web, false},
      {"an empty value is a value", {.match_labels = {{"app", ""}}}, none, false},
      {"an empty value is a value", {.match_labels = {{"app", ""}}}, {{"app", ""}}, true},
      {"In: one of", {{}, {{"app", kIn, {"db", "web"}}}}, web, true},
      {"In: one of", {{}, {{"app", kIn, {"db"}}}}, web, false},
      {"In: without the label", {{}, {{"app", kIn, {"db"}}}}, none, false},
      {"NotIn: none of", {{}, {{"app", kNotIn, {"db"}}}}, web, true},
      {"NotIn: none of", {{}, {{"app", kNotIn, {"db", "web"}}}}, web, false},
      {"NotIn: without the label", {{}, {{"app", kNotIn, {"db"}}}}, none, true},
      {"Exists", {{}, {{"tier", kExists}}}, web, true},
      {"Exists", {{}, {{"zone", kExists}}}, web, false},
      {"DoesNotExist", {{}, {{"zone", kDoesNotExist}}}, web, true},
      {"DoesNotExist", {{}, {{"tier", kDoesNotExist}}}, web, false},
      {"labels and requirements all", {{{"app", "web"}}, {{"tier", kExists}}}, web, true},
      {"labels and requirements all", {{{"app", "web"}}, {{"zone", kExists}}}, web, false},
      {"all requirements", {{}, {{"tier", kExists}, {"app", kNotIn, {"web"}}}}, web, false},
  };
  for (const Row& row : rows) EXPECT_EQ(row.selector.matches(row.labels), row.matches) << row.reason;
}

}  // namespace
}  // namespace towpath::policy
